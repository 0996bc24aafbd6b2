"""Labels over time: no window is lost, however many there are."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from aec_ofa_tf.reporting.timeline import Timeline, draw_timelines, set_time_axis

LABELS = ("Dog $x_1$", "Rain", "Säge")


def timeline(scores, columns=2000) -> Timeline:
    result = Timeline(columns)
    for number, row in enumerate(np.asarray(scores, np.float32)):
        result.add(number, number + 3, row)
    return result


def test_few_windows_are_columns_of_their_own():
    scores = np.random.default_rng(0).uniform(size=(5, 3)).astype(np.float32)
    kept = timeline(scores, 8)
    np.testing.assert_array_equal(kept.scores(), scores)
    np.testing.assert_array_equal(kept.edges(), [0, 1, 2, 3, 4, 7])


@pytest.mark.parametrize("windows", [8, 9, 16, 17, 100, 1000])
def test_columns_stay_bounded_and_keep_the_highest_scores(windows):
    scores = np.random.default_rng(windows).uniform(size=(windows, 3)).astype(np.float32)
    kept = timeline(scores, 8)
    edges = kept.edges()
    assert 4 <= len(edges) - 1 <= 8
    assert edges[-1] == windows + 2
    assert len({*np.diff(edges[:-1])}) <= 1
    for column, (begin, end) in enumerate(zip(edges[:-1], [*edges[1:-1], windows], strict=True)):
        np.testing.assert_array_equal(
            kept.scores()[column], scores[int(begin) : int(end)].max(axis=0)
        )


@pytest.mark.parametrize("columns", [0, 7, -2])
def test_an_odd_number_of_columns_is_refused(columns):
    with pytest.raises(ValueError, match="even"):
        Timeline(columns)


def drawn(path, timelines, threshold=0.0) -> np.ndarray:
    draw_timelines(path, timelines, LABELS, np.full(3, threshold))
    return imread(path)[..., :3]


def test_high_scores_are_dark_and_names_may_be_anything(tmp_path):
    loud, quiet = timeline(np.full((9, 3), 0.9)), timeline(np.full((9, 3), 0.1))
    name = b"caf\xe9_$a_b$.wav".decode("utf-8", "surrogateescape")
    dark = drawn(tmp_path / "dark.png", [(name, loud)])
    light = drawn(tmp_path / "light.png", [(name, quiet)])
    assert dark.shape == light.shape
    assert dark.mean() < light.mean() - 0.1


def test_every_recording_has_a_panel(tmp_path):
    one = timeline(np.full((4, 3), 0.5))
    heights = [len(drawn(tmp_path / "x.png", [("a.wav", one)] * n)) for n in (1, 2, 3)]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], abs=2)
    assert heights[1] > 1.5 * heights[0]


def test_what_there_is_nothing_of_is_said(tmp_path):
    assert drawn(tmp_path / "none.png", []).min() < 0.5
    assert drawn(tmp_path / "low.png", [("a.wav", timeline([[0.1] * 3]))], 0.5).min() < 0.5


@pytest.mark.parametrize("secs", [0.02, 0.5, 2.0, 5.0, 60.0, 7200.0])
def test_ticks_are_told_as_they_are(secs):
    figure = Figure()
    axes = figure.subplots()
    set_time_axis(axes, 0.0, secs)
    figure.canvas.draw()
    told = [label.get_text() for label in axes.get_xticklabels()]
    received = [
        sum(float(part) * 60**place for place, part in enumerate(reversed(text.split(":"))))
        for text in told
    ]
    assert len({*told}) > 3
    np.testing.assert_allclose(received, axes.get_xticks(), atol=1e-9)
