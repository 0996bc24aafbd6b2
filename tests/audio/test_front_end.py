import json
import math
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import (
    ADD,
    PANNS,
    PRESETS,
    SYMMETRIC,
    FrontEndConfig,
    front_end,
    mel_filters,
)
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.audio.mel import KALDI
from aec_ofa_tf.tagging.interpreter import interpreter_class

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
ESC10 = SHARED_DATA / "esc10" / "audio"
EFFICIENTAT = SHARED_DATA / "efficientat" / "mn04_expected.json"
RATE = PANNS.sample_rate_hz


def kaldi_filters(config: FrontEndConfig) -> np.ndarray:
    """torchaudio's `get_mel_banks`, filter by filter."""

    def mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    bins = mel(np.arange(config.fft_samples // 2 + 1) * config.sample_rate_hz / config.fft_samples)
    step = (mel(config.max_hz) - mel(config.min_hz)) / (config.mel_bins + 1)
    rows = []
    for number in range(config.mel_bins):
        left = mel(config.min_hz) + number * step
        rising, falling = (bins - left) / step, (left + 2 * step - bins) / step
        rows.append(np.maximum(0, np.minimum(rising, falling)))
    return np.array(rows)


def librosa_log_mel(waveform: np.ndarray, config: FrontEndConfig = PANNS) -> np.ndarray:
    """The same by librosa; Kaldi's filters, a floor that is added and pre-emphasis by hand."""
    frames = len(waveform) // config.hop_samples
    if config.mel_scale == KALDI:
        filters = kaldi_filters(config)
    else:
        filters = librosa.filters.mel(
            sr=config.sample_rate_hz,
            n_fft=config.fft_samples,
            n_mels=config.mel_bins,
            fmin=config.min_hz,
            fmax=config.max_hz,
        )
    if config.pre_emphasis:
        waveform = waveform[1:] - np.float32(config.pre_emphasis) * waveform[:-1]
    spectrum = librosa.stft(
        waveform,
        n_fft=config.fft_samples,
        win_length=config.window_samples,
        hop_length=config.hop_samples,
        window=np.hanning(config.window_samples) if config.window == SYMMETRIC else "hann",
        pad_mode="reflect",
    )
    power = filters @ np.abs(spectrum) ** 2
    add = config.power_floor if config.floor_rule == ADD else 0.0
    return 10 * np.log10(np.maximum(power + add, config.power_floor)).T[:frames]


def assert_within_bounds(
    received: np.ndarray, waveform: np.ndarray, config: FrontEndConfig = PANNS
) -> None:
    expected = librosa_log_mel(waveform, config)
    error = np.abs(received - expected)
    near = expected > expected.max() - 60.0
    assert received.shape == expected.shape
    assert error[near].max() <= 1e-3
    assert error.max() <= 0.5


def synthetic_waveforms(rate_hz: int = RATE) -> dict[str, np.ndarray]:
    time = np.arange(rate_hz) / rate_hz
    noise = np.random.default_rng(0).normal(0, 0.1, rate_hz)
    return {
        "noise": noise,
        "tone": 0.8 * np.sin(2 * np.pi * 1000 * time),
        "sweep": np.sin(2 * np.pi * (100 + 6000 * time) * time),
        "half silent": np.where(time < 0.5, 0.0, noise),
        "faint": 1e-4 * noise,
    }


def test_mel_filters_are_librosa_s():
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=50, fmax=14000)

    assert mel_filters(PANNS).shape == (513, 64)
    np.testing.assert_allclose(mel_filters(PANNS), expected.T, atol=1e-6)


@pytest.mark.parametrize("name", synthetic_waveforms())
@pytest.mark.parametrize("preset", PRESETS)
def test_log_mel_is_librosa_s(preset, name):
    config = PRESETS[preset]
    waveform = synthetic_waveforms(config.sample_rate_hz)[name].astype(np.float32)
    received = tf.function(lambda clip: log_mel(clip, config))(tf.constant(waveform)).numpy()

    assert_within_bounds(received, waveform, config)


@pytest.mark.parametrize(
    ("window_samples", "fft_samples"), [(400, 0), (401, 0), (512, 1024), (1000, 2048), (333, 512)]
)
def test_a_window_of_any_length_stands_in_the_middle_of_its_fft_as_librosa_s(
    window_samples, fft_samples
):
    config = front_end(
        "panns_16k", window_samples=window_samples, fft_samples=fft_samples, mel_bins=40
    )
    waveform = synthetic_waveforms(16000)["noise"].astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=waveform, sr=16000, n_fft=config.fft_samples, win_length=window_samples, hop_length=160,
        pad_mode="reflect", n_mels=40, fmin=50, fmax=8000,
    )  # fmt: skip

    assert config.fft_samples == (fft_samples or 512)
    np.testing.assert_allclose(
        log_mel(tf.constant(waveform), config).numpy(),
        10 * np.log10(np.maximum(power, 1e-10)).T[:-1],
        atol=1e-3,
    )


