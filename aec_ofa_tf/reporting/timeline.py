"""A picture of labels over time, as a PNG file. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

_DPI = 120
_ROWS = 12
"""Maximum number of labels in a panel."""
_STEPS = 9
"""Maximum number of steps of a panel's time axis."""


class Timeline:
    """Scores of a recording's windows, in bounded memory.

    If there are more than `columns` windows, neighbouring columns are merged, repeatedly, and the
    higher score is kept. So the picture of a day still shows a bark of one second.

    Args:
        columns: maximum number of columns, an even number.

    Raises:
        ValueError: `columns` is not even and positive.
    """

    def __init__(self, columns: int = 2000) -> None:
        if columns < 2 or columns % 2:
            raise ValueError(f"columns must be even and at least 2, received {columns}")
        self._columns = columns
        self._begins: list[float] = []
        self._scores: list[np.ndarray] = []
        self._end_secs = 0.0
        self._windows_per_column = 1
        self._windows_in_last = 0

    def add(self, begin_secs: float, end_secs: float, scores: np.ndarray) -> None:
        """Adds the next window.

        Args:
            begin_secs: start of the window, later than that of the previous one.
            end_secs: end of the window.
            scores: float32 [classes].
        """
        self._end_secs = end_secs
        if self._begins and self._windows_in_last < self._windows_per_column:
            self._scores[-1] = np.maximum(self._scores[-1], scores)
            self._windows_in_last += 1
            return
        if len(self._begins) == self._columns:
            self._begins = self._begins[::2]
            self._scores = [
                np.maximum(a, b) for a, b in zip(self._scores[::2], self._scores[1::2], strict=True)
            ]
            self._windows_per_column *= 2
        self._begins.append(begin_secs)
        self._scores.append(scores)
        self._windows_in_last = 1

    def edges(self) -> np.ndarray:
        """float64 [columns + 1]: starts of the columns and end of the last one, in seconds."""
        return np.array([*self._begins, self._end_secs])

    def scores(self) -> np.ndarray:
        """float32 [columns, classes], the highest score in each column."""
        return np.array(self._scores, np.float32)


def draw_timelines(
    path: Path,
    timelines: Sequence[tuple[str, Timeline]],
    labels: Sequence[str],
    thresholds: np.ndarray,
) -> None:
    """Draws a panel per recording: time on the x axis, labels on the y axis, scores as darkness.

    A column extends from the start of its window to the start of the next. A panel shows at most
    twelve labels that reach their thresholds somewhere, the one with the highest score first.

    Args:
        path: the PNG file.
        timelines: name and scores of each recording, at least one window each.
        labels: names of the classes, in order.
        thresholds: float [classes].
    """
    chosen = [_rows(timeline.scores(), thresholds) for _, timeline in timelines]
    heights = [1.1 + 0.24 * max(1, len(rows)) for rows in chosen] or [1.3]
    figure = Figure(figsize=(10, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if not timelines:
        _show_text(panels[0], "nothing was tagged")
    for axes, (name, timeline), rows in zip(panels, timelines, chosen, strict=False):
        axes.set_title(_drawable(name), fontsize=9, loc="left", parse_math=False)
        if len(rows):
            _draw_panel(axes, timeline, rows, [_drawable(labels[row]) for row in rows])
        else:
            _show_text(axes, "nothing reaches its threshold")
    drawn = [axes for axes in panels if axes.collections]
    if drawn:
        figure.colorbar(drawn[0].collections[0], ax=list(panels), label="score", aspect=40)
    figure.savefig(path, dpi=_DPI, format="png")


def _rows(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    highest = scores.max(axis=0)
    best = np.argsort(-highest, kind="stable")
    return best[highest[best] >= thresholds[best]][:_ROWS]


def _draw_panel(axes: Axes, timeline: Timeline, rows: np.ndarray, names: list[str]) -> None:
    scores = timeline.scores()[:, rows].T
    edges = timeline.edges()
    axes.pcolormesh(edges, np.arange(len(rows) + 1), scores, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, names, fontsize=8, parse_math=False)
    axes.invert_yaxis()
    set_time_axis(axes, edges[0], edges[-1])


def set_time_axis(axes: Axes, begin_secs: float, end_secs: float) -> None:
    """Sets ticks at round times, with enough decimals to distinguish them."""
    decimals = max(1, -math.floor(math.log10((end_secs - begin_secs) / _STEPS)))
    axes.set_xlim(begin_secs, end_secs)
    axes.xaxis.set_major_locator(MaxNLocator(_STEPS, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda secs, _: _clock(secs, decimals)))
    axes.set_xlabel("time", fontsize=8)


def _show_text(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()


def _clock(secs: float, decimals: int) -> str:
    minutes, rest = divmod(round(abs(secs), decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    seconds = f"{rest:0{decimals + 3}.{decimals}f}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def _drawable(text: str) -> str:
    """Escapes bytes that are not UTF-8, which fonts refuse, and shortens a long name."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 60 else "..." + text[-57:]
