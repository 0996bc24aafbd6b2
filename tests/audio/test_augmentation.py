import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.augment import (
    Part,
    SpecAugmentConfig,
    mix_pairs,
    mix_power,
    mixup_lambda,
    random_crop,
    random_gain,
    spec_augment_mask,
    time_roll,
)
from aec_ofa_tf.audio.variations import (
    random_equalizer,
    random_mel_shift,
    random_stretch,
    stretched_frames,
)
from aec_ofa_tf.models.draws import DropoutSite, dropout_masks

CLIPS = np.random.default_rng(0).normal(size=(6, 20, 3)).astype(np.float32)
RAMP = np.arange(20, dtype=np.float32)[:, None]


def draw(function, clips: int, seed: int, *arguments, **options) -> np.ndarray:
    """What `function` draws for the first clips of a batch."""

    @tf.function
    def graph():
        return function(Part(clips), *arguments, seed=tf.constant([0, seed]), **options)

    return graph().numpy()


def runs_of_zeros(row: np.ndarray) -> list[int]:
    text = "".join("0" if value == 0 else "1" for value in row)
    return [len(run) for run in text.split("1") if run]


def test_spec_augment_blanks_at_most_two_stripes_of_the_paper_s_width_per_axis():
    mask = draw(spec_augment_mask, 200, 3, 300, 64)
    time, mel = mask.max(axis=2), mask.max(axis=1)

    assert set(np.unique(mask)) == {0.0, 1.0}
    np.testing.assert_array_equal(mask, time[:, :, None] * mel[:, None, :])
    for rows, widest in ((time, 63), (mel, 7)):
        runs = [runs_of_zeros(row) for row in rows]
        assert all(len(run) <= 2 and sum(run) <= 2 * widest for run in runs)
        # Two stripes that do not touch are seldom as wide as the widest; some nearly are.
        assert max(max(run, default=0) for run in runs if len(run) == 2) > 0.8 * widest
    assert 63 <= max(time.shape[1] - row.sum() for row in time) <= 126


def test_masked_share_is_that_of_uniform_widths():
    mask = draw(spec_augment_mask, 4000, 1, 640, 64)

    # Mean width 31.5 of 640, two stripes, minus their overlap.
    assert 1 - mask.max(axis=2).mean() == pytest.approx(1 - (1 - 31.5 / 640) ** 2, rel=0.05)


def test_a_clip_shorter_than_a_stripe_keeps_working():
    mask = draw(spec_augment_mask, 8, 1, 16, 64, config=SpecAugmentConfig(2, 64, 0, 8))

    assert mask.shape == (8, 16, 64)
    assert np.isfinite(mask).all()


def test_the_same_seed_draws_the_same_and_another_does_not():
    masks = [draw(spec_augment_mask, 4, seed, 100, 64) for seed in (1, 1, 2)]

    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


@pytest.mark.parametrize(
    "function",
    [
        lambda part: spec_augment_mask(part, 100, 64, tf.constant([0, 1])),
        lambda part: mixup_lambda(part, tf.constant([0, 1])),
        lambda part: time_roll(CLIPS[: part.clips] * 0 + RAMP, part, [0, 1]),
        lambda part: random_gain(CLIPS[: part.clips] * 0, part, [0, 1], 6.0),
        lambda part: random_crop(CLIPS[: part.clips] * 0 + RAMP, part, [0, 1], 5),
        lambda part: random_crop(CLIPS[: part.clips] * 0 + RAMP, part, [0, 1], 5, silence=0.5),
        lambda part: random_stretch(CLIPS[: part.clips] * 0 + RAMP, part, [0, 1], 0.2, 10),
        lambda part: random_equalizer(CLIPS[: part.clips] * 0, part, [0, 1], 6.0, -100.0),
        lambda part: random_mel_shift(
            tf.repeat(RAMP.reshape(1, 1, -1), part.clips, axis=0), part, [0, 2], 9
        ),
        lambda part: dropout_masks(part, [DropoutSite((4, 3), 0.5)], tf.constant([0, 1]))[0],
    ],
)
def test_draws_do_not_depend_on_how_the_batch_is_divided(function):
    whole = function(Part(6)).numpy()
    parts = [function(Part(2, number, 3)).numpy() for number in range(3)]

    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole[0] != whole[1]).any()


