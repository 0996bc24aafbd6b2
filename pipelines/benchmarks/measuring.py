"""What all suites share: wall times, the load of other programs, rounding. No TensorFlow here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from absl import logging

SIGNIFICANT_DIGITS = 4
BUSY = 0.05
_CPU_TIMES = Path("/proc/stat")
# user, nice, system, idle, iowait, irq, softirq, steal; these include the later fields.
_TIMES = 8
_IDLE = slice(3, 5)

Seconds = Mapping[str, float]
"""Seconds by the name of the candidate."""


def seconds_of(run: Callable[[], object]) -> float:
    """Wall time of one call, which must not return before its result is computed."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def all_seconds(
    candidates: Mapping[str, Callable[[], object]], repetitions: int
) -> dict[str, list[float]]:
    """The wall times of each candidate; they take turns, in reversed order every second time.

    So changes in the speed of the machine affect all candidates alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(repetitions):
        for name in order:
            taken[name].append(seconds_of(candidates[name]))
        order.reverse()
    return taken


def median_seconds(
    candidates: Mapping[str, Callable[[], object]], repetitions: int
) -> dict[str, float]:
    """The median of the wall times of each candidate (`all_seconds`)."""
    taken = all_seconds(candidates, repetitions)
    return {name: median(values) for name, values in taken.items()}


def typical(rows: Sequence[Seconds], name: str) -> float:
    """The median of one candidate's seconds over the rows."""
    return median(row[name] for row in rows)


def ratio(rows: Sequence[Seconds], name: str, other: str) -> float:
    """The ratio of the medians of two candidates."""
    return typical(rows, name) / typical(rows, other)


class OtherLoad:
    """The share of CPU time that other programs and virtual machines use from now on."""

    def __init__(self) -> None:
        self._began = self._read()

    def share(self) -> float:
        """Their share of the time of all cores since the object was created, in [0, 1].

        Child processes count as part of this program once they have ended.
        """
        busy, own, total = (now - then for now, then in zip(self._read(), self._began, strict=True))
        return max(0.0, busy - own) / total if total else 0.0

    def _read(self) -> tuple[float, float, float]:
        """Busy seconds of all cores, those of this program, and all seconds; 0 if unknown."""
        if not _CPU_TIMES.exists():
            return 0.0, 0.0, 0.0
        ticks = [int(field) for field in _CPU_TIMES.read_text().split()[1 : _TIMES + 1]]
        per_second = os.sysconf("SC_CLK_TCK")
        total = sum(ticks)
        busy = total - sum(ticks[_IDLE])
        return busy / per_second, sum(os.times()[:4]), total / per_second


def warned(share: float) -> float:
    """Returns the share of other programs, after a warning if it distorts times and memory."""
    if share > BUSY:
        logging.warning(
            "other programs used %.0f %% of the cores during the measurement: ratios may still be "
            "valid, seconds and memory are not",
            100 * share,
        )
    return share


def rounded(value: object) -> Any:
    """Rounds every float in dicts and lists to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
