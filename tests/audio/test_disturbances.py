"""Disturbances of the log-mel are those of the waveform, and of random clips alone."""

import numpy as np
import pytest
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.augment import Part
from aec_ofa_tf.audio.disturbances import (
    DisturbanceConfig,
    disturbed,
    random_background,
    random_low_pass,
    random_noise_floor,
    random_resampling,
)
from aec_ofa_tf.audio.front_end import PANNS, front_end
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.audio.resampler_images import candidates, centres_hz, image_matrix
from aec_ofa_tf.robustness.conditions import LowPass, Resampled, WhiteNoise

SEED = tf.constant([3, 4])
FRONT_ENDS = (PANNS, front_end("panns_16k"), front_end("efficientat_32k"))
SILENCE = tf.fill([40, 60, 64], PANNS.floor_db)


def at_rate(config, seconds: int = 4) -> np.ndarray:
    """Pink-like noise that reaches up to half the rate, in bursts."""
    rate_hz = config.sample_rate_hz
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(size=seconds * rate_hz))
    spectrum /= np.maximum(np.arange(spectrum.size), 100.0) ** 0.75
    sound = np.fft.irfft(spectrum)
    bursts = 1.0 + 0.9 * np.sin(2 * np.pi * np.arange(sound.size) / rate_hz)
    return (0.3 * sound / np.abs(sound).max() * bursts).astype(np.float32)


def mean_db(features: np.ndarray) -> np.ndarray:
    """The mean power of every mel bin, in dB."""
    return 10 * np.log10(np.mean(10 ** (np.asarray(features, np.float64) / 10), axis=-2))


@pytest.mark.parametrize("config", FRONT_ENDS, ids=lambda config: str(config.mel_bins))
def test_a_noise_floor_has_mean_spread_and_memory_of_real_noise(config):
    frames, level = 400, -45.0
    silence = tf.fill([4, frames, config.mel_bins], config.floor_db)
    made = random_noise_floor(silence, Part(4), SEED, 1.0, (level, level), config).numpy()
    waveform = WhiteNoise(level)(
        np.zeros(4 * frames * config.hop_samples, np.float32), config.sample_rate_hz, b"clip"
    )
    real = log_mel(waveform[None], config).numpy()[0]

    flat = made.reshape(-1, config.mel_bins)
    np.testing.assert_allclose(mean_db(flat), mean_db(real), atol=0.9)
    assert np.mean(mean_db(flat) - mean_db(real)) == pytest.approx(0.0, abs=0.1)
    assert flat.std(axis=0).mean() == pytest.approx(real.std(axis=0).mean(), rel=0.05)

    def memory(features: np.ndarray) -> float:
        power = 10 ** (features / 10)
        power = power - power.mean(axis=0)
        return float(np.mean(power[1:] * power[:-1]) / np.mean(power**2))

    assert memory(made[0]) == pytest.approx(memory(real[:frames]), abs=0.1)


def test_levels_of_noise_are_uniform_between_their_bounds_for_a_share_of_clips():
    silence = tf.fill([2000, 4, 64], -100.0)
    noisy = random_noise_floor(silence, Part(2000), SEED, 0.4, (-80.0, -20.0), PANNS).numpy()

    chosen = (noisy != -100.0).any(axis=(1, 2))
    assert chosen.mean() == pytest.approx(0.4, abs=0.04)
    loud = noisy[chosen].mean(axis=(1, 2))
    gain = log_mel(WhiteNoise(0.0)(np.zeros([1, 32000], np.float32), 32000, b"")).numpy().mean()
    levels = loud - gain
    np.testing.assert_allclose(
        np.quantile(levels, [0.0, 0.25, 0.5, 0.75, 1.0]), [-80, -65, -50, -35, -20], atol=3.0
    )


def test_noise_is_added_to_a_sound_as_to_its_waveform():
    sound = at_rate(PANNS)
    clip, noisy = (
        log_mel(one[None]).numpy() for one in (sound, WhiteNoise(-50.0)(sound, 32000, b"clip"))
    )
    made = random_noise_floor(tf.constant(clip), Part(1), SEED, 1.0, (-50.0, -50.0), PANNS)

    np.testing.assert_allclose(mean_db(made[0]), mean_db(noisy[0]), atol=1.0)


@pytest.mark.parametrize("config", FRONT_ENDS, ids=lambda config: str(config.mel_bins))
def test_mel_bins_are_resampled_as_waveforms_are(config):
    sound = at_rate(config)
    inner = slice(5, -5)  # resamplers hear silence beyond the ends
    power = 10 ** (log_mel(sound[None], config).numpy()[0, inner] / 10)
    added = config.power_floor if config.floor_rule == "add" else 0.0
    for resampler, rate_hz in candidates(config):
        changed = Resampled(rate_hz, resampler)(sound, config.sample_rate_hz, b"")
        real = mean_db(log_mel(changed[None], config).numpy()[0, inner])
        matrix = image_matrix(config, resampler, rate_hz)
        made = np.maximum((power - added).clip(0) @ matrix + added, config.power_floor)
        error = np.abs(10 * np.log10(made.mean(axis=0)) - real)
        # Filters of real resamplers do not end at half of the lower rate all at once.
        end_hz = min(rate_hz, config.sample_rate_hz) / 2
        inside = np.abs(centres_hz(config) - end_hz) > 0.16 * end_hz
        assert error[inside].mean() < 0.3, (resampler, rate_hz)
        assert np.quantile(error[inside], 0.9) < 0.5, (resampler, rate_hz)


