"""The log-mel of preparation: without TensorFlow, the values of `log_mel`."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, PRESETS, front_end
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from tests.audio.test_front_end import assert_within_bounds, synthetic_waveforms

CONFIGS = {
    **PRESETS,
    "short hop": front_end("panns_16k", hop_samples=8),
    "hop of a window": front_end("panns_16k", hop_samples=512),
    "odd window": front_end("panns_16k", window_samples=333, hop_samples=111, mel_bins=20),
    "one filter": front_end("panns_16k", mel_bins=1),
    "long FFT": front_end("keyword_16k", fft_samples=4096),
}


def waveform_of(name: str, rate_hz: int, hop_samples: int) -> np.ndarray:
    whole = synthetic_waveforms(rate_hz)[name].astype(np.float32)
    return whole[: len(whole) // hop_samples * hop_samples]


@pytest.mark.parametrize("name", synthetic_waveforms())
@pytest.mark.parametrize("front_end_name", CONFIGS)
def test_values_are_those_of_log_mel(front_end_name, name):
    config = CONFIGS[front_end_name]
    waveform = waveform_of(name, config.sample_rate_hz, config.hop_samples)
    expected = log_mel(waveform, config).numpy()
    received = numpy_log_mel(waveform, config)
    near = expected > expected.max() - 60

    assert received.dtype == np.float32
    assert received.shape == expected.shape
    error = np.abs(received - expected)
    assert np.median(error) <= 1e-5
    assert error[near].max() <= 2e-4  # what float32 leaves of a pure tone, in either of them
    assert error.max() <= 0.5


@pytest.mark.parametrize("name", synthetic_waveforms())
@pytest.mark.parametrize("preset", PRESETS)
def test_values_are_librosa_s(preset, name):
    config = PRESETS[preset]
    waveform = synthetic_waveforms(config.sample_rate_hz)[name].astype(np.float32)

    assert_within_bounds(numpy_log_mel(waveform, config), waveform, config)


@pytest.mark.parametrize("front_end_name", CONFIGS)
def test_digital_silence_is_the_floor(front_end_name):
    config = CONFIGS[front_end_name]
    silence = np.zeros(config.hop_samples * (16_000 // config.hop_samples), np.float32)

    np.testing.assert_allclose(numpy_log_mel(silence, config), config.floor_db, atol=1e-4)


def test_the_waveform_is_left_as_it_was():
    for config in (PANNS, front_end("efficientat_32k")):
        waveform = synthetic_waveforms()["noise"].astype(np.float32)
        before = waveform.copy()
        numpy_log_mel(waveform, config)
        np.testing.assert_array_equal(waveform, before)


@pytest.mark.parametrize(
    ("waveform", "config"),
    [
        (np.zeros(3201, np.float32), PANNS),
        (np.zeros(640, np.float32), PANNS),
        (np.zeros(3200, np.int16), PANNS),
        (np.float32(0), PANNS),
        (np.zeros(3200, np.float32), "keyword_16k"),
    ],
)
def test_what_log_mel_refuses_is_refused_in_the_same_words(waveform, config):
    with pytest.raises(ValueError, match=r"log_mel") as theirs:
        log_mel(tf.constant(waveform), config)
    with pytest.raises(ValueError, match=r"log_mel") as ours:
        numpy_log_mel(waveform, config)
    assert str(ours.value) == str(theirs.value)
