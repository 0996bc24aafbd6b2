"""The bandwidth of recordings, and the front end that fits it."""

import numpy as np
import pytest
import soxr

from aec_ofa_tf.audio.bandwidth import STEP_HZ, Bandwidths, bandwidth_hz, fitting
from aec_ofa_tf.audio.front_end import PANNS, PRESETS, front_end

RATE_HZ = 32000


def hiss(rate_hz: int, level: float = 0.1, secs: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sound = level * rng.standard_normal(int(secs * rate_hz))
    return (np.round(sound * 32768) / 32768).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050])
@pytest.mark.parametrize("level", [0.3, 0.01, 0.001])
def test_the_bandwidth_is_half_of_the_recording_s_own_rate(rate_hz, level):
    found = bandwidth_hz(soxr.resample(hiss(rate_hz, level), rate_hz, RATE_HZ), RATE_HZ)

    assert rate_hz / 2 - 1.1 * STEP_HZ <= found <= rate_hz / 2
    assert found % STEP_HZ == 0


@pytest.mark.parametrize("level", [0.3, 0.03, 0.01])
@pytest.mark.parametrize("dither", [0, 1])
@pytest.mark.parametrize("rate_hz", [32000, 44100])
def test_what_was_stored_at_a_higher_rate_reaches_no_further(level, dither, rate_hz):
    wide = soxr.resample(hiss(8000, level), 8000, rate_hz)
    triangle = dither * np.random.default_rng(1).triangular(-1, 0, 1, len(wide))
    stored = np.round(wide * 32768 + triangle) / 32768

    assert bandwidth_hz(stored.astype(np.float32), rate_hz) <= 4000


def test_padding_is_no_sound_and_silence_reaches_nowhere():
    narrow = soxr.resample(hiss(8000), 8000, RATE_HZ)
    padded = np.pad(narrow, (20000, 200000))

    assert bandwidth_hz(padded, RATE_HZ) == pytest.approx(4000, abs=STEP_HZ)
    assert bandwidth_hz(np.zeros(RATE_HZ, np.float32), RATE_HZ) == 0
    assert bandwidth_hz(np.full(3, 1e-9, np.float32), RATE_HZ) == 0


def test_a_dull_sound_with_a_floor_of_noise_is_wide():
    time = np.arange(RATE_HZ) / RATE_HZ
    dull = 0.5 * np.sin(2 * np.pi * 300 * time) + 1e-4 * np.random.default_rng(0).normal(
        size=RATE_HZ
    )
    assert bandwidth_hz(dull.astype(np.float32), RATE_HZ) == 16000


def test_quantiles_are_those_of_the_clips():
    found = Bandwidths({4000: 10, 8000: 80, 16000: 10})

    assert [found.quantile_hz(share) for share in (0.05, 0.5, 0.9, 0.95)] == [
        *(4000, 8000, 8000, 16000)
    ]
    assert str(found) == "half of the clips reach 8,000 Hz, 80 % of them from 4,000 Hz to 8,000 Hz"
    assert Bandwidths({}).advice(PANNS) is None


@pytest.mark.parametrize(
    ("reached_hz", "expected"),
    [
        (16000, None),
        (11250, None),
        (8000, "front_end=panns_16k"),
        (6500, "front_end=panns_16k"),
        (6250, "front_end=keyword_16k"),
        (4000, "front_end=panns_16k and max_hz=3800"),
    ],
)
def test_the_front_end_that_fits_is_proposed_where_another_hears_silence(reached_hz, expected):
    advice = Bandwidths({reached_hz: 95, 16000: 5}).advice(PANNS)

    if expected is None:
        assert advice is None
    else:
        assert f"no sound above {reached_hz:,} Hz" in advice
        assert f"Prepare with {expected}, or train with noise_share" in advice


def test_what_is_proposed_can_be_made_and_needs_no_further_advice():
    assert Bandwidths({4000: 1}).advice(front_end("panns_16k", max_hz=3800.0)) is None
    for name, preset in PRESETS.items():
        if name != "efficientat_32k":
            assert Bandwidths({int(preset.max_hz): 1}).advice(preset) is None
    assert "fewer mel_bins" in fitting(1000)
