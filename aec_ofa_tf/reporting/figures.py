"""Pictures of a search, as PNG files. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

_DPI = 120
_FRONT, _CHOSEN, _OTHERS = "#0b5cad", "#c2410c", "0.6"
_NAMES = {"params": "parameters", "macs": "multiply-adds"}
"""What a cost is called, where its name is short."""
Point = tuple[float, float]
"""Cost and score."""


def draw_pareto(
    path: Path,
    cost: str,
    figure: str,
    points: Sequence[Point],
    front: Sequence[Point],
    chosen: Sequence[Point],
) -> None:
    """Plots a validation figure over a cost: all candidates, the Pareto front, chosen subnets."""
    drawing = Figure(figsize=(7, 4.5), layout="constrained")
    axes = drawing.subplots()
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.scatter(*_columns(points), s=14, color=_OTHERS, label=f"{len(points)} subnets")
    axes.step(*_columns(front), where="post", color=_FRONT, marker="o", ms=5, label="Pareto front")
    axes.scatter(*_columns(chosen), marker="*", s=170, color=_CHOSEN, zorder=3, label="chosen")
    if points and max(x for x, _ in points) >= 1000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(_NAMES.get(cost, cost))
    axes.set_ylabel(f"validation {figure}")
    axes.legend()
    drawing.savefig(path, dpi=_DPI, format="png")


def draw_spread(path: Path, scores: Mapping[str, Sequence[float]], figure: str = "mAP") -> None:
    """Draws a box plot of the candidates' validation figure per budget (the paper's figure 4)."""
    drawing = Figure(figsize=(max(5, 1.6 * len(scores)), 4.5), layout="constrained")
    axes = drawing.subplots()
    labels = [f"{budget}\n{len(values)} subnets" for budget, values in scores.items()]
    axes.boxplot(list(scores.values()), showmeans=True)
    axes.set_xticks(range(1, len(labels) + 1), labels, rotation=20, fontsize=8)
    axes.set_ylabel(f"validation {figure}")
    drawing.savefig(path, dpi=_DPI, format="png")


def draw_sensitivity(path: Path, rows: Sequence[Mapping[str, object]], figure: str = "mAP") -> None:
    """Draws a panel per block and choice: mean figure and number of subnets for each value."""
    panels = sorted({(row["block"], row["choice"]) for row in rows})
    if not panels:
        return
    drawing = Figure(figsize=(2.6 * len(panels), 3), layout="constrained")
    grid = drawing.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (block, choice) in zip(grid, panels, strict=True):
        chosen = [row for row in rows if (row["block"], row["choice"]) == (block, choice)]
        axes.plot(range(len(chosen)), [row[figure] for row in chosen], "o-")
        ticks = [f"{row['value']}\n({row['subnets']})" for row in chosen]
        axes.set_xticks(range(len(chosen)), ticks)
        axes.set_xlabel(f"block {block} {choice}")
    grid[0].set_ylabel(f"mean validation {figure} (number of subnets)")
    drawing.savefig(path, dpi=_DPI, format="png")


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
