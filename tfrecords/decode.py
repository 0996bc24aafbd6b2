"""From an audio file to a waveform of fixed rate and length. No TensorFlow: `tag` uses it too."""

from __future__ import annotations

import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tfrecords import containers

LENGTH_POLICIES = ("pad", "repeat", "crop")
# More frames than any file holds: libsndfile's way to say that it does not know.
_UNKNOWN_FRAMES = 1 << 48
# The mean of uncorrelated channels keeps 1 / channels of their power; below this they cancel.
_CANCELLED_POWER = 0.01
_SUFFIXES = {
    "WAV": {".wav", ".wave", ".rf64", ".bwf"},
    "WAVEX": {".wav", ".wave"},
    "RF64": {".wav", ".rf64"},
    "FLAC": {".flac"},
    "OGG": {".ogg", ".oga", ".opus"},
    "MP3": {".mp3", ".mp2", ".mpga"},
}

_log = logging.getLogger(__name__)


class DecodeError(ValueError):
    """A file that gives no usable waveform.

    Attributes:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.reason)


@dataclass(frozen=True)
class Decoded:
    """A waveform and what was noticed on the way.

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
    """Decodes a file to mono at `sample_rate_hz`; what is odd but usable is logged as a warning.

    Returns:
        float32 [samples].

    Raises:
        DecodeError: as `decode`.
    """
    decoded = decode(path, sample_rate_hz)
    for note in decoded.notes:
        _log.warning("%s: %s", os.fspath(path), note)
    return decoded.waveform


def decode(path: str | os.PathLike[str], sample_rate_hz: int = 32000) -> Decoded:
    """Decodes by content whatever the suffix says, mixes down and resamples (soxr HQ).

    The mixdown is the mean of the channels.

    Raises:
        DecodeError: the file is missing, empty, without frames, truncated, undecodable, or holds
            NaN or infinite samples.
    """
    samples, rate_hz, container, known = _read_frames(path)
    if not np.isfinite(samples).all():
        raise DecodeError(path, "NaN or infinite samples")
    notes = list(_suffix_note(path, container))
    if not known:
        # The decoder stops at that estimate, which is short for a variable bit rate.
        notes.append(f"{container} without an Info header: its length is an estimate")
    mono = samples.mean(axis=1, dtype=np.float32)
    if _cancel(samples, mono):
        notes.append(f"its {samples.shape[1]} channels cancel in the mono mix")
    if rate_hz != sample_rate_hz:
        mono = soxr.resample(mono, rate_hz, sample_rate_hz, quality="HQ")
        if not len(mono):
            raise DecodeError(path, f"no frames left at {sample_rate_hz} Hz")
    return Decoded(np.ascontiguousarray(mono, np.float32), tuple(notes))


def fit_length(waveform: np.ndarray, clip_samples: int, policy: str) -> np.ndarray:
    """Makes a waveform exactly `clip_samples` long; of a longer one the first samples are kept.

    Args:
        waveform: float32 [samples].
        clip_samples: the length wanted.
        policy: for a shorter one: "pad" appends silence, "repeat" repeats it, "crop" refuses it.

    Returns:
        float32 [clip_samples].

    Raises:
        DecodeError: the policy is "crop" and the waveform is too short.
        ValueError: the policy is unknown, or an empty waveform is to be repeated.
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


def _read_frames(path: str | os.PathLike[str]) -> tuple[np.ndarray, int, str, bool]:
    """float32 [frames, channels], the rate in Hz, the container, whether its length is known."""
    data = _read_bytes(path)
    missing = containers.missing_bytes(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            promised, rate_hz, container = file.frames, file.samplerate, file.format
            if promised >= _UNKNOWN_FRAMES:
                # libsndfile cannot find the end of a FLAC that was written to a pipe.
                raise DecodeError(path, "undecodable: its header gives no number of frames")
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, MemoryError) as error:
        reason = _truncated(missing) if missing else f"undecodable: {_explain(error, data)}"
        raise DecodeError(path, reason) from error
    if missing:
        raise DecodeError(path, _truncated(missing))
    if not len(samples):
        raise DecodeError(path, "0 frames")
    known = containers.promises_frames(data, container)
    if known and len(samples) < promised:
        raise DecodeError(path, f"truncated: {len(samples)} of {promised} frames could be read")
    return samples, rate_hz, container, known


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DecodeError(path, "missing") from error
    except OSError as error:
        raise DecodeError(path, f"unreadable: {error.strerror}") from error
    if not data:
        raise DecodeError(path, "empty file")
    return data


def _truncated(missing: int) -> str:
    return f"truncated: at least {missing} bytes are missing at its end"


def _explain(error: BaseException, data: bytes) -> str:
    if data[:4] == b"fLaC":
        return "corrupt or truncated FLAC"  # libsndfile has other words for it every time
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    # What follows is the message; before it stands the name of our in-memory file.
    return text.split(">: ")[-1]


def _suffix_note(path: str | os.PathLike[str], container: str) -> tuple[str, ...]:
    suffix = os.path.splitext(os.fspath(path))[1].lower()  # noqa: PTH122 - keeps surrogates
    claimed = [name for name, suffixes in _SUFFIXES.items() if suffix in suffixes]
    if not claimed or container in claimed:
        return ()
    return (f"holds {container} in spite of its suffix {suffix}",)


def _cancel(samples: np.ndarray, mono: np.ndarray) -> bool:
    if samples.shape[1] == 1:
        return False
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return (
        power > 0 and float(np.mean(np.square(mono, dtype=np.float64))) < _CANCELLED_POWER * power
    )
