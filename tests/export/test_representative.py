"""Calibration sees the extremes and every class; fine-tuning hears mixtures too."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.clips import with_mixtures
from aec_ofa_tf.export.representative import choose_representative, with_silence


@pytest.fixture
def clips():
    """100 clips, 90 of class 0; clip 50 is silent, clip 70 has one loud bin."""
    log_mel = np.random.default_rng(0).normal(-40.0, 5.0, (100, 8, 4)).astype(np.float32)
    log_mel[50] = -100.0
    log_mel[70, 3, 2] = 30.0
    labels = np.zeros((100, 3), np.float32)
    labels[:90, 0] = labels[90:95, 1] = labels[95:, 2] = 1.0
    return log_mel, labels


def test_the_quietest_and_the_loudest_are_always_chosen(clips):
    for seed in range(5):
        assert {50, 70} <= set(choose_representative(*clips, count=5, seed=seed))


def test_classes_take_turns(clips):
    chosen = choose_representative(*clips, count=14)
    assert len(set(chosen)) == 14
    per_class = clips[1][chosen[2:]].sum(axis=0)
    np.testing.assert_array_equal(per_class, [4, 4, 4])


def test_a_large_count_takes_everything_once(clips):
    assert sorted(choose_representative(*clips, count=1000)) == list(range(100))


def test_the_draw_depends_on_the_seed_alone(clips):
    first = choose_representative(*clips, count=20, seed=3)
    np.testing.assert_array_equal(first, choose_representative(*clips, count=20, seed=3))
    assert set(first) != set(choose_representative(*clips, count=20, seed=4))


def test_clips_without_labels_may_be_chosen_too(clips):
    log_mel, labels = clips
    assert len(choose_representative(log_mel, labels * 0, count=9)) == 9


def test_a_count_without_room_for_the_extremes_is_refused(clips):
    with pytest.raises(ValueError, match="at least 2"):
        choose_representative(*clips, count=1)


def test_digital_silence_is_added_in_either_form():
    waveforms = np.random.default_rng(0).normal(0, 0.1, (3, 6400)).astype(np.float32)
    clips = {"waveform": waveforms, "log_mel": log_mel(tf.constant(waveforms)).numpy()}
    received = {form: with_silence(clips[form], form, PANNS) for form in clips}

    for form in clips:
        assert received[form].dtype == np.float32
        np.testing.assert_array_equal(received[form][:-1], clips[form])
    assert not received["waveform"][-1].any()
    # What the front end makes of the silent waveform is the silent log-mel.
    computed = log_mel(tf.constant(received["waveform"])).numpy()
    np.testing.assert_allclose(computed, received["log_mel"], atol=1e-4)


def test_mixtures_of_two_clips_follow_the_clips():
    tones = np.full((6, 8, 6), -100.0, np.float32)
    tones[np.arange(6), :, np.arange(6)] = -10.0  # a clip per bin

    mixed = with_mixtures(tones, floor_db=-100.0, seed=0)
    np.testing.assert_array_equal(mixed[:6], tones)
    assert mixed.shape == (12, 8, 6)
    assert mixed.dtype == np.float32
    heard = (mixed[6:, 0] > -99.0).sum(axis=1)
    assert heard.max() == 2
    assert heard.min() >= 1  # a clip may be mixed with itself
    np.testing.assert_array_equal(mixed, with_mixtures(tones, floor_db=-100.0, seed=0))
    assert (mixed != with_mixtures(tones, floor_db=-100.0, seed=1)).any()
