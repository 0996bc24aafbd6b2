"""Each condition does what its name says, and the same to the same clip."""

import numpy as np
import pytest

from aec_ofa_tf.audio.resamplers import MEDIAPIPE, RESAMPLERS
from aec_ofa_tf.robustness.conditions import CONDITIONS, Gain, LowPass, Resampled, WhiteNoise

RATE_HZ = 32000
SILENCE = np.zeros(RATE_HZ, np.float32)


def tone(hz: float, secs: int = 1) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(secs * RATE_HZ) / RATE_HZ).astype(np.float32)


def level_db(waveform: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)))


def spectrum_db(waveform: np.ndarray) -> np.ndarray:
    """Power by Hz of two seconds, without the filters' ends; a sine of amplitude 1 has 0 dB."""
    inner = waveform[RATE_HZ // 2 : -RATE_HZ // 2].astype(np.float64)
    power = np.abs(np.fft.rfft(inner) * 2 / len(inner)) ** 2
    return 10 * np.log10(power + 1e-20)


@pytest.mark.parametrize("level_dbfs", [-80.0, -60.0, -40.0])
def test_noise_is_white_and_has_its_level(level_dbfs):
    noise = WhiteNoise(level_dbfs)(SILENCE, RATE_HZ, b"clip")

    assert noise.dtype == np.float32
    assert level_db(noise) == pytest.approx(level_dbfs, abs=0.1)
    bands = np.abs(np.fft.rfft(noise))[1:].reshape(8, -1)
    np.testing.assert_allclose(np.mean(bands**2, axis=1) / np.mean(bands**2), 1.0, atol=0.1)


def test_noise_is_that_of_the_clip_at_every_level():
    loud, soft = (WhiteNoise(level)(SILENCE, RATE_HZ, b"a") for level in (-40.0, -60.0))

    np.testing.assert_allclose(loud, 10 * soft, rtol=1e-5)
    np.testing.assert_array_equal(loud, WhiteNoise(-40.0)(SILENCE, RATE_HZ, b"a"))
    assert abs(np.corrcoef(loud, WhiteNoise(-40.0)(SILENCE, RATE_HZ, b"b"))[0, 1]) < 0.05


def test_a_gain_changes_the_level_alone():
    softer = Gain(-20.0)(tone(440), RATE_HZ, b"")

    np.testing.assert_allclose(softer, 0.1 * tone(440), rtol=1e-6)


@pytest.mark.parametrize("cutoff_hz", [4000, 8000])
def test_a_low_pass_halves_the_power_at_its_cutoff_and_removes_an_octave_above(cutoff_hz):
    change, later = LowPass(cutoff_hz), slice(RATE_HZ // 2, None)

    def gain_db(hz: float) -> float:
        return level_db(change(tone(hz), RATE_HZ, b"")[later]) - level_db(tone(hz)[later])

    assert gain_db(cutoff_hz) == pytest.approx(-3.0, abs=0.05)
    assert gain_db(0.5 * cutoff_hz) == pytest.approx(0.0, abs=0.05)
    assert gain_db(1.9 * cutoff_hz) < -44


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050])
def test_straight_lines_leave_images_as_the_squared_sinc_predicts(rate_hz):
    hz = 1000
    changed = spectrum_db(Resampled(rate_hz)(tone(hz, 2), RATE_HZ, b""))

    # Images at all sums of the tone and multiples of its rate; the new rate folds them.
    images = hz + rate_hz * np.arange(-50, 51)
    folded = (images + RATE_HZ // 2) % RATE_HZ - RATE_HZ // 2
    for place in np.unique(folded[np.abs(folded) < 0.45 * RATE_HZ]):
        amplitude = np.sum(np.sinc(images[folded == place] / rate_hz) ** 2)
        if amplitude > 1e-3:
            expected = 20 * np.log10(amplitude)
            assert changed[abs(place)] == pytest.approx(expected, abs=0.2), place


def test_mediapipe_s_filter_halves_the_amplitude_at_nine_tenths_of_the_bandwidth():
    for rate_hz in (8000, 16000):
        edge_hz = int(0.45 * rate_hz)
        changed = spectrum_db(Resampled(rate_hz, MEDIAPIPE)(tone(edge_hz, 2), RATE_HZ, b""))

        assert changed[edge_hz] == pytest.approx(-6.0, abs=0.2)
        assert -30 < changed[rate_hz - edge_hz] < -12  # the image beyond half of the rate
        below = spectrum_db(Resampled(rate_hz, MEDIAPIPE)(tone(1000, 2), RATE_HZ, b""))
        assert below[1000] == pytest.approx(0.0, abs=0.02)
        assert -90 < below[rate_hz - 1000] < -60


def test_sound_above_half_of_the_lower_rate_is_gone():
    inner = Resampled(8000)(tone(6000), RATE_HZ, b"")[8000:-8000]
    assert level_db(inner) < -100


def test_conditions_keep_length_and_type_and_a_front_end_s_own_bandwidth_is_no_condition():
    clip = WhiteNoise(-20.0)(SILENCE, RATE_HZ, b"")[:12800]

    for condition in CONDITIONS:
        changed = condition(clip, RATE_HZ, b"clip")
        assert changed.shape == clip.shape, condition.name
        assert changed.dtype == np.float32, condition.name
        assert (changed != clip).any(), condition.name
        np.testing.assert_array_equal(changed, condition(clip, RATE_HZ, b"clip"))
    assert all(condition.applies(RATE_HZ) for condition in CONDITIONS)
    at_16k = {condition.name for condition in CONDITIONS if not condition.applies(16000)}
    from_16k = {f"from 16 kHz by {resampler}" for resampler in RESAMPLERS}
    assert at_16k == {"low-pass at 8 kHz", *from_16k}
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS) == 16
