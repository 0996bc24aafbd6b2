"""Windows of a stream are those of the whole, however it is cut into blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aec_ofa_tf.tagging.windows import OverallScores, TrailingMean, cut_windows


def cut(waveform, places):
    return np.split(waveform, sorted(place % (len(waveform) + 1) for place in places))


@given(
    length=st.integers(0, 300),
    clip=st.integers(1, 60),
    hop=st.integers(1, 90),
    places=st.lists(st.integers(0, 300), max_size=20),
)
@settings(deadline=None)
def test_windows_start_at_hops_and_the_last_ends_with_the_waveform(length, clip, hop, places):
    waveform = np.arange(length, dtype=np.float32)
    windows = [*cut_windows(cut(waveform, places), clip, hop)]
    # A short waveform is one window; an empty one has none.
    last = max(0, length - clip)
    starts = [*range(0, last, hop), last] if length else []
    assert [window.begin for window in windows] == starts
    for window in windows:
        expected = waveform[window.begin : window.begin + clip]
        np.testing.assert_array_equal(window.samples, expected)
        assert window.end == window.begin + len(expected)
    assert [window.end for window in windows][-1:] == [length] * (length > 0)


def test_a_window_comes_with_its_last_sample_and_what_lies_before_is_let_go():
    pulled = 0

    def blocks():
        nonlocal pulled
        for number in range(1000):
            pulled += 1
            yield np.full(10, number, np.float32)

    windows = cut_windows(blocks(), 40, 20)
    for number in range(5):
        window = next(windows)
        assert (window.begin, pulled) == (20 * number, 4 + 2 * number)
        # A window is a view of what is held: a clip and a block at most.
        assert window.samples.base.size <= 50


@pytest.mark.parametrize(("clip", "hop"), [(0, 1), (1, 0), (5, -1)])
def test_an_empty_clip_or_hop_is_refused(clip, hop):
    with pytest.raises(ValueError, match="at least one sample"):
        next(cut_windows([np.zeros(9, np.float32)], clip, hop))


@given(
    hops=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    samples=st.integers(0, 30),
)
@settings(deadline=None)
def test_smoothing_is_the_mean_of_windows_that_begin_within_the_time(hops, samples):
    begins = np.cumsum(hops)
    scores = np.random.default_rng(len(hops)).uniform(0, 1, (len(hops), 3)).astype(np.float32)
    mean = TrailingMean(samples)
    for number, begin in enumerate(begins):
        near = (begins <= begin) & (begins > begin - max(samples, 1))
        expected = scores[near].mean(axis=0)
        received = mean.add(int(begin), scores[number])
        np.testing.assert_allclose(received, expected, rtol=1e-6)
        assert received.dtype == np.float32


def test_overall_scores_are_maxima_or_means_that_sum_to_one():
    windows = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.3, 0.2]], np.float32)
    for task, expected in (("multi_label", windows.max(0)), ("single_label", windows.mean(0))):
        overall = OverallScores(task)
        scores = [overall.add(window) for window in windows][-1]

        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        assert scores.dtype == np.float32
