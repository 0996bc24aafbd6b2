"""Decodes an audio file to a waveform of given rate and length. No TensorFlow: `tag` uses it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.audio.io.errors import DecodeError
from aec_ofa_tf.audio.io.lengths import MAX_MISSING_SHARE
from aec_ofa_tf.audio.io.sound_reader import WaveformReader

LENGTH_POLICIES = ("pad", "repeat", "crop")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoded:
    """A waveform, with notes on the recording.

    Attributes:
        waveform: float32 [samples], mono, nominally in [-1, 1].
        notes: oddities that were accepted (a misleading suffix, cancelling channels).
    """

    waveform: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether every sample is zero."""
        return not self.waveform.any()


def read_waveform(path: str | os.PathLike[str], sample_rate_hz: int = 32000) -> np.ndarray:
    """Decodes a file to mono at `sample_rate_hz`; logs oddities that were accepted as warnings.

    Returns:
        float32 [samples].

    Raises:
        DecodeError: as `decode`.
    """
    decoded = decode(path, sample_rate_hz)
    for note in decoded.notes:
        _log.warning("%s: %s", os.fspath(path), note)
    return decoded.waveform


def decode(
    path: str | os.PathLike[str],
    sample_rate_hz: int = 32000,
    *,
    start_secs: float = 0.0,
    max_samples: int | None = None,
    float_scale: str = "as_is",
    max_missing: float = MAX_MISSING_SHARE,
) -> Decoded:
    """Decodes a file, mixes it down and resamples it (soxr HQ).

    The format is detected from the content, not from the suffix. The mixdown is the mean of the
    channels. If the length in a header is wrong, all samples in the file are decoded, with a note.

    Args:
        path: a file; "-" is standard input.
        sample_rate_hz: sample rate of the result.
        start_secs: where to begin in the recording (`WaveformReader`).
        max_samples: number of samples to decode, at that rate; None decodes all. Memory and time
            depend on this number, not on the length of the recording.
        float_scale: full scale of recordings stored as floating-point numbers, one of
            `sound_reader.FLOAT_SCALES`.
        max_missing: largest share of the length in the header that may be missing at the end.

    Raises:
        StartError: the recording ends before `start_secs`.
        DecodeError: the file is missing, empty, without frames, truncated or undecodable, or it
            contains NaN or infinite samples.
        MachineError, ValueError: as `WaveformReader`.
    """
    reader = WaveformReader(
        path,
        sample_rate_hz,
        start_secs=start_secs,
        max_samples=max_samples,
        float_scale=float_scale,
        max_missing=max_missing,
    )
    waveform = np.concatenate([*reader])
    return Decoded(waveform, reader.notes)


def fit_length(waveform: np.ndarray, clip_samples: int, policy: str) -> np.ndarray:
    """Makes a waveform exactly `clip_samples` long; a longer waveform is cut at its end.

    Args:
        waveform: float32 [samples].
        clip_samples: length of the result.
        policy: for a shorter waveform: "pad" appends silence, "repeat" repeats it, "crop" raises
            an error.

    Returns:
        float32 [clip_samples].

    Raises:
        DecodeError: the policy is "crop" and the waveform is too short.
        ValueError: the policy is unknown, or it is "repeat" and the waveform is empty.
    """
    if policy not in LENGTH_POLICIES:
        raise ValueError(f"length policy {policy!r} is unknown; use one of {LENGTH_POLICIES}")
    short = clip_samples - len(waveform)
    if short <= 0:
        return waveform[:clip_samples]
    if policy == "pad":
        return np.pad(waveform, (0, short))
    if policy == "repeat":
        if not len(waveform):
            raise ValueError("an empty waveform cannot be repeated")
        return np.resize(waveform, clip_samples)
    raise DecodeError("waveform", f"too short: {len(waveform)} of {clip_samples} samples")
