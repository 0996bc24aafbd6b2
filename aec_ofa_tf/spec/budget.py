"""Budgets such as `params<=0.8M`, and the subnets that meet them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aec_ofa_tf.spec.cost import METRICS, costs
from aec_ofa_tf.spec.network import NetworkConfig
from aec_ofa_tf.spec.subnet import SubnetSpec

_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([kMG]?)"
_BOUND = re.compile(rf"\s*(\w+)\s*(<=|>=)\s*{_NUMBER}\s*")
_RANGE = re.compile(rf"\s*(\w+)\s*=\s*{_NUMBER}\s*\+-\s*{_NUMBER}\s*")
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_NEAREST = 3


class UnsatisfiableBudgetError(ValueError):
    """No subnet of the space meets the budget."""


@dataclass(frozen=True)
class Budget:
    """Bounds on what a subnet may cost.

    Attributes:
        text: as the user wrote it.
        bounds: (metric, least, greatest), inclusive; metrics are those of `spec.cost`.
    """

    text: str
    bounds: tuple[tuple[str, float, float], ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Reads bounds joined by commas: `params<=0.8M`, `macs>=50M`, `params=1.8M+-0.2M`.

        Raises:
            ValueError: the text is not of that form, or names an unknown metric.
        """
        return cls(text.strip(), tuple(_read_bound(part, text) for part in text.split(",")))

    @classmethod
    def around(cls, params: float, tolerance: float) -> Budget:
        """The paper's range of parameter counts, [params - tolerance, params + tolerance]."""
        text = f"params={params:.12g}+-{tolerance:.12g}"
        return cls(text, (("params", params - tolerance, params + tolerance),))

    def excess(self, cost: Mapping[str, float]) -> float:
        """How far outside a cost lies: the sum over bounds of the relative excess."""
        return sum(
            max(low - cost[metric], cost[metric] - high, 0.0) / max(cost[metric], 1.0)
            for metric, low, high in self.bounds
        )

    def members(self, subnets: Iterable[SubnetSpec], network: NetworkConfig) -> list[SubnetSpec]:
        """The subnets that meet the budget.

        Raises:
            UnsatisfiableBudgetError: there is none; the message names the nearest that exist.
        """
        excess = {spec: self.excess(costs(spec, network)) for spec in subnets}
        found = [spec for spec, outside in excess.items() if outside == 0.0]
        if found:
            return found
        nearest = sorted(excess, key=lambda spec: (excess[spec], spec))[:_NEAREST]
        metrics = [metric for metric, _, _ in self.bounds]
        described = "; ".join(
            f"{spec} ({', '.join(f'{m} {costs(spec, network)[m]:,}' for m in metrics)})"
            for spec in nearest
        )
        raise UnsatisfiableBudgetError(
            f"no subnet of the space meets the budget {self.text!r}; the nearest are {described}"
        )


def _read_bound(part: str, text: str) -> tuple[str, float, float]:
    bound, around = _BOUND.fullmatch(part), _RANGE.fullmatch(part)
    match = bound or around
    if match is None or match.group(1) not in METRICS:
        raise ValueError(
            f"cannot read the budget {text!r} at {part!r}: expected METRIC<=NUMBER, "
            f"METRIC>=NUMBER or METRIC=NUMBER+-NUMBER, a metric from {', '.join(METRICS)}, and "
            "k, M or G after a number, for example params<=0.8M"
        )
    metric = match.group(1)
    if around is not None:
        centre, tolerance = (_number(*around.group(i, i + 1)) for i in (2, 4))
        return metric, centre - tolerance, centre + tolerance
    value = _number(*match.group(3, 4))
    return (metric, 0.0, value) if match.group(2) == "<=" else (metric, value, float("inf"))


def _number(digits: str, suffix: str) -> float:
    return float(digits) * _FACTORS[suffix]