def test_a_gain_shifts_a_clip_by_one_number_and_stops_at_the_floor():
    louder = random_gain(tf.constant(CLIPS), Part(6), [0, 1], 6.0).numpy() - CLIPS
    soft = random_gain(tf.fill([6, 20, 3], -99.0), Part(6), [0, 1], 6.0).numpy()

    assert len(np.unique(louder.round(4))) == 6
    assert np.abs(louder).max() <= 6.001
    assert soft.min() == -100.0
    clips, seed = tf.fill([6, 20, 3], -49.0), [0, 1]
    assert random_gain(clips, Part(6), seed, 6.0, floor_db=-50.0).numpy().min() == -50.0


def test_mixup_mixes_neighbours_and_their_labels_with_one_weight():
    clips = tf.reshape(tf.range(24.0), [4, 3, 2])
    labels = tf.eye(4)
    weights = tf.constant([0.25, 1.0])

    mixed = mix_pairs(clips, weights).numpy()
    np.testing.assert_allclose(mixed[0], 0.25 * clips[0] + 0.75 * clips[1])
    np.testing.assert_allclose(mixed[1], clips[2])
    np.testing.assert_allclose(
        mix_pairs(labels, weights).numpy(), [[0.25, 0.75, 0, 0], [0, 0, 1, 0]]
    )


@pytest.mark.parametrize(("alpha", "variance"), [(1.0, 1 / 12), (0.2, 0.25 / 1.4)])
def test_mixing_weights_follow_the_beta_distribution(alpha, variance):
    weights = draw(mixup_lambda, 20_000, 7, alpha=alpha)

    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights.mean() == pytest.approx(0.5, abs=0.01)
    assert weights.var() == pytest.approx(variance, rel=0.05)


def test_time_roll_rotates_every_clip_by_its_own_shift():
    clips = CLIPS
    rolled = time_roll(tf.constant(clips), Part(6), tf.constant([1, 2])).numpy()

    shifts = [
        next(s for s in range(20) if np.array_equal(np.roll(clip, -s, axis=0), result))
        for clip, result in zip(clips, rolled, strict=True)
    ]
    assert len(set(shifts)) > 1


def crops(clip: np.ndarray, frames: int, count: int = 50, silence: float = 0.0) -> np.ndarray:
    clips = tf.constant(np.repeat(clip[None], count, axis=0))
    return random_crop(clips, Part(count), tf.constant([0, 1]), frames, -50.0, silence).numpy()


def test_a_crop_is_a_window_of_the_clip_which_repeats_without_the_silence_around_it():
    clip = np.full([20, 3], -50.0, np.float32)
    clip[4:16, 1] = np.arange(12) - 20.0
    clip[9] = -50.0  # a pause is part of the sound
    sound = clip[4:16]

    windows = crops(clip, 8)
    starts = {
        next(s for s in range(12) if np.array_equal(window, np.roll(sound, -s, axis=0)[:8]))
        for window in windows
    }
    assert starts == set(range(12))
    longer = crops(clip, 30)
    assert longer.shape == (50, 30, 3)
    np.testing.assert_array_equal(longer[:, :18], longer[:, 12:])


@pytest.mark.parametrize(
    ("first", "last", "starts"),
    [
        (20, 30, range(12, 29)),  # at least 2 of 10 frames are sound
        (20, 21, range(12, 21)),  # ... or all that there is
        (0, 2, range(1)),
        (39, 40, range(30, 31)),
    ],
)
def test_a_crop_may_be_cut_out_of_the_clip_as_it_is_with_some_of_its_sound(first, last, starts):
    clip = np.full([40, 3], -50.0, np.float32)
    clip[first:last, 1] = np.arange(last - first) - 20.0

    windows = crops(clip, 10, 400, silence=1.0)
    found = [
        next(s for s in range(31) if np.array_equal(window, clip[s : s + 10])) for window in windows
    ]
    assert set(found) == set(starts)


def test_a_share_of_the_crops_keeps_silence():
    clip = np.full([40, 3], -50.0, np.float32)
    clip[20:24] = 0.0

    kept = (crops(clip, 10, 1000, silence=0.3).min(axis=(1, 2)) == -50.0).mean()
    assert kept == pytest.approx(0.3, abs=0.05)


