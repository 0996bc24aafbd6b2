from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig, mel_filters
from aec_ofa_tf.audio.log_mel import log_mel

ESC10 = Path(__file__).parents[3] / "shared" / "data" / "esc10" / "audio"
RATE = PANNS.sample_rate_hz


def librosa_log_mel(waveform: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=RATE,
        n_fft=1024,
        hop_length=320,
        pad_mode="reflect",
        n_mels=64,
        fmin=50,
        fmax=14000,
    )
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T[:-1]


def assert_within_bounds(received: np.ndarray, waveform: np.ndarray) -> None:
    expected = librosa_log_mel(waveform)
    error = np.abs(received - expected)
    near = expected > expected.max() - 60.0
    assert received.shape == expected.shape
    assert error[near].max() <= 1e-3
    assert error.max() <= 0.5


def synthetic_waveforms() -> dict[str, np.ndarray]:
    time = np.arange(RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    return {
        "noise": noise,
        "tone": 0.8 * np.sin(2 * np.pi * 1000 * time),
        "sweep": np.sin(2 * np.pi * (100 + 6000 * time) * time),
        "half silent": np.where(time < 0.5, 0.0, noise),
        "faint": 1e-4 * noise,
    }


def test_mel_filters_are_librosa_s():
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=50, fmax=14000)

    assert mel_filters().shape == (513, 64)
    np.testing.assert_allclose(mel_filters(), expected.T, atol=1e-6)


@pytest.mark.parametrize("name", synthetic_waveforms())
def test_log_mel_is_librosa_s(name):
    waveform = synthetic_waveforms()[name].astype(np.float32)

    assert_within_bounds(tf.function(log_mel)(tf.constant(waveform)).numpy(), waveform)


@pytest.mark.skipif(not ESC10.is_dir(), reason="the real recordings are not beside the project")
def test_log_mel_of_real_clips_is_librosa_s():
    for path in sorted(ESC10.glob("*.ogg"))[::40]:
        audio, rate = soundfile.read(path, dtype="float32")
        waveform = soxr.resample(audio, rate, RATE)
        waveform = waveform[: len(waveform) // 320 * 320].astype(np.float32)
        assert_within_bounds(log_mel(tf.constant(waveform)).numpy(), waveform)


def test_digital_silence_is_a_finite_floor():
    np.testing.assert_allclose(log_mel(tf.zeros([3200])).numpy(), -100.0, atol=1e-4)


def test_ten_seconds_give_the_paper_s_thousand_frames():
    assert PANNS.clip_samples(10.0) == 320_000
    assert PANNS.frames(10.0) == 1000
    assert log_mel(tf.zeros([2, 3200])).shape == (2, 10, 64)


def test_batch_and_single_clip_agree():
    clips = np.random.default_rng(1).normal(0, 0.1, (2, 6400)).astype(np.float32)

    for index in range(2):
        one = log_mel(tf.constant(clips[index])).numpy()
        np.testing.assert_allclose(log_mel(tf.constant(clips)).numpy()[index], one, atol=1e-4)


def test_a_length_that_is_no_whole_number_of_hops_is_refused():
    with pytest.raises(ValueError, match="multiple of 320"):
        log_mel(tf.zeros([3201]))
    with pytest.raises(ValueError, match=r"at least 0\.032 s"):
        FrontEndConfig().clip_samples(0.01)


@pytest.mark.parametrize("clip_secs", [float("inf"), float("nan")])
def test_a_clip_length_that_is_not_finite_is_refused(clip_secs):
    with pytest.raises(ValueError, match=f"finite number of seconds, received {clip_secs}"):
        PANNS.clip_samples(clip_secs)
