"""What each road to N networks costs: one supernet, or N trainings. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aec_ofa_tf.reproduction.config import EXACT, KD, OFA, ReproduceConfig, space_name
from aec_ofa_tf.reproduction.graph import SUPERNET
from aec_ofa_tf.reproduction.groups import mean
from aec_ofa_tf.reproduction.results import Arm, JobResult

MOST_BUDGETS = 40
_ROADS = ("supernet", "trainings")
COLUMNS = {
    "budgets": "d",
    **{f"{road} steps": ",.0f" for road in _ROADS},
    "steps, ratio": ".2f",
    **{f"{road} multiply-adds": ".3g" for road in _ROADS},
    "multiply-adds, ratio": ".2f",
    **{f"{road} seconds": ",.0f" for road in _ROADS},
    "seconds, ratio": ".2f",
}

TOTALS_COLUMNS = {
    **{"job": "", "space": "", "jobs": "d", "steps": ",.0f", "clips": ",.0f"},
    **{"subnets scored": ",.0f", "multiply-adds": ".3g", "seconds": ",.0f"},
}


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes:
        steps: training steps.
        work: multiply-adds.
        secs: seconds on this machine; NaN if they were not measured.
    """

    steps: float = 0.0
    work: float = 0.0
    secs: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.steps + other.steps, self.work + other.work, self.secs + other.secs)

    def times(self, count: float) -> Cost:
        """The cost of several."""
        return Cost(count * self.steps, count * self.work, count * self.secs)


def totals(arms: Sequence[Arm]) -> list[dict[str, object]]:
    """A row for every kind of job and number of steps: what one costs, a mean over seeds and sizes.

    Args:
        arms: the jobs that are done.
    """
    kinds: dict[tuple[str, str, int | None], list[JobResult]] = {}
    for arm in arms:
        kinds.setdefault((arm.job.space, arm.job.kind, arm.job.steps), []).append(arm.result)
    return [
        {
            "job": kind if steps is None else f"{kind}, {steps:,} steps",
            "space": space,
            "jobs": len(results),
            "steps": mean(one.steps for one in results),
            "clips": mean(one.clips for one in results),
            "subnets scored": mean(one.evaluated for one in results),
            "multiply-adds": mean(one.work for one in results),
            "seconds": mean(one.secs for one in results),
        }
        for (space, kind, steps), results in kinds.items()
    ]


def roads(config: ReproduceConfig, arms: Sequence[Arm]) -> list[dict[str, object]]:
    """A row for every number of budgets: steps, multiply-adds and seconds of both roads.

    Teacher and soft labels, which both roads need, are left out. A search costs what its
    evaluations cost, at most one of every subnet of the space. A training is the mean of the
    distilled baselines of today's widths and steps.

    Args:
        config: what is compared.
        arms: the jobs that are done.
    """
    supernet = _mean(_results(arms, SUPERNET, config))
    evaluation, per_budget = _evaluation(config, arms)
    training = _mean(_trainings(arms, config))
    rows = []
    for count in range(1, MOST_BUDGETS + 1):
        searched = None
        if supernet is not None and evaluation is not None:
            evaluated = min(count * per_budget, config.main.size)
            searched = supernet + evaluation.times(evaluated)
        rows.append(_row(count, searched, None if training is None else training.times(count)))
    return rows


def _evaluation(config: ReproduceConfig, arms: Sequence[Arm]) -> tuple[Cost | None, float]:
    """The cost of scoring a subnet, and the subnets that are scored for a budget.

    They are those of the random search. The exact search after it scores only the rest.
    """
    random = _results(arms, OFA, config)
    found = [one for one in random or _results(arms, EXACT, config) if one.evaluated]
    secs = mean(one.scoring_secs for one in found if one.scoring_secs is not None)
    work = mean(one.work / one.evaluated for one in found)
    counts = mean(one.evaluated / max(len(one.networks), 1) for one in found)
    if work is None or counts is None:
        return None, 0.0
    return Cost(0, work, math.nan if secs is None else secs), counts


def _trainings(arms: Iterable[Arm], config: ReproduceConfig) -> list[JobResult]:
    asked = {(ratio, config.subnet.steps) for ratio in config.fixed_ratios}
    return _results([arm for arm in arms if (arm.job.ratio, arm.job.steps) in asked], KD, config)


def _results(arms: Iterable[Arm], kind: str, config: ReproduceConfig) -> list[JobResult]:
    space = space_name(config.main)
    return [arm.result for arm in arms if (arm.job.kind, arm.job.space) == (kind, space)]


def _mean(results: Sequence[JobResult]) -> Cost | None:
    total = sum((Cost(one.steps, one.work, one.secs) for one in results), Cost())
    return total.times(1 / len(results)) if results else None


def _row(count: int, supernet: Cost | None, trainings: Cost | None) -> dict[str, object]:
    row: dict[str, object] = {"budgets": count}
    parts = {"steps": "steps", "multiply-adds": "work", "seconds": "secs"}
    for name, part in parts.items():
        values = [_known(cost, part) for cost in (supernet, trainings)]
        row |= {f"{road} {name}": value for road, value in zip(_ROADS, values, strict=True)}
        own, others = values
        row[f"{name}, ratio"] = own / others if own is not None and others else None
    return row


def _known(cost: Cost | None, part: str) -> float | None:
    value = math.nan if cost is None else getattr(cost, part)
    return None if math.isnan(value) else value