def test_a_clip_shorter_than_its_crop_repeats_without_silence():
    clip = np.full([20, 3], -50.0, np.float32)
    clip[5:9] = 0.0

    np.testing.assert_array_equal(crops(clip, 30, silence=1.0), crops(clip, 30))


def test_a_silent_clip_is_taken_whole():
    clip = np.full([20, 3], -50.0, np.float32) + np.arange(20, dtype=np.float32)[:, None] / 40

    assert {float(window[0, 0]) for window in crops(clip, 5, 200)} == set(clip[:, 0].tolist())


def test_sounds_are_mixed_at_equal_levels_by_the_square_of_their_weights():
    tones = np.full([4, 10, 4], -90.0, np.float32)
    tones[0, :, 1], tones[1, :, 2] = -30.0, 0.0  # 30 dB apart: each is changed by 15 dB
    tones[2], tones[3] = -20.0, 10.0
    mixed = mix_power(tf.constant(tones), tf.constant([0.75, 1.0]), -90.0).numpy()

    power = np.array([0.75, 0.25]) ** 2 / (0.75**2 + 0.25**2)
    np.testing.assert_allclose(mixed[0, 0, 1:3], -15.0 + 10 * np.log10(power), atol=0.1)
    np.testing.assert_allclose(mixed[1], -5.0, atol=1e-4)


def test_silence_is_not_raised_to_the_level_of_a_sound():
    pair = tf.constant(np.stack([np.full([10, 4], 30.0), np.full([10, 4], -50.0)]), tf.float32)
    mixed = mix_power(pair, tf.constant([0.0]), -50.0).numpy()

    np.testing.assert_allclose(mixed, -30.0, atol=1e-4)


def test_a_stretch_moves_frames_by_one_speed_per_clip():
    frames = 12
    window = stretched_frames(frames, 0.5)
    ramp = tf.tile(tf.range(window, dtype=tf.float32)[None, :, None], [50, 1, 2])
    speeds = random_stretch(ramp, Part(50), [0, 1], 0.5, frames).numpy()[:, 1]

    played = random_stretch(ramp, Part(50), [0, 1], 0.5, frames).numpy()
    np.testing.assert_allclose(
        played, np.arange(frames)[:, None] * speeds[:, None] * np.ones((1, 1, 2)), rtol=1e-5
    )
    assert np.exp(-0.5) <= speeds.min() < 0.7
    assert 1.4 < speeds.max() <= np.exp(0.5)


def test_a_clip_that_a_stretch_plays_to_its_end_repeats():
    clip = tf.tile(tf.constant([0.0, 1.0, 2.0, 3.0])[None, :, None], [20, 1, 1])
    played = random_stretch(clip, Part(20), [0, 1], 0.5, 9).numpy()[:, :, 0]

    speeds = played[:, 1:2]
    np.testing.assert_allclose(
        played, np.interp(np.arange(9) * speeds % 4, range(5), [0, 1, 2, 3, 0]), atol=1e-5
    )


def test_an_equalizer_is_a_curve_over_mel_bins_and_stops_at_the_floor():
    gains = random_equalizer(tf.zeros([40, 7, 64]), Part(40), [0, 1], 6.0, -100.0).numpy()
    quiet = random_equalizer(tf.fill([40, 7, 64], -99.0), Part(40), [0, 1], 6.0, -100.0).numpy()

    assert (gains == gains[:, :1]).all()  # the same in every frame
    assert 5.0 < np.abs(gains).max() <= 6.0
    bends = np.abs(np.diff(gains[:, 0], n=2)) > 1e-4
    assert (bends.sum(axis=1) <= 6).all()  # straight between five knots
    assert quiet.min() == -100.0


def test_a_mel_shift_moves_all_bins_of_a_clip_and_repeats_the_edge():
    clip = tf.tile(tf.range(8, dtype=tf.float32)[None, None, :], [60, 3, 1])
    moved = random_mel_shift(clip, Part(60), [0, 1], 2).numpy()[:, 0]

    shifts = 3 - moved[:, 3]
    assert set(shifts) == {-2, -1, 0, 1, 2}
    expected = np.clip(np.arange(8) - shifts[:, None], 0, 7)
    np.testing.assert_array_equal(moved, expected)
