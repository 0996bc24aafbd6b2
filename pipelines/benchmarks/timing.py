"""Wall time of contestants that take turns, so that a machine's moods hit them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

Seconds = Mapping[str, float]
"""By contestant."""


def seconds_of(run: Callable[[], object]) -> float:
    """Wall time of one call, which must return only when its result is there."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def all_seconds(
    contestants: Mapping[str, Callable[[], object]], repetitions: int
) -> dict[str, list[float]]:
    """Each contestant's wall times; every repetition reverses their order."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(repetitions):
        for name in order:
            taken[name].append(seconds_of(contestants[name]))
        order.reverse()
    return taken


def median_seconds(
    contestants: Mapping[str, Callable[[], object]], repetitions: int
) -> dict[str, float]:
    """The median of each contestant's `all_seconds`."""
    taken = all_seconds(contestants, repetitions)
    return {name: median(values) for name, values in taken.items()}


def typical(rows: Sequence[Seconds], name: str) -> float:
    """The median over the draws of one contestant's seconds."""
    return median(row[name] for row in rows)


def ratio(rows: Sequence[Seconds], name: str, other: str) -> float:
    """One contestant's median over the draws, over another's."""
    return typical(rows, name) / typical(rows, other)