def test_resampled_clips_are_those_of_the_candidate_rates():
    clip = log_mel(at_rate(PANNS)[None]).numpy()[:, :20]
    clips = tf.constant(np.repeat(clip, 400, axis=0))
    made = random_resampling(clips, Part(400), SEED, 0.5, PANNS).numpy()

    power = 10 ** (clip[0] / 10)
    expected = [
        10 * np.log10(np.maximum(power @ image_matrix(PANNS, *kind), 1e-10))
        for kind in candidates(PANNS)
    ]
    found = [np.abs(one - np.array([clip[0], *expected])).max(axis=(1, 2)) for one in made]
    assert max(distances.min() for distances in found) < 1e-3
    counts = np.bincount([int(distances.argmin()) for distances in found], minlength=15)
    assert counts[0] / 400 == pytest.approx(0.5, abs=0.1)
    assert counts[1:].min() > 0


def test_a_low_pass_leaves_what_lies_below_its_cutoff_and_falls_above():
    clips = tf.zeros([300, 3, 64])
    gains = random_low_pass(clips, Part(300), SEED, 1.0, 3000.0, PANNS).numpy()

    assert (gains == gains[:, :1]).all()
    gains, centres = gains[:, 0], centres_hz(PANNS)
    assert (gains[:, centres < 2900] == 0).all()
    assert (np.diff(gains, axis=1) <= 0).all()
    assert gains.min() >= PANNS.floor_db
    cutoffs = centres[(gains == 0).sum(axis=1) - 1]
    assert cutoffs.min() < 3500
    assert cutoffs.max() > 12000
    octave_up = centres_hz(PANNS) > 2 * 3500
    steep = gains[cutoffs < 3500][:, octave_up][:, 0]
    assert -400 < steep.min() < -60
    assert -30 < steep.max() <= -12


def test_a_low_pass_is_close_to_one_of_waveforms():
    sound = at_rate(PANNS)
    filtered = mean_db(log_mel(LowPass(4000)(sound, 32000, b"")[None]).numpy()[0])
    whole = mean_db(log_mel(sound[None]).numpy()[0])
    octaves = np.log2(centres_hz(PANNS) / 4000).clip(0)
    expected = np.maximum(whole - 48 * octaves, -100)

    # The Hann window's side lobes, and what a triangle averages, are not in a straight line.
    assert np.abs(filtered - expected).mean() < 3.0


def test_a_background_has_its_ratio_and_is_one_of_the_windows():
    rng = np.random.default_rng(0)
    windows = rng.uniform(-90, -30, (5, 20, 64)).astype(np.float32)
    clips = rng.uniform(-60, 0, (400, 20, 64)).astype(np.float32)
    made = random_background(
        tf.constant(clips), Part(400), SEED, 0.7, (-5.0, 15.0), tf.constant(windows)
    ).numpy()

    power, mixed = (10 ** (np.asarray(one, np.float64) / 10) for one in (clips, made))
    added = mixed - power
    chosen = (made != clips).any(axis=(1, 2))
    assert chosen.mean() == pytest.approx(0.7, abs=0.07)
    means = power[chosen].mean(axis=(1, 2)), added[chosen].mean(axis=(1, 2))
    ratios = 10 * np.log10(means[0] / means[1])
    np.testing.assert_allclose(np.quantile(ratios, [0.01, 0.5, 0.99]), [-5, 5, 15], atol=1.5)
    one = int(np.flatnonzero(chosen)[0])
    shape = added[one] / added[one].max()
    fits = [
        np.abs(np.roll(10 ** (window / 10.0), shift, axis=0) / 10 ** (window.max() / 10) - shape)
        for window in windows
        for shift in range(20)
    ]
    assert min(fit.max() for fit in fits) < 1e-3


EVERYTHING = DisturbanceConfig(
    background_share=0.3,
    backgrounds=np.random.default_rng(1).uniform(-90, -30, (4, 30, 64)).astype(np.float32),
    low_pass_share=0.3,
    noise_share=0.3,
    resample_share=0.3,
)


def test_disturbances_do_not_depend_on_how_the_batch_is_divided():
    rng = np.random.default_rng(0)
    clips = rng.uniform(-90, 0, (12, 20, 64)).astype(np.float32)
    seeds = [tf.constant([0, number]) for number in range(4)]
    whole = disturbed(tf.constant(clips), Part(12), EVERYTHING, seeds).numpy()
    parts = [
        disturbed(tf.constant(clips[4 * n : 4 * n + 4]), Part(4, n, 3), EVERYTHING, seeds).numpy()
        for n in range(3)
    ]

    # An exponential at another place of a vector may be rounded otherwise.
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(whole, disturbed(tf.constant(clips), Part(12), EVERYTHING, seeds))
    assert np.isfinite(whole).all()
    untouched = (whole == clips).all(axis=(1, 2))
    assert 0 < untouched.sum() < 9


def test_no_disturbances_leave_the_clips_themselves():
    assert disturbed(SILENCE, Part(40), DisturbanceConfig(), []) is SILENCE


def test_band_limited_recordings_get_a_spectrum_without_silence():
    """What a network must not learn: that there is nothing above 4 kHz."""
    narrow = soxr.resample(soxr.resample(at_rate(PANNS), 32000, 8000), 8000, 32000)
    clip = log_mel(narrow[None]).numpy()[:, 5:-5]
    above = centres_hz(PANNS) > 5000
    made = random_noise_floor(tf.constant(clip), Part(1), SEED, 1.0, (-60.0, -60.0), PANNS).numpy()

    assert clip[..., above].max() < -85
    assert made[..., above].mean() > -55
