"""Reads a folder of noises as the backgrounds of training clips."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from absl import logging

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.io.decode import decode, fit_length
from aec_ofa_tf.audio.io.errors import DecodeError
from aec_ofa_tf.audio.io.folders import sounds_below
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.files import fingerprint

MAX_WINDOWS = 256
"""Windows that are kept in memory."""


def require_noises(noise_source: str) -> None:
    """Checks that a folder has sound files in it or in its subfolders.

    Raises:
        ConfigError: it is no folder, or has none.
    """
    folder = Path(noise_source)
    if not folder.is_dir() or next(iter(sounds_below(folder)), None) is None:
        raise ConfigError(
            f"noise_source is a folder of sound files, received {noise_source!r}, which "
            f"{'has none' if folder.is_dir() else 'is no folder'}",
            "noise_source",
        )


def noises_fingerprint(noise_source: str) -> str:
    """Identifies the sound files of a folder by their names and sizes.

    Raises:
        ConfigError: it is no folder, or has no sound files.
        OSError: a folder cannot be read.
    """
    require_noises(noise_source)
    folder = Path(noise_source)
    files = ((str(path.relative_to(folder)), path.stat().st_size) for path in sounds_below(folder))
    return fingerprint(list(files))


@lru_cache(maxsize=2)
def read_backgrounds(noise_source: str, front_end: FrontEndConfig, frames: int) -> np.ndarray:
    """The log-mel of windows of the recordings in a folder.

    Every file gives as many windows as the others, one after another from its beginning; a shorter
    file is repeated. Of more than 256 files, equally spaced ones are read. Windows of digital
    silence are left out.

    Args:
        noise_source: the folder; its subfolders are searched too.
        front_end: the parameters of the log-mel.
        frames: frames of a window.

    Returns:
        float32 [windows, frames, mel_bins] in dB, at most 256 windows.

    Raises:
        ConfigError: the folder has no sound files, or none of them can be used.
        OSError: a folder cannot be read.
    """
    require_noises(noise_source)
    files = list(sounds_below(Path(noise_source)))
    chosen = [files[n * len(files) // MAX_WINDOWS] for n in range(MAX_WINDOWS)]
    files = list(dict.fromkeys(chosen)) if len(files) > MAX_WINDOWS else files
    windows: list[np.ndarray] = []
    for path in files:
        try:
            windows += _windows(path, front_end, frames, MAX_WINDOWS // len(files))
        except DecodeError as error:
            logging.warning("%s: left out of the backgrounds: %s", path, error.reason)
    if not windows:
        raise ConfigError(
            f"no recording in noise_source={noise_source!r} can be used: all are silent or cannot "
            "be decoded",
            "noise_source",
        )
    logging.info("%d background windows of %s", len(windows), noise_source)
    return np.stack(windows)


def _windows(path: Path, front_end: FrontEndConfig, frames: int, most: int) -> list[np.ndarray]:
    """The first windows of a recording that are not silent throughout."""
    from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel  # imports SciPy

    samples = frames * front_end.hop_samples
    found = decode(path, front_end.sample_rate_hz, max_samples=most * samples).waveform
    whole = max(1, len(found) // samples)
    fitted = fit_length(found, whole * samples, "repeat")
    parts = [part for part in np.split(fitted, whole) if part.any()]
    return [numpy_log_mel(part, front_end) for part in parts]
