"""The parameters of the log-mel front end: a validated configuration, and presets.

No TensorFlow here. `aec_ofa_tf.audio.log_mel` computes the log-mel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from aec_ofa_tf.audio.mel import KALDI, MEL_SCALES, SLANEY, check_filters, triangular_filters
from aec_ofa_tf.config import check_fields

PERIODIC, SYMMETRIC = WINDOWS = ("periodic", "symmetric")
CLIP, ADD = FLOOR_RULES = ("clip", "add")
MAX_SAMPLE_RATE_HZ = 768_000
MAX_CLIP_SECS = 3600.0
MAX_WINDOW_SAMPLES = 2**16
MAX_MEL_BINS = 1024


@dataclass(frozen=True)
class FrontEndConfig:
    """The parameters of a front end from a waveform to log-mel in dB; by default PANNs' at 32 kHz.

    The Hann window of `window_samples` is centred in an FFT of `fft_samples`, as in
    `librosa.feature.melspectrogram(n_fft=fft_samples, win_length=window_samples, ...)`.

    Attributes:
        sample_rate_hz: sample rate that clips are resampled to, 1 to 768000.
        window_samples: length of the Hann window, at most 65536.
        hop_samples: samples from the start of a frame to the next, at most `window_samples`.
        mel_bins: number of mel filters, at most 1024.
        min_hz: lower edge of the lowest filter.
        max_hz: upper edge of the highest filter, at most half the sample rate.
        power_floor: smallest mel power; with 1e-10 digital silence is -100 dB.
        fft_samples: length of the FFT, a power of two and at least `window_samples`. 0 is replaced
            by the smallest such power of two.
        window: "periodic" (librosa's, PANNs') or "symmetric" Hann window.
        mel_scale: "slaney" or "kaldi", see `mel.triangular_filters`.
        floor_rule: how the floor is applied: "clip" computes log(max(power, floor)), "add" computes
            log(power + floor).
        pre_emphasis: c of y[n] = x[n + 1] - c * x[n], which is applied to the waveform first; 0
            for none.

    Raises:
        ValueError: a field is outside the range described above, or a mel filter lies between two
            FFT bins, so that its output would always be the floor.

    Example:
        >>> ofa.FrontEndConfig(sample_rate_hz=16000, window_samples=400, hop_samples=160,
        ...                    mel_bins=32, max_hz=7600.0).fft_samples
        512
    """

    sample_rate_hz: int = 32000
    window_samples: int = 1024
    hop_samples: int = 320
    mel_bins: int = 64
    min_hz: float = 50.0
    max_hz: float = 14000.0
    power_floor: float = 1e-10
    fft_samples: int = 0
    window: str = PERIODIC
    mel_scale: str = SLANEY
    floor_rule: str = CLIP
    pre_emphasis: float = 0.0

    def __post_init__(self) -> None:
        if self.fft_samples is None:
            object.__setattr__(self, "fft_samples", 0)
        check_fields(self)
        for problem in self._wrong_sizes():
            raise ValueError(problem)
        if not self.fft_samples:
            object.__setattr__(self, "fft_samples", _power_of_two(self.window_samples))
        for problem in self._wrong_values():
            raise ValueError(problem)
        check_filters(*_filter_arguments(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FrontEndConfig:
        """Reads the configuration of records or of a model card from JSON values.

        Fields that older files lack have their defaults, which those files were made with.

        Raises:
            ValueError: a field is unknown, missing or invalid.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"a front end has no field {', '.join(sorted(unknown))}: the file was written by a "
                "newer version of this program"
            )
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"a front end has a field of the wrong type: {error}") from error

    @property
    def floor_db(self) -> float:
        """The level of digital silence in dB."""
        return 10.0 * math.log10(self.power_floor)

    @property
    def min_samples(self) -> int:
        """The shortest clip: one window, and enough samples for the reflect padding at the ends."""
        return max(self.window_samples, self.fft_samples // 2 + (2 if self.pre_emphasis else 1))

    def clip_samples(self, clip_secs: float) -> int:
        """Samples of a clip, rounded to a whole number of hops.

        Raises:
            ValueError: the clip is shorter than `min_samples`, longer than an hour, or its length
                is not finite.
        """
        if not math.isfinite(clip_secs):
            raise ValueError(f"a clip's length is a finite number of seconds, received {clip_secs}")
        if clip_secs > MAX_CLIP_SECS:
            raise ValueError(
                f"clips last at most {MAX_CLIP_SECS:g} s, received {clip_secs} s: a clip is what a "
                "network scores at once, a few seconds; longer recordings are cut into clips"
            )
        samples = round(clip_secs * self.sample_rate_hz / self.hop_samples) * self.hop_samples
        if samples < self.min_samples:
            raise ValueError(
                f"clips must last at least {self.min_samples / self.sample_rate_hz:.3f} s, "
                f"received {clip_secs} s"
            )
        return samples

    def frames(self, clip_secs: float) -> int:
        """Frames of a clip: one per hop. The centred STFT's last frame is dropped (paper)."""
        return self.clip_samples(clip_secs) // self.hop_samples

    def __str__(self) -> str:
        """A description in one line."""
        whole = self.window_samples == self.fft_samples
        padded = "" if whole else f" in an FFT of {self.fft_samples}"
        emphasis = f", pre-emphasis {self.pre_emphasis:g}" if self.pre_emphasis else ""
        return (
            f"log-mel in dB at {self.sample_rate_hz} Hz, {self.mel_bins} bins from "
            f"{self.min_hz:g} to {self.max_hz:g} Hz ({self.mel_scale}), {self.window} Hann window "
            f"of {self.window_samples} samples{padded}, hop of {self.hop_samples}, power floor "
            f"{self.power_floor:g} ({self.floor_rule}){emphasis}"
        )

    def _wrong_sizes(self) -> Iterator[str]:
        for name in ("sample_rate_hz", "window_samples", "hop_samples", "mel_bins"):
            value = getattr(self, name)
            if value < 1:
                yield f"{name} is a positive integer, received {value!r}"
        if self.sample_rate_hz > MAX_SAMPLE_RATE_HZ:
            yield f"sample_rate_hz is at most {MAX_SAMPLE_RATE_HZ}, received {self.sample_rate_hz}"
        for name in ("window_samples", "fft_samples"):
            if getattr(self, name) > MAX_WINDOW_SAMPLES:
                yield f"{name} is at most {MAX_WINDOW_SAMPLES}, received {getattr(self, name)}"
        if self.mel_bins > MAX_MEL_BINS:
            yield f"mel_bins is at most {MAX_MEL_BINS}, received {self.mel_bins}"

    def _wrong_values(self) -> Iterator[str]:
        needed = _power_of_two(self.window_samples)
        if self.fft_samples < self.window_samples or self.fft_samples & (self.fft_samples - 1):
            yield (
                "fft_samples is a power of two (TFLite computes no other FFT) and at least "
                f"window_samples={self.window_samples}, received {self.fft_samples}: use {needed} "
                "or a higher power of two"
            )
        if self.hop_samples > self.window_samples:
            yield (
                f"hop_samples={self.hop_samples} exceeds window_samples={self.window_samples}: "
                "samples between windows would be ignored; use a shorter hop or a longer window"
            )
        for name, choices in (
            ("window", WINDOWS),
            ("mel_scale", MEL_SCALES),
            ("floor_rule", FLOOR_RULES),
        ):
            if getattr(self, name) not in choices:
                yield f"{name} is one of {', '.join(choices)}, received {getattr(self, name)!r}"
        if not (math.isfinite(self.power_floor) and self.power_floor > 0):
            yield f"power_floor is a positive finite number, received {self.power_floor}"
        if not 0 <= self.pre_emphasis <= 1:
            yield f"pre_emphasis lies in [0, 1], received {self.pre_emphasis}"
        yield from self._wrong_frequencies()

    def _wrong_frequencies(self) -> Iterator[str]:
        half = self.sample_rate_hz / 2
        # Written so that a NaN fails too.
        if not self.max_hz <= half:
            yield (
                f"max_hz is at most half of sample_rate_hz={self.sample_rate_hz}, received "
                f"{self.max_hz:g}: use max_hz={half:g} or less, or a higher sample_rate_hz"
            )
        if not 0 <= self.min_hz < self.max_hz:
            yield (
                f"min_hz is at least 0 and less than max_hz={self.max_hz:g}, received "
                f"{self.min_hz:g}"
            )


def mel_filters(config: FrontEndConfig) -> np.ndarray:
    """The mel filters of a front end (`mel.triangular_filters`).

    Returns:
        float32 [fft_samples // 2 + 1, mel_bins]; power spectrum @ filters = mel power.
    """
    return triangular_filters(*_filter_arguments(config)).astype(np.float32)


def _filter_arguments(config: FrontEndConfig) -> tuple[str, int, int, int, float, float]:
    sizes = config.sample_rate_hz, config.fft_samples, config.mel_bins
    return config.mel_scale, *sizes, config.min_hz, config.max_hz


def _power_of_two(samples: int) -> int:
    """The smallest power of two that is at least `samples`."""
    return 1 << (samples - 1).bit_length()


PANNS = FrontEndConfig()

PRESETS: Mapping[str, FrontEndConfig] = {
    "panns_32k": PANNS,
    "panns_16k": FrontEndConfig(
        sample_rate_hz=16000, window_samples=512, hop_samples=160, max_hz=8000.0
    ),
    "efficientat_32k": FrontEndConfig(
        window_samples=800,
        mel_bins=128,
        min_hz=0.0,
        max_hz=15000.0,
        power_floor=1e-5,
        window=SYMMETRIC,
        mel_scale=KALDI,
        floor_rule=ADD,
        pre_emphasis=0.97,
    ),
    "keyword_16k": FrontEndConfig(
        sample_rate_hz=16000,
        window_samples=480,
        hop_samples=160,
        mel_bins=40,
        min_hz=20.0,
        max_hz=7600.0,
    ),
}
"""Front ends by name.

panns_32k: PANNs (Kong et al. 2020), `Cnn10` and similar networks; the paper's, and the default.
panns_16k: PANNs' `Cnn14_16k`: 64 bins from 50 to 8000 Hz, frames of 10 ms.
efficientat_32k: EfficientAT's `AugmentMelSTFT` (Schmid et al. 2023), with one difference: the
    original scales the natural logarithm to (ln(power + 1e-5) + 4.5) / 5, this front end returns
    the same values in dB. The network's input must compute (dB * ln(10) / 10 + 4.5) / 5.
keyword_16k: common for short commands: windows of 30 ms every 10 ms and 40 bins, as in BC-ResNet
    (Kim et al. 2021) on Google's Speech Commands; 20 to 7600 Hz as in Kaldi's `mfcc_hires.conf`.
"""


def front_end(preset: str = "panns_32k", **overrides: Any) -> FrontEndConfig:
    """A preset with some fields replaced.

    If `window_samples` is given without `fft_samples`, the length of the FFT is chosen anew.

    Args:
        preset: one of `PRESETS`.
        overrides: fields of `FrontEndConfig`.

    Raises:
        ValueError: there is no such preset or field, or a field is invalid.

    Example:
        >>> ofa.front_end("keyword_16k", mel_bins=32).frames(1.0)
        100
    """
    if preset not in PRESETS:
        raise ValueError(f"front_end is one of {', '.join(PRESETS)}, received {preset!r}")
    unknown = set(overrides) - {field.name for field in fields(FrontEndConfig)}
    if unknown:
        raise ValueError(f"a front end has no field {', '.join(sorted(unknown))}")
    if "window_samples" in overrides:
        overrides.setdefault("fft_samples", 0)
    return replace(PRESETS[preset], **overrides)
