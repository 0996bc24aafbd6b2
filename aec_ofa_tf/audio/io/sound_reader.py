"""Reads a recording as a mono waveform of a given rate, block by block. No TensorFlow here."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
import soxr

from aec_ofa_tf.audio.io.errors import DecodeError
from aec_ofa_tf.audio.io.lengths import MAX_MISSING_SHARE
from aec_ofa_tf.audio.io.pcm_stream import PcmFormat
from aec_ofa_tf.audio.io.sound_source import SoundSource
from aec_ofa_tf.audio.io.suffixes import SUFFIXES, suffix_of

_FULL_SCALES = {"as_is": 1.0, "int16": 2.0**15, "int24": 2.0**23, "int32": 2.0**31}
FLOAT_SCALES = tuple(_FULL_SCALES)
"""Full scales of samples that are stored as floating-point numbers."""

# The mean of uncorrelated channels keeps 1 / channels of their power. Below this share of that
# power they cancel.
_CANCELLED_POWER = 0.01
# Full scale is 1. A mix may exceed it a little, samples in the scale of integers by thousands.
_ODD_PEAK = 4.0
# A block of a million frames at the lowest rate would become 10^9 samples at the highest rate.
_MAX_BLOCK_SECS = 60.0
# A reader with `max_samples` decodes this much more, because the resampler's filter needs it.
_FILTER_SECS = 0.25


class WaveformReader:
    """Reads a recording, mixes it down to mono and resamples it.

    The format is detected from the content, not from the suffix. The mixdown is the mean of the
    channels, the resampler is soxr HQ. The concatenated blocks do not depend on their sizes: they
    are equal to the last bit, for MP3 to 1e-7.

    Args:
        path: a file; "-" is standard input.
        sample_rate_hz: sample rate of the blocks.
        raw: the format of samples without a header.
        start_secs: where to begin in the recording. What lies before is not decoded, except in
            pipes and in formats without an index.
        max_samples: number of samples to read, at `sample_rate_hz`. The rest of the recording is
            neither decoded nor checked, except for the length in its header.
        float_scale: full scale of recordings stored as floating-point numbers, one of
            `FLOAT_SCALES`: 1 for "as_is"; for example "int16" divides them by 32768. Other
            recordings are not affected.
        max_missing: largest share of the length in the header that may be missing at the end.

    Attributes:
        notes: oddities that were accepted (a misleading suffix, a wrong length in the header,
            cancelling channels, samples far beyond full scale); complete after the last block.

    Raises:
        ValueError: the rate or `max_samples` is not positive, `start_secs` is negative or not
            finite, `float_scale` is unknown, or `max_missing` is not in [0, 1].
        StartError: while iterating: the recording ends before `start_secs`.
        DecodeError: while iterating: the file is missing, empty, without frames, truncated or
            undecodable, or it contains NaN or infinite samples. For invalid samples, and for a cut
            FLAC or MP3, the blocks before the damage are returned first.
        MachineError: while iterating: the machine lacks space, memory, open files or a folder for
            temporary files.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate_hz: int = 32000,
        raw: PcmFormat | None = None,
        *,
        start_secs: float = 0.0,
        max_samples: int | None = None,
        float_scale: str = "as_is",
        max_missing: float = MAX_MISSING_SHARE,
    ) -> None:
        if sample_rate_hz < 1:
            raise ValueError(f"a sample rate is positive, received {sample_rate_hz} Hz")
        if not 0 <= start_secs < float("inf"):
            raise ValueError(f"start_secs is not negative and finite, received {start_secs}")
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples is positive or None, received {max_samples}")
        if not 0 <= max_missing <= 1:
            raise ValueError(f"max_missing is a share from 0 to 1, received {max_missing}")
        if float_scale not in FLOAT_SCALES:
            raise ValueError(f"float_scale is one of {FLOAT_SCALES}, received {float_scale!r}")
        self._path = path
        self._sample_rate_hz = sample_rate_hz
        self._max_samples = max_samples
        self._float_scale = float_scale
        block_secs = _MAX_BLOCK_SECS
        if max_samples is not None:
            block_secs = min(block_secs, max_samples / sample_rate_hz + _FILTER_SECS)
        self._source = SoundSource(path, raw, max_missing, block_secs, start_secs)
        self._peak = 0.0
        self._channels = 0
        self._frames = 0
        self._power = self._mono_power = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Oddities that were accepted."""
        notes = [*_suffix_note(self._path, self._source.container), *self._source.notes]
        if self._power > 0 and self._mono_power < _CANCELLED_POWER * self._power / self._channels:
            notes.append(f"its {self._channels} channels cancel in the mono mix")
        return (*notes, *_peak_note(self._peak, self._float_scale))

    @property
    def waited_secs(self) -> float:
        """How long the reader has waited for the writer of a pipe."""
        return self._source.waited_secs

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields blocks of float32 [samples] at the requested rate; none is empty."""
        given = 0
        with closing(self._resampled()) as blocks:
            for block in blocks:
                if self._max_samples is not None:
                    block = block[: self._max_samples - given]
                given += len(block)
                if len(block):
                    yield block
                if given == self._max_samples:
                    return
        if not self._frames:
            raise DecodeError(self._path, "0 frames")
        if not given:
            raise DecodeError(self._path, f"no frames left at {self._sample_rate_hz} Hz")

    def _resampled(self) -> Generator[np.ndarray, None, None]:
        stream = None
        for mono in self._mono():
            rate_hz = self._source.rate_hz
            if rate_hz == self._sample_rate_hz:
                yield mono
                continue
            if stream is None:
                stream = soxr.ResampleStream(
                    rate_hz, self._sample_rate_hz, 1, dtype="float32", quality="HQ"
                )
            yield stream.resample_chunk(mono)
        if stream is not None:
            yield stream.resample_chunk(np.zeros(0, np.float32), last=True)

    def _mono(self) -> Iterator[np.ndarray]:
        for samples in self._source:
            if not np.isfinite(samples).all():
                raise DecodeError(self._path, "NaN or infinite samples")
            if self._source.is_float:
                self._peak = max(self._peak, float(np.abs(samples).max()))
                samples = samples / np.float32(_FULL_SCALES[self._float_scale])
            self._frames += len(samples)
            self._channels = samples.shape[1]
            mono = _mean_of_channels(samples)
            if self._channels == 1:
                yield mono
                continue
            self._power += float(np.sum(np.square(samples, dtype=np.float64)))
            self._mono_power += float(np.sum(np.square(mono, dtype=np.float64)))
            yield mono


def _mean_of_channels(samples: np.ndarray) -> np.ndarray:
    """`samples.mean(axis=1)`, ten times as fast for few channels, because it adds columns."""
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    mono = samples[:, 0] + samples[:, 1]
    for channel in range(2, channels):
        mono += samples[:, channel]
    mono /= np.float32(channels)
    return mono


def _peak_note(peak: float, float_scale: str) -> tuple[str, ...]:
    if float_scale == "as_is" and peak > _ODD_PEAK:
        return (
            f"its floating-point samples reach {peak:.6g} where full scale is 1; if they are in "
            "the scale of integers, set float_scale, for example int16",
        )
    if float_scale != "as_is" and 0 < peak <= 1:
        return (
            f"its floating-point samples reach no more than {peak:.3g} before float_scale="
            f"{float_scale} divides them",
        )
    return ()


def _suffix_note(path: str | os.PathLike[str], container: str) -> tuple[str, ...]:
    suffix = suffix_of(path)
    claimed = [name for name, suffixes in SUFFIXES.items() if suffix in suffixes]
    if not container or not claimed or container in claimed:
        return ()
    return (f"contains {container} despite its suffix {suffix}",)
