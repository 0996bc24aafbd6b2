"""Configurations of front ends: presets, overrides, what is refused, and those of older files."""

import dataclasses
import math

import pytest

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig, front_end


@pytest.mark.parametrize("clip_secs", [float("inf"), float("nan")])
def test_a_clip_length_that_is_not_finite_is_refused(clip_secs):
    with pytest.raises(ValueError, match=f"finite number of seconds, received {clip_secs}"):
        PANNS.clip_samples(clip_secs)


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("panns_32k", {"sample_rate_hz": 16000}, "use max_hz=8000 or less"),
        ("panns_32k", {"mel_bins": 256}, r"reaches 9 of 256 mel filters.*mel_bins=222 or fft"),
        ("keyword_16k", {"fft_samples": 500}, "power of two.*window_samples=480.*use 512"),
        ("keyword_16k", {"fft_samples": 256}, "at least window_samples=480, received 256: use 512"),
        ("keyword_16k", {"hop_samples": 481}, "hop_samples=481 exceeds window_samples=480"),
        ("keyword_16k", {"min_hz": -1.0}, "min_hz is at least 0"),
        ("keyword_16k", {"min_hz": 7600.0}, "less than max_hz=7600, received 7600"),
        ("keyword_16k", {"max_hz": math.nan}, "max_hz is at most half"),
        (
            "keyword_16k",
            {"window_samples": 2**40},
            "window_samples is at most 65536",
        ),
        ("keyword_16k", {"fft_samples": 2**40}, "fft_samples is at most 65536"),
        ("keyword_16k", {"mel_bins": 10**30}, "mel_bins is at most 1024"),
        ("keyword_16k", {"mel_bins": 0}, "mel_bins is a positive integer, received 0"),
        ("keyword_16k", {"window_samples": 480.0}, "window_samples is a whole number"),
        ("keyword_16k", {"sample_rate_hz": 0}, "sample_rate_hz is a positive integer, received 0"),
        ("keyword_16k", {"sample_rate_hz": 768_001}, "at most 768000, received 768001"),
        ("keyword_16k", {"power_floor": 0.0}, "power_floor is a positive finite number"),
        ("keyword_16k", {"power_floor": math.inf}, "power_floor is a positive finite number"),
        ("keyword_16k", {"mel_scale": "htk"}, "mel_scale is one of slaney, kaldi, received 'htk'"),
        ("keyword_16k", {"mel_bin": 3}, "no field mel_bin"),
        ("panns_8k", {}, "front_end is one of panns_32k, .* received 'panns_8k'"),
    ],
)
def test_front_ends_that_cannot_be_computed_are_refused_with_the_remedy(preset, overrides, message):
    with pytest.raises(ValueError, match=message):
        front_end(preset, **overrides)


def test_a_remedy_for_empty_filters_is_one():
    with pytest.raises(ValueError, match=r"use mel_bins=222 or fft_samples=2048 or a wider range"):
        front_end(mel_bins=256)
    assert front_end(mel_bins=222).mel_bins == 222
    assert front_end(mel_bins=256, fft_samples=2048).fft_samples == 2048


def test_another_window_chooses_its_fft_anew():
    assert front_end("panns_32k", window_samples=400).fft_samples == 512
    assert front_end("panns_32k", window_samples=400, fft_samples=1024).fft_samples == 1024


def test_front_ends_of_older_files_mean_what_they_meant():
    older = dataclasses.asdict(PANNS)
    for name in ("fft_samples", "window", "mel_scale", "floor_rule", "pre_emphasis"):
        del older[name]

    assert FrontEndConfig.from_dict(older) == PANNS
    assert FrontEndConfig.from_dict(dataclasses.asdict(PANNS)) == PANNS
    with pytest.raises(ValueError, match=r"no field colour.*newer version"):
        FrontEndConfig.from_dict({**older, "colour": 1})


def test_a_clip_lasts_an_hour_at_most():
    assert front_end("keyword_16k").frames(3600.0) == 360_000
    with pytest.raises(ValueError, match=r"clips last at most 3600 s, received 3601\.0 s"):
        front_end("keyword_16k").clip_samples(3601.0)
