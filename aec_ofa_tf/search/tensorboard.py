"""What TensorBoard shows of a search: pictures, and some evaluated subnets as HParams sessions.

TensorBoard unticks all runs of a directory if there are more than 40, and every session is a run
(`reporting.sessions`). So of the evaluated subnets at most 25 are sessions: those that a reader
looks for, and an even choice of the others. All are in `search/candidates.csv` and in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.reporting.sessions import MOST_SESSIONS, Scored, write_sessions
from aec_ofa_tf.reporting.summaries import SummaryLog

Item = TypeVar("Item")
Values = Mapping[Subnet, Mapping[str, float]]
"""Costs, or costs and metrics, by subnet."""

_PARETO = "pareto_"


def choose_sessions(
    costs: Values,
    winners: Iterable[Subnet],
    fronts: Iterable[Sequence[Subnet]],
    most: int = MOST_SESSIONS,
) -> list[Subnet]:
    """The evaluated subnets that become sessions.

    Args:
        costs: costs of all evaluated subnets, at least their parameters.
        winners: the best subnet of every budget.
        fronts: the Pareto fronts.
        most: maximum number of sessions.

    Returns:
        All, if they are few. Else the winners, the smallest and the largest, the fronts, and then
        others, evenly spaced by their parameters; by ascending parameters.
    """
    by_size = sorted(costs, key=lambda subnet: (costs[subnet]["params"], subnet))
    on_fronts = {subnet for front in fronts for subnet in front}
    groups = [
        list(winners),
        [by_size[0], by_size[-1]],
        [subnet for subnet in by_size if subnet in on_fronts],
        by_size,
    ]
    chosen: set[Subnet] = set()
    for group in groups:
        left = [subnet for subnet in dict.fromkeys(group) if subnet not in chosen]
        chosen.update(_evenly(left, most - len(chosen)))
    return [subnet for subnet in by_size if subnet in chosen]


def log_search(
    events: Path, values: Values, space: SearchSpace, scored: Scored, pictures: Iterable[Path]
) -> None:
    """Replaces the events of a search.

    Args:
        events: their directory.
        values: costs and metrics of the subnets that become sessions.
        space: the space that was searched.
        scored: scores for precision-recall curves.
        pictures: PNG files; Pareto fronts are on TensorBoard's first page.
    """
    write_sessions(events, values, space, scored)
    log = SummaryLog(events)
    for path in pictures:
        is_front = path.stem.startswith(_PARETO)
        name = f"front/{path.stem[len(_PARETO) :]}" if is_front else f"search/{path.stem}"
        log.image(0, name, path.read_bytes())


def _evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly spaced, with the first and the last."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, max(count, 0)).round().astype(int)
    return [items[place] for place in places]
