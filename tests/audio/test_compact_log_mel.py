"""The front end of TFLite files: small constants, the values of `log_mel`."""

import numpy as np
import pytest
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, PRESETS, front_end, mel_filters
from aec_ofa_tf.audio.log_mel import compact_log_mel, log_mel
from aec_ofa_tf.audio.mel_blocks import mel_blocks
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel

CONFIGS = {
    **PRESETS,
    "short hop": front_end("panns_16k", hop_samples=8),
    "hop of a window": front_end("panns_16k", hop_samples=512),
    "odd": front_end("panns_16k", window_samples=333, hop_samples=111, mel_bins=20),
    "high floor": front_end("panns_32k", power_floor=1e-6),
    "one filter": front_end("panns_16k", mel_bins=1),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_blocks_are_the_mel_filters(name):
    expected = mel_filters(CONFIGS[name])
    received, blocks = np.zeros_like(expected), mel_blocks(CONFIGS[name])
    first = 0
    for block in blocks:
        end = first + block.filters.shape[1]
        received[block.first_bin : block.end_bin, first:end] = block.filters
        first = end

    np.testing.assert_array_equal(received, expected)
    if name in PRESETS:
        assert sum(block.filters.size for block in blocks) < 0.15 * expected.size


@pytest.mark.parametrize("name", CONFIGS)
def test_the_compact_form_has_the_same_values(name):
    config = CONFIGS[name]
    samples = config.hop_samples * (16000 // config.hop_samples)
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(samples) / 7)
    clips = np.stack([0.1 * rng.normal(size=samples), tone, np.zeros(samples)]).astype(np.float32)
    expected = log_mel(clips, config).numpy()
    near = expected > expected.max(axis=(1, 2), keepdims=True) - 60

    error = np.abs(compact_log_mel(clips, config).numpy() - expected)
    assert error[near].max() <= 1e-4
    assert error.max() <= 0.5


def test_log_mel_itself_is_tensorflow_s_stft_to_the_last_bit():
    clip = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    padded = tf.pad(clip, [[512, 512]], mode="REFLECT")
    power = tf.square(tf.abs(tf.signal.stft(padded[:-320], 1024, 320)))
    mel_power = tf.maximum(tf.linalg.matmul(power, mel_filters(PANNS)), 1e-10)
    expected = tf.math.log(mel_power) * (10.0 / np.log(10.0))

    np.testing.assert_array_equal(log_mel(clip).numpy(), expected.numpy())


def test_a_high_floor_hides_noise_and_the_silence_above_a_recording_s_bandwidth():
    """The same in training, in TFLite files and in preparation."""
    config = front_end("panns_32k", power_floor=1e-6)
    rng = np.random.default_rng(0)
    narrow = soxr.resample(0.1 * rng.standard_normal(8000), 8000, 32000).astype(np.float32)
    noisy = narrow + (1e-4 * rng.standard_normal(32000)).astype(np.float32)  # -80 dBFS
    above = np.linspace(0, 1, 64) > 0.75  # mel bins from 6 kHz on

    assert (log_mel(noisy).numpy() - log_mel(narrow).numpy())[:, above].mean() > 20
    for compute in (log_mel, compact_log_mel, numpy_log_mel):
        for clip in (narrow, noisy):
            values = np.asarray(compute(clip, config))[5:-5, above]
            np.testing.assert_allclose(values, config.floor_db, atol=1e-4)
