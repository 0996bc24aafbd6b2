"""Writes the tables and figures of a reproduction. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aec_ofa_tf.reporting.machine import describe_machine
from aec_ofa_tf.reporting.tables import write_tables
from aec_ofa_tf.reproduction import roads
from aec_ofa_tf.reproduction.config import KD, SCRATCH, ReproduceConfig, space_name
from aec_ofa_tf.reproduction.figures import Line, draw_candidates, draw_roads, draw_sizes
from aec_ofa_tf.reproduction.graph import Job
from aec_ofa_tf.reproduction.groups import (
    Group,
    group,
    mean,
    of_shared_seeds,
    percent,
    spread,
)
from aec_ofa_tf.reproduction.results import Arm, Reproduction
from aec_ofa_tf.reproduction.runner import FOLDER, Runner
from aec_ofa_tf.reproduction.tables import Row, Tables
from aec_ofa_tf.tasks import get_task

_ABOUT_1 = (
    "Figures are of the evaluation split, in percent; +- is the standard deviation over seeds. "
    "Every network has batch-norm statistics by the same rule, from the same training clips. "
    "Steps are those of the training of one network; for OFA they are those of the one supernet "
    "that all budgets share.",
    "The paper's columns are its figures on AudioSet for the network with the nearest share of the "
    "largest network's parameters. Its baseline of 1.0 M parameters has 1.17 M by this count.",
)
_ABOUT_2 = (
    "+10K is an arm that is trained on for 10,000 steps by distillation, Init+100K the same "
    "architecture from random weights. All columns that are not empty are of the same seeds.",
)
_ABOUT_RATIOS = (
    "A ratio is of networks of the same seed, and of the baseline whose number of parameters is "
    "nearest; seeds are those that all its networks have. A ratio of 1 - figure below 1 is in "
    "favour of OFA.",
)
_ABOUT_ROADS = (
    "Both roads need the teacher and its scores, which are left out. One training is the mean of "
    "the distilled baselines. Multiply-adds count every subnet of a step by itself, although the "
    "first layers are computed once, and a backward pass twice. Seconds are those of this machine, "
    "with validation.",
)
_ABOUT_TOTALS = (
    "A row is the mean of its jobs. Clips are those that passed through a network, once for every "
    "subnet of a step. The seconds of the exact search are those after the random one, whose "
    "scores it uses.",
)


def write_report(runner: Runner, jobs: Sequence[Job], figures: bool = True) -> Reproduction:
    """Writes tables, and figures, from the jobs that are done.

    Args:
        runner: the reproduction.
        jobs: its jobs.
        figures: whether to draw the figures, which takes some seconds.

    Returns:
        What was found so far.
    """
    arms, folder, config = runner.arms(), runner.root / FOLDER, runner.config
    done = {arm.job.name for arm in arms}
    missing = tuple(job.name for job in jobs if job.name not in done)
    figure = get_task(runner.network.task).figure
    tables = Tables(config, runner.network, figure, arms)
    about = {"machine": describe_machine().as_dict(), "figure": figure, "missing": list(missing)}
    left = f"Not done yet, so that cells are empty or of fewer seeds: {', '.join(missing)}."
    note = [left] if missing else []
    rows = _rows(tables)
    columns = {
        "table_1": (tables.columns_1, _ABOUT_1),
        "table_2": (tables.columns_2, _ABOUT_2),
        "comparison": (tables.columns_ratios, _ABOUT_RATIOS),
        "roads": (roads.COLUMNS, (*_ABOUT_ROADS, *means_of(tables))),
        "totals": (roads.TOTALS_COLUMNS, _ABOUT_TOTALS),
    }
    for name, (shown, notes) in columns.items():
        write_tables(rows[name], shown, folder / name, about, [*notes, *note])
    if figures:
        _draw(folder, config, arms, figure, rows["roads"])
    return Reproduction(folder, figure, tuple(arms), missing, rows)


def _rows(tables: Tables) -> dict[str, list[Row]]:
    return {
        "table_1": tables.table_1(),
        "table_2": tables.table_2(),
        "comparison": tables.ratios(),
        "roads": roads.roads(tables.config, tables.arms),
        "totals": roads.totals(tables.arms),
    }


def means_of(tables: Tables) -> Iterator[str]:
    """What the roads lead to, if both are known."""
    config = tables.config
    searched = [tables.of(config.search_arm, budget=budget) for budget in config.budgets]
    alone = [tables.of(KD, ratio=r, steps=config.subnet.steps) for r in config.fixed_ratios]
    means = [
        mean(score for one in found for score in one.scores.values()) for found in (searched, alone)
    ]
    if None not in means:
        ofa, kd = map(percent, means)
        yield (
            f"Mean evaluation {tables.figure}: {ofa:.1f} % of the searched subnets at all budgets, "
            f"{kd:.1f} % of the distilled baselines at all widths."
        )


def _draw(
    folder: Path,
    config: ReproduceConfig,
    arms: Sequence[Arm],
    figure: str,
    costs: Sequence[Mapping[str, object]],
) -> None:
    draw_sizes(folder / "figure_3", dict(_lines(config, arms)), figure)
    draw_candidates(folder / "figure_4", _candidates(config, arms), figure)
    draw_roads(folder / "roads", costs)


def _lines(config: ReproduceConfig, arms: Sequence[Arm]) -> Iterator[tuple[str, Line]]:
    kind = config.search_arm
    for space in map(space_name, config.spaces):
        found = [group(arms, kind, space, budget=budget) for budget in config.budgets]
        if points := _points(found):
            yield f"OFA {space}{_seeds(found)}", Line(points)
    for name, kind in (("KD", KD), ("scratch", SCRATCH)):
        found = [
            group(arms, kind, space_name(config.main), ratio=ratio, steps=config.subnet.steps)
            for ratio in config.fixed_ratios
        ]
        if points := _points(found):
            yield f"{name}{_seeds(found)}", Line(points, is_searched=False)


def _seeds(groups: Sequence[Group]) -> str:
    """How many seeds the points of a line have."""
    counts = [len(one.scores) for one in groups if one.scores]
    low, high = min(counts), max(counts)
    return f", {low}{f' to {high}' * (high > low)} seed{'s' * (high > 1)}"


def _points(groups: Sequence[Group]) -> list[tuple[float, float, float | None]]:
    found = []
    for one in groups:
        score, size = mean(one.scores.values()), one.params
        if score is not None and size is not None:
            found.append((float(size), 100 * score, percent(spread(one.scores.values()))))
    return found


def _candidates(config: ReproduceConfig, arms: Sequence[Arm]) -> dict[str, dict[str, list[float]]]:
    """Validation figures of the candidates, of the seeds of all spaces, by budget and space."""
    kind, spaces = config.search_arm, list(map(space_name, config.spaces))
    found: dict[str, dict[str, list[float]]] = {}
    for budget in config.budgets:
        groups = {space: group(arms, kind, space, budget=budget) for space in spaces}
        found[budget] = {
            space: [100 * score for one in shared.networks.values() for score in one.candidates]
            for space, shared in of_shared_seeds(groups).items()
            if shared.networks
        }
    return found
