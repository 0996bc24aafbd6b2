"""The results of a search. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aec_ofa_tf.classes import ClassGap
from aec_ofa_tf.config import check_fields
from aec_ofa_tf.dataset import EVALUATION, VALIDATION
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.search.store import SubnetMetrics

_FIELDS = ("budget", "algorithm", "space", "gap", "evaluated", "in_budget", "candidates")


@dataclass(frozen=True)
class SubnetScores:
    """A subnet with its costs and metrics.

    Attributes:
        subnet: text of the subnet.
        costs: its costs by name.
        validation: metrics on the validation split.
        evaluation: metrics on the evaluation split, with `interval`; None without evaluation clips.
    """

    subnet: str
    costs: Mapping[str, float]
    validation: SubnetMetrics
    evaluation: SubnetMetrics | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        scores = {VALIDATION: self.validation, EVALUATION: self.evaluation}
        found = {split: dict(figures) for split, figures in scores.items() if figures is not None}
        return {"subnet": self.subnet, **self.costs, **found}

    @classmethod
    def from_dict(cls, row: JsonObject, others: Sequence[str] = ()) -> SubnetScores:
        """The scores from the values of `as_dict`; `others` are keys to ignore."""
        known = {"subnet", VALIDATION, EVALUATION, *others}
        costs = {name: value for name, value in row.items() if name not in known}
        return cls(row["subnet"], costs, row[VALIDATION], row.get(EVALUATION))


@dataclass(frozen=True)
class BudgetResult:
    """The best subnet that was found for a budget.

    Attributes:
        budget: the budget's text.
        algorithm: the search algorithm.
        space: the space that was searched.
        best: the best candidate.
        figure: the task's figure, "mAP" or "accuracy", by which candidates were ranked.
        score: the figure of the best candidate on the validation split.
        gap: how far the score is below the best known score of a subnet that meets the budget.
        evaluated: number of subnets that meet the budget and have a known score.
        in_budget: number of subnets that meet the budget; None if the space is too large to count.
        candidates: number of candidates that this search compared.
        latency_device: the device of the latency table, if there was one.
    """

    budget: str
    algorithm: str
    space: str
    best: SubnetScores
    figure: str
    score: float
    gap: float
    evaluated: int
    in_budget: int | None
    candidates: int
    latency_device: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

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

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        row = {name: getattr(self, name) for name in _FIELDS}
        if self.latency_device is not None:
            row["latency_device"] = self.latency_device
        scores = {name: self.best.validation[name] for name in dict.fromkeys(("mAP", self.figure))}
        return {**row, "figure": self.figure, **scores, **self.best.as_dict()}

    @classmethod
    def from_dict(cls, row: JsonObject) -> BudgetResult:
        """The result from the values of `as_dict`."""
        figure = row.get("figure", "mAP")
        own = {"latency_device", "figure", "mAP", figure, *_FIELDS}
        return cls(
            best=SubnetScores.from_dict(row, tuple(own)),
            figure=figure,
            score=row[figure],
            latency_device=row.get("latency_device"),
            **{name: row[name] for name in _FIELDS},
        )


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        budgets: the best subnet of every budget.
        largest: the largest subnet of the trained space, for comparison.
        analyses: `spread` by budget, `sensitivity`, and `rank_correlation` if requested.
        pareto: the subnets of the Pareto front by cost.
        class_gaps: classes that the figures of a split leave out.
    """

    budgets: tuple[BudgetResult, ...]
    largest: SubnetScores
    analyses: JsonObject
    pareto: Mapping[str, Sequence[str]]
    class_gaps: tuple[ClassGap, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self.budgets))

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "budgets": [row.as_dict() for row in self.budgets],
            "largest": self.largest.as_dict(),
            "analyses": dict(self.analyses),
            "pareto": {cost: list(front) for cost, front in self.pareto.items()},
            "class_gaps": [gap.as_dict() for gap in self.class_gaps],
        }

    @classmethod
    def from_dict(cls, content: JsonObject) -> SearchResult:
        """The result from the values of `as_dict` or of `search/result.json`."""
        return cls(
            tuple(BudgetResult.from_dict(row) for row in content["budgets"]),
            SubnetScores.from_dict(content["largest"]),
            content["analyses"],
            content["pareto"],
            tuple(ClassGap.from_dict(row) for row in content.get("class_gaps", ())),
        )