@pytest.mark.skipif(not EFFICIENTAT.is_file(), reason="the original's values are not beside this")
def test_efficientat_s_front_end_is_the_original_s():
    seconds = np.arange(160_000) / 32_000
    clips = {
        "sine_440hz_amplitude_0.1_5s": 0.1 * np.sin(2 * np.pi * 440 * seconds),
        "silence_5s": 0.0 * seconds,
        "noise_default_rng_0_normal_std_0.1_5s": np.random.default_rng(0).normal(0, 0.1, 160_000),
    }
    expected = json.loads(EFFICIENTAT.read_text())
    for name, clip in clips.items():
        log_mel_db = log_mel(tf.constant(clip, tf.float32), PRESETS["efficientat_32k"]).numpy()
        scaled = (log_mel_db * math.log(10) / 10 + 4.5) / 5
        assert list(scaled.T.shape) == expected[name]["log_mel_shape"]
        for figure in ("mean", "min", "max"):
            wanted = expected[name][f"log_mel_{figure}"]
            assert getattr(scaled, figure)() == pytest.approx(wanted, abs=2e-5)
        np.testing.assert_allclose(
            scaled[100, [0, 31, 63, 127]],
            expected[name]["log_mel_frame_100_bins_0_31_63_127"],
            atol=2e-5,
        )


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


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_s_filters_are_all_reached_and_its_frames_come_one_per_hop(preset):
    config = PRESETS[preset]
    silence = log_mel(tf.zeros([config.clip_samples(1.0)]), config)

    assert (mel_filters(config).max(axis=0) > 0).all()
    assert silence.shape == (100, config.mel_bins)
    np.testing.assert_allclose(silence.numpy(), config.floor_db, atol=1e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_converts_to_built_in_tflite_operators(preset, tmp_path):
    config = PRESETS[preset]
    samples = config.clip_samples(0.5)
    module = tf.Module()
    module.serve = tf.function(
        lambda clip: log_mel(clip, config), input_signature=[tf.TensorSpec([1, samples])]
    )
    tf.saved_model.save(module, str(tmp_path))
    interpreter = interpreter_class()(
        model_content=tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    )
    interpreter.allocate_tensors()
    clip = synthetic_waveforms(config.sample_rate_hz)["sweep"][:samples].astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], clip[None])
    interpreter.invoke()

    assert_within_bounds(
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0], clip, config
    )


def test_a_clip_must_be_long_enough_to_be_reflected_at_its_ends():
    config = front_end("keyword_16k", fft_samples=4096)

    assert config.min_samples == 2049
    with pytest.raises(ValueError, match="at least 2049 samples"):
        log_mel(tf.zeros([1600]), config)
    assert log_mel(tf.zeros([2080]), config).shape == (13, 40)


def test_log_mel_takes_arrays_and_refuses_integer_samples():
    sine = np.sin(np.arange(3200) * 0.1)
    np.testing.assert_array_equal(log_mel(sine), log_mel(tf.constant(sine, tf.float32)))
    with pytest.raises(ValueError, match=r"received int16: divide integer samples .* 32768"):
        log_mel(np.zeros(3200, np.int16))


@pytest.mark.parametrize(
    ("waveform", "config", "message"),
    [
        (np.zeros(16000, np.float32), "keyword_16k", "FrontEndConfig, for example front_end"),
        (np.zeros(16000, np.float32), None, "received None"),
        (np.float32(0), front_end(), "static number of samples"),
    ],
)
def test_what_log_mel_cannot_take_is_named(waveform, config, message):
    with pytest.raises(ValueError, match=message):
        log_mel(waveform, config)
