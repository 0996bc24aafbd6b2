"""The front end in C computes the values of `log_mel`."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import ADD, PRESETS, SYMMETRIC, front_end
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.micro.front_end import FLOAT32, INT16
from tests.micro.clips import as_int16, synthetic_clips
from tests.micro.compiled import needs_compiler

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10" / "audio"
CONFIGS = {
    "short hop": front_end("panns_16k", hop_samples=8),
    "hop of one sample": front_end("panns_16k", hop_samples=1),
    "hop of a window": front_end("panns_16k", hop_samples=512),
    "odd window": front_end("panns_16k", window_samples=333, hop_samples=111, mel_bins=20),
    "symmetric odd window": front_end(
        "panns_16k", window_samples=401, hop_samples=100, mel_bins=40, window=SYMMETRIC
    ),
    "pre-emphasis and hop of an odd window": front_end(
        "efficientat_32k", window_samples=801, hop_samples=801
    ),
    "pre-emphasis and hop of two samples": front_end("efficientat_32k", hop_samples=2),
    "added floor": front_end("keyword_16k", floor_rule=ADD, power_floor=1e-3),
    "high floor": front_end("panns_16k", power_floor=1e-5),
    "one filter": front_end("panns_16k", mel_bins=1),
    "long FFT": front_end("keyword_16k", fft_samples=4096),
    "smallest": front_end("panns_16k", window_samples=4, hop_samples=4, mel_bins=1, min_hz=0.0),
}
pytestmark = needs_compiler


def assert_equal(received: np.ndarray, expected: np.ndarray) -> None:
    assert received.shape == expected.shape
    error = np.abs(received - expected)
    assert error[expected >= expected.max() - 60.0].max() <= 1e-3
    assert error.max() <= 1.0  # float32's rounding, which decides bins 100 dB below others


def values(compute, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log-mel of a clip by the C code and by TensorFlow, from the same samples."""
    if compute.sample_type == FLOAT32:
        return compute.log_mel(clip), log_mel(tf.constant(clip), compute.config).numpy()
    samples = as_int16(clip)
    waveform = samples.astype(np.float32) / 32768.0
    return compute.log_mel(samples), log_mel(tf.constant(waveform), compute.config).numpy()


@pytest.mark.parametrize("name", synthetic_clips(16000, 16000))
@pytest.mark.parametrize("sample_type", [INT16, FLOAT32])
@pytest.mark.parametrize("preset", PRESETS)
def test_values_are_those_of_log_mel(compiled, preset, sample_type, name):
    config = PRESETS[preset]
    clip = synthetic_clips(config.sample_rate_hz, config.clip_samples(1.0))[name]

    assert_equal(*values(compiled(config, sample_type), clip))


@pytest.mark.parametrize("name", CONFIGS)
def test_values_of_unusual_front_ends_are_those_of_log_mel(compiled, name):
    config = CONFIGS[name]
    hops = max(3, 8000 // config.hop_samples) if config.hop_samples > 2 else 1300
    clips = synthetic_clips(config.sample_rate_hz, hops * config.hop_samples)

    for kind in ("noise", "sweep", "speech-like"):
        assert_equal(*values(compiled(config), clips[kind]))


def test_what_lies_below_a_high_floor_is_the_floor_as_in_training(compiled):
    config = CONFIGS["high floor"]
    hiss = 1e-4 * np.random.default_rng(0).normal(size=16000)  # -80 dBFS, about -70 dB in mel bins
    received, expected = values(compiled(config, FLOAT32), hiss.astype(np.float32))

    np.testing.assert_allclose(received, -50.0, atol=1e-5)
    np.testing.assert_allclose(expected, -50.0, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_shortest_clip_has_the_values_of_log_mel(compiled, preset):
    config = PRESETS[preset]
    hops = -(-config.min_samples // config.hop_samples)
    clip = synthetic_clips(config.sample_rate_hz, hops * config.hop_samples)["noise"]

    assert_equal(*values(compiled(config), clip))


@pytest.mark.parametrize("preset", PRESETS)
def test_an_fft_of_the_platform_s_gives_the_values_of_log_mel(compiled, preset):
    config = PRESETS[preset]
    clip = synthetic_clips(config.sample_rate_hz, config.clip_samples(0.2))["speech-like"]

    assert_equal(*values(compiled(config, INT16, "slow_fft"), clip))


@pytest.mark.skipif(not ESC10.is_dir(), reason="the real recordings are not beside the project")
@pytest.mark.parametrize("preset", PRESETS)
def test_values_of_real_clips_are_those_of_log_mel(compiled, preset):
    config = PRESETS[preset]
    for path in sorted(ESC10.glob("*.ogg"))[::40]:
        audio, rate_hz = soundfile.read(path, dtype="float32")
        clip = soxr.resample(audio, rate_hz, config.sample_rate_hz)
        whole = len(clip) // config.hop_samples * config.hop_samples
        assert_equal(*values(compiled(config), clip[:whole].astype(np.float32)))
