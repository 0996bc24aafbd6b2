"""Flags of the log-mel front end, and the configuration built from them. No TensorFlow here."""

from __future__ import annotations

from absl import flags

from aec_ofa_tf.audio.front_end import PRESETS, FrontEndConfig, front_end
from aec_ofa_tf.audio.io.sound_reader import FLOAT_SCALES

FLAGS = flags.FLAGS
_INTEGERS = {
    "sample_rate_hz": "Sample rate that clips are resampled to, in Hz.",
    "window_samples": "Length of the Hann window, in samples.",
    "hop_samples": "Samples from the start of a frame to the start of the next.",
    "fft_samples": "Length of the FFT; 0: the smallest power of two that is not below the window.",
    "mel_bins": "Number of mel filters.",
}
_FLOATS = {
    "min_hz": "Lower edge of the lowest mel filter, in Hz.",
    "max_hz": "Upper edge of the highest mel filter, in Hz.",
    "power_floor": "Smallest mel power, relative to full scale; what is softer cannot be told from "
    "silence. 1e-10 is -100 dB.",
}

NAMES = ("front_end", *_INTEGERS, *_FLOATS)
"""The names of all these flags."""


def define_front_end_flags() -> None:
    """Defines --front_end and its overrides. A second call changes nothing."""
    if "front_end" in FLAGS:
        return
    flags.DEFINE_enum("front_end", "panns_32k", sorted(PRESETS), "Preset of the log-mel front end.")
    for name, meaning in _INTEGERS.items():
        flags.DEFINE_integer(name, None, f"{meaning} Default: that of --front_end.")
    for name, meaning in _FLOATS.items():
        flags.DEFINE_float(name, None, f"{meaning} Default: that of --front_end.")


def define_float_scale_flag() -> None:
    """Defines --float_scale, which `prepare` and `tag` share."""
    flags.DEFINE_enum(
        "float_scale",
        FLOAT_SCALES[0],
        FLOAT_SCALES,
        "Full scale of recordings that are stored as floating-point numbers: 1 (as_is), or that of "
        "the named integers.",
    )


def front_end_from_flags() -> FrontEndConfig:
    """The preset of `--front_end` with the given overrides.

    Raises:
        ValueError: a value is invalid or contradicts another; the message begins with the flags.
    """
    overrides = {name: FLAGS[name].value for name in NAMES[1:] if FLAGS[name].value is not None}
    try:
        return front_end(FLAGS.front_end, **overrides)
    except ValueError as error:
        given = "".join(f" --{name}={value}" for name, value in overrides.items())
        raise ValueError(f"--front_end={FLAGS.front_end}{given}: {error}") from error
