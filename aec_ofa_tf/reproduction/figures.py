"""The paper's figures 3 and 4, and the costs of both roads, as PNG and SVG. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from aec_ofa_tf.files import replacing

_DPI = 120
_COLOURS = ("#c2410c", "#15803d", "#7c3aed", "#0b5cad", "#a16207", "#be185d")
_MEAN = "#f97316"
_WIDTH = 0.8


@dataclass(frozen=True)
class Line:
    """A line of figure 3.

    Attributes:
        points: (parameters, figure in percent, its spread or None) of every size.
        is_searched: whether its networks are subnets of a supernet.
    """

    points: Sequence[tuple[float, float, float | None]]
    is_searched: bool = True


def draw_sizes(stem: Path, lines: Mapping[str, Line], figure: str) -> None:
    """Draws the evaluation figure over parameters, a line for every space (paper figure 3).

    Args:
        stem: path without suffix.
        lines: by name; baselines are dashed.
        figure: name of the task's figure.
    """
    drawing, axes = _axes()
    for number, (name, line) in enumerate(lines.items()):
        sizes, scores, spreads = zip(*sorted(line.points), strict=True)
        bars, colour = [value or 0.0 for value in spreads], _colour(number)
        form = "o-" if line.is_searched else "o--"
        axes.errorbar(sizes, scores, bars, fmt=form, ms=5, capsize=3, label=name, color=colour)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("parameters")
    axes.set_ylabel(f"evaluation {figure}, %")
    _legend(axes)
    _save(drawing, stem)


def draw_candidates(
    stem: Path, scores: Mapping[str, Mapping[str, Sequence[float]]], figure: str
) -> None:
    """Draws a box of the candidates' validation figure for every budget and space (figure 4).

    Args:
        stem: path without suffix.
        scores: figures in percent by budget and name of the space.
        figure: name of the task's figure.
    """
    drawing, axes = _axes()
    names = list(dict.fromkeys(name for found in scores.values() for name in found))
    width = _WIDTH / max(len(names), 1)
    for place, found in enumerate(scores.values()):
        for name, values in found.items():
            number = names.index(name)
            middle = place + (number - (len(names) - 1) / 2) * width
            _box(axes, values, middle, 0.85 * width, _colour(number))
    axes.set_xticks(range(len(scores)), list(scores))
    axes.set_xlabel("budget")
    axes.set_ylabel(f"validation {figure}, %")
    patches = [Patch(facecolor=_colour(i), alpha=0.5, label=name) for i, name in enumerate(names)]
    if patches:
        axes.legend(handles=patches)
    _save(drawing, stem)


def draw_roads(stem: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Draws seconds and multiply-adds of both roads over the number of budgets.

    Args:
        stem: path without suffix.
        rows: as `roads.roads` returns them.
    """
    drawing = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, unit in zip(drawing.subplots(1, 2), ("seconds", "multiply-adds"), strict=True):
        _prepare(axes)
        labels = {"supernet": "one supernet and N searches", "trainings": "N trainings"}
        for number, (road, label) in enumerate(labels.items()):
            points = [(row["budgets"], row[f"{road} {unit}"]) for row in rows]
            known = [(x, y) for x, y in points if y is not None]
            if known:
                axes.plot(*zip(*known, strict=True), color=_colour(number), label=label)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("budgets N")
        axes.set_ylabel(unit)
        _legend(axes)
    _save(drawing, stem)


def _box(axes: Axes, values: Sequence[float], middle: float, width: float, colour: str) -> None:
    drawn = axes.boxplot(
        [list(values)],
        positions=[middle],
        widths=width,
        showmeans=True,
        meanline=True,
        patch_artist=True,
        manage_ticks=False,
        meanprops={"color": _MEAN, "ls": "-", "lw": 1.5},
        medianprops={"color": "0.3", "lw": 0.8},
        flierprops={"marker": ".", "ms": 3, "mec": "0.4"},
    )
    for patch in drawn["boxes"]:
        patch.set(facecolor=colour, alpha=0.5)


def _axes() -> tuple[Figure, Axes]:
    drawing = Figure(figsize=(7, 4.5), layout="constrained")
    axes = drawing.subplots()
    _prepare(axes)
    return drawing, axes


def _prepare(axes: Axes) -> None:
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _save(drawing: Figure, stem: Path) -> None:
    """Writes PNG and SVG; the same figures give the same bytes."""
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = stem.with_suffix(f".{kind}")
        with replacing(path) as temporary, mpl.rc_context({"svg.hashsalt": stem.name}):
            drawing.savefig(temporary, dpi=_DPI, format=kind, metadata=metadata)
