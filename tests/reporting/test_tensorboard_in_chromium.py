"""TensorBoard on a finished run, in a real browser: what a reader sees without a click."""

import json
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.reporting.sessions import MOST_SESSIONS, TICKED_RUNS
from tests.browser import chromium, needs_chromium
from tests.reporting.board import SCREEN, Board, tensorboard

pytestmark = [needs_chromium, pytest.mark.slow]

FRONTS = {"front/macs", "front/params"}
CANVAS = "line-chart canvas"
LOSSES = {"loss/drawn", "loss/largest", "loss/mean", "loss/smallest"}


@pytest.fixture(scope="module")
def board(trained, tmp_path_factory):
    with chromium(tmp_path_factory) as browser, tensorboard(trained.workdir) as address:
        browser.use(SCREEN)
        yield Board(browser, address)


def evaluated(trained) -> list[dict]:
    return json.loads((trained.workdir / "search" / "candidates.json").read_text())


def coloured_pixels(png: bytes) -> int:
    """Pixels that are no shade of grey, as axes and grids are."""
    pixels = tf.io.decode_png(png, channels=3).numpy().astype(int)
    return int((np.ptp(pixels, axis=2) > 60).sum())


def ticks(board: Board) -> list[float]:
    """The numbers at the horizontal axes."""
    return [float(text) for text in board.texts("line-chart-axis[axis='x'] text") if text]


def test_the_first_page_shows_pareto_fronts_and_learning_curves_without_a_click(board, trained):
    board.open()
    board.wait(lambda: board.shown("card-view img") == 2, "Pareto fronts")
    board.wait(lambda: board.shown("line-chart") == len(LOSSES), "learning curves")
    board.wait(lambda: all(board.values("card-view img", "complete")), "pictures")
    # An axis without points goes from 0 to 1; these have steps up to the last.
    board.wait(lambda: max(ticks(board), default=0) > 5, "steps")
    board.wait(lambda: min(map(coloured_pixels, board.pictures(CANVAS))) > 100, "lines")
    board.browser.screenshot("tensorboard-first-page", whole=False)

    assert board.browser.run("return location.hash") == "#timeseries"
    assert set(board.texts("image-card .tag")) == FRONTS
    assert set(board.texts("scalar-card .tag")) == LOSSES
    assert min(board.values("card-view img", "naturalWidth")) > 100
    assert len({subnet["subnet"] for subnet in evaluated(trained)}) > TICKED_RUNS
    runs = board.values("tb-data-table-content-cell mat-checkbox input", "checked")
    assert MOST_SESSIONS < len(runs) <= TICKED_RUNS
    assert all(runs)


def test_scalars_are_grouped_by_name_and_drawn(board):
    board.open("scalars")
    groups = ["loss", "optimizer", "speed", "subnet", "validation", "validation_AP_of_class"]
    board.wait(lambda: sorted(board.texts(".category-name")) == groups, "groups of scalars")
    paths = partial(board.values, "path.line", "outerHTML")
    board.wait(lambda: sum(' d="M' in path for path in paths()) >= len(LOSSES), "curves")
    board.browser.screenshot("tensorboard-scalars", whole=False)

    assert board.texts(".category-name")[0] == "loss"


def test_images_show_fronts_analyses_clips_and_co_occurrences(board):
    board.open("images")
    groups = ["front", "search", "training_clips", "validation"]
    board.wait(lambda: board.texts(".category-name") == groups, "groups of images")
    # Of every category TensorBoard loads what is on the screen.
    board.wait(lambda: sum(w > 100 for w in board.values("img", "naturalWidth")) >= 4, "pictures")
    board.browser.screenshot("tensorboard-images", whole=False)

    analyses = {"search/sensitivity", "search/spread"}
    assert {*FRONTS, *analyses} <= set(board.texts("div[itemprop='name']"))


def test_every_session_is_in_the_three_views_of_hparams(board, trained):
    board.open("hparams")
    winner = trained.result["stages"]["search"]["budgets"][0]
    board.wait(lambda: winner["subnet"] in board.texts("vaadin-grid-cell-content"), "winner")
    board.browser.screenshot("tensorboard-hparams-table", whole=False)
    cells = board.texts("vaadin-grid-cell-content")
    assert board.values("vaadin-grid", "size") == [MOST_SESSIONS]
    assert {"mAP", "params", "macs", "block2_width1", "block4_depth"} <= set(cells)
    assert f"{winner['params']:.4f}"[:6].rstrip(".") in cells

    board.click("paper-tab", "parallel coordinates view")
    board.wait(lambda: board.shown("g.foreground path") == MOST_SESSIONS, "line per session")
    board.browser.screenshot("tensorboard-hparams-parallel", whole=False)
    board.click("paper-tab", "scatter plot matrix view")
    board.wait(lambda: board.shown("circle") >= MOST_SESSIONS, "point per session")
    board.browser.screenshot("tensorboard-hparams-scatter", whole=False)


@pytest.mark.parametrize(
    ("tab", "group", "selector", "least"),
    [
        ("pr_curves", "precision_recall", "path.line", 2),
        ("audio", "training_clips", "audio", 1),
        ("text", "configuration", "pre", 2),
    ],
)
def test_curves_sounds_and_texts_are_shown(board, tab, group, selector, least):
    board.open(tab)
    board.wait(lambda: group in board.texts(".category-name"), f"group {group}")
    board.wait(lambda: board.shown(selector) >= least, f"{selector} in {tab}")
    board.browser.screenshot(f"tensorboard-{tab}", whole=False)

    if tab == "audio":
        board.wait(lambda: min(board.values("audio", "readyState")) >= 1, "sound")
        lengths = [seconds for seconds in board.values("audio", "duration") if seconds]
        assert lengths == pytest.approx([0.64] * len(lengths), abs=0.01)
    if tab == "text":
        assert '"learning_rate": 0.001' in "".join(board.texts("pre"))
