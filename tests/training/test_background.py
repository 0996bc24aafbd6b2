"""Backgrounds are windows of the recordings in a folder."""

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.audio.io.decode import read_waveform
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from aec_ofa_tf.config import ConfigError, outcome
from aec_ofa_tf.training.background import MAX_WINDOWS, read_backgrounds, require_noises
from aec_ofa_tf.training.config import TrainConfig
from tests.recordings import noise, write

CONFIG = front_end("panns_16k")
FRAMES = 40
SECS = FRAMES * CONFIG.hop_samples / CONFIG.sample_rate_hz


def test_windows_are_those_of_the_files_one_after_another(tmp_path):
    long = write(tmp_path / "b" / "long.wav", noise(3.5 * SECS, 16000, 1), 16000, subtype="FLOAT")
    write(tmp_path / "short.wav", noise(0.5 * SECS, 16000, 2), 16000, subtype="FLOAT")
    write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    write(tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    windows = read_backgrounds(str(tmp_path), CONFIG, FRAMES)

    assert windows.shape == (3 + 1, FRAMES, CONFIG.mel_bins)
    samples = FRAMES * CONFIG.hop_samples
    first = read_waveform(long, 16000)[:samples]
    assert any(np.array_equal(window, numpy_log_mel(first, CONFIG)) for window in windows)


def test_memory_is_bounded_and_every_file_is_heard(tmp_path):
    for number in range(MAX_WINDOWS // 2 + 3):
        write(tmp_path / f"{number}.wav", noise(2.1 * SECS, 16000, number), 16000)
    windows = read_backgrounds(str(tmp_path), CONFIG, FRAMES)
    assert len(windows) == MAX_WINDOWS // 2 + 3


@pytest.mark.parametrize(("place", "expected"), [("nowhere", "is no folder"), ("", "has none")])
def test_a_folder_without_sound_is_refused_before_training(tmp_path, place, expected):
    with pytest.raises(ConfigError, match=f"noise_source is a folder of sound files.*{expected}"):
        require_noises(str(tmp_path / place))


def test_a_folder_of_silence_is_refused(tmp_path):
    write(tmp_path / "a.wav", np.zeros(16000), 16000)
    with pytest.raises(ConfigError, match="can be used: all are silent"):
        read_backgrounds(str(tmp_path), CONFIG, FRAMES)


def test_disturbances_that_are_off_change_no_resume_key():
    new = {"noise_share": 0.5, "low_pass_share": 0.2, "resample_share": 0.3}
    assert not [
        name
        for name in outcome(TrainConfig())
        if name.startswith(("noise", "low_pass", "resample", "background"))
    ]
    assert new.items() <= outcome(TrainConfig(**new)).items()


@pytest.mark.parametrize("kind", ["noise_{}_dbfs", "background_{}_snr_db"])
def test_bounds_in_the_wrong_order_are_refused(kind):
    low, high = kind.format("low"), kind.format("high")
    with pytest.raises(ConfigError, match=f"{low}=-10 is above {high}=-20"):
        TrainConfig(**{low: -10.0, high: -20.0})
