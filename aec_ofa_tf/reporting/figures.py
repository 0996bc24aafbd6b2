"""Pictures of a search, as PNG files. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

_DPI = 120
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
    axes.scatter(*_columns(points), s=14, color="0.6", label=f"{len(points)} subnets")
    axes.step(*_columns(front), where="post", marker="o", ms=4, label="Pareto front")
    axes.scatter(*_columns(chosen), marker="*", s=130, zorder=3, label="chosen")
    axes.set_xlabel(cost)
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
