"""What a search ends with. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aec_ofa_tf.classes import ClassGap
from aec_ofa_tf.dataset import EVALUATION, VALIDATION

Figures = Mapping[str, Any]
"""A subnet's metrics on a split by name; `interval` of the evaluation split is a pair."""

_SEARCHED = ("budget", "algorithm", "space", "gap", "evaluated", "in_budget", "candidates")


@dataclass(frozen=True)
class SubnetScores:
    """A subnet with what it costs and how it scores.

    Attributes:
        subnet: its text.
        costs: what it costs, by name.
        validation: metrics on the validation split.
        evaluation: metrics on the evaluation split, with `interval`; None without such clips.
    """

    subnet: str
    costs: Mapping[str, float]
    validation: Figures
    evaluation: Figures | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        scores = {VALIDATION: self.validation, EVALUATION: self.evaluation}
        found = {split: dict(figures) for split, figures in scores.items() if figures is not None}
        return {"subnet": self.subnet, **self.costs, **found}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any], others: Sequence[str] = ()) -> SubnetScores:
        """What `as_dict` described, apart from keys called `others`."""
        known = {"subnet", VALIDATION, EVALUATION, *others}
        costs = {name: value for name, value in row.items() if name not in known}
        return cls(row["subnet"], costs, row[VALIDATION], row.get(EVALUATION))


@dataclass(frozen=True)
class BudgetResult:
    """The best subnet that was found for a budget.

    Attributes:
        budget: the budget's text.
        algorithm: how it was found.
        space: the space that was searched.
        best: the subnet.
        figure: what candidates were ranked by, "mAP" or "accuracy".
        score: that figure of the subnet on the validation split.
        gap: how far the score is below the best one known in the budget's range.
        evaluated: subnets of the range with a known score.
        in_budget: subnets of the range.
        candidates: subnets that this search compared.
        latency_device: the device whose layer times were used, if any.
    """

    budget: str
    algorithm: str
    space: str
    best: SubnetScores
    figure: str
    score: float
    gap: float
    evaluated: int
    in_budget: int
    candidates: int
    latency_device: str | None = None

    def __str__(self) -> str:
        costs = self.best.costs
        return (
            f"{self.budget}: {self.subnet}, validation {self.figure} {self.score:.3f}, "
            f"{costs['params']:,} parameters, {costs['macs'] / 1e6:,.1f} M multiply-adds"
        )

    @property
    def subnet(self) -> str:
        """The best subnet's text."""
        return self.best.subnet

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        row = {name: getattr(self, name) for name in _SEARCHED}
        if self.latency_device is not None:
            row["latency_device"] = self.latency_device
        scores = {name: self.best.validation[name] for name in dict.fromkeys(("mAP", self.figure))}
        return {**row, "figure": self.figure, **scores, **self.best.as_dict()}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> BudgetResult:
        """What `as_dict` described."""
        figure = row.get("figure", "mAP")
        own = {"latency_device", "figure", "mAP", figure, *_SEARCHED}
        return cls(
            best=SubnetScores.from_dict(row, tuple(own)),
            figure=figure,
            score=row[figure],
            latency_device=row.get("latency_device"),
            **{name: row[name] for name in _SEARCHED},
        )


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        budgets: the best subnet of every budget.
        largest: the largest subnet of the trained space, to compare with.
        analyses: `spread` by budget, `sensitivity`, and `rank_correlation` if asked for.
        pareto: the subnets of the Pareto front by cost.
        class_gaps: classes that the figures of a split leave out.
    """

    budgets: tuple[BudgetResult, ...]
    largest: SubnetScores
    analyses: Mapping[str, Any]
    pareto: Mapping[str, Sequence[str]]
    class_gaps: tuple[ClassGap, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.budgets))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "budgets": [row.as_dict() for row in self.budgets],
            "largest": self.largest.as_dict(),
            "analyses": dict(self.analyses),
            "pareto": {cost: list(front) for cost, front in self.pareto.items()},
            "class_gaps": [gap.as_dict() for gap in self.class_gaps],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SearchResult:
        """What `as_dict` described, and what `search/result.json` holds."""
        return cls(
            tuple(BudgetResult.from_dict(row) for row in content["budgets"]),
            SubnetScores.from_dict(content["largest"]),
            content["analyses"],
            content["pareto"],
            tuple(ClassGap.from_dict(row) for row in content.get("class_gaps", ())),
        )
