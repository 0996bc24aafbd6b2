"""Budgets such as `params<=0.8M`, and the subnets that meet them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import is_number
from aec_ofa_tf.costs.costs import METRIC_NAMES, METRICS, file_metric, subnet_costs
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.npu import NpuTable
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet

_NUMBER = r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?)\s*([kMG]?)"
_BOUND = re.compile(rf"\s*(\w+)\s*(<=|>=)\s*{_NUMBER}\s*")
_RANGE = re.compile(rf"\s*(\w+)\s*=\s*{_NUMBER}\s*\+-\s*{_NUMBER}\s*")
_EXPONENT_PLUS = re.compile(r"(?<=[0-9.][eE])\+")
_WRONG_SUFFIX = re.compile(r"[0-9.]\s*([Kmg])\s*(?:\+-|$)")
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NEAREST = 3


class UnsatisfiableBudgetError(ValueError):
    """No subnet of the space meets the budget."""


@dataclass(frozen=True)
class Budget:
    """Bounds on the costs of a subnet.

    Attributes:
        text: the budget as the user wrote it.
        bounds: (metric, least, greatest), inclusive; metrics are those of `costs.costs.METRICS`.

    Raises:
        ValueError: there is no bound, a bound is not of that form, or two contradict each other.

    Example:
        >>> ofa.Budget.parse("params<=0.8M,macs>=50M").bounds
        (('params', 0.0, 800000.0), ('macs', 50000000.0, inf))
    """

    text: str
    bounds: tuple[tuple[str, float, float], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"the text of a budget is text, received {self.text!r}")
        if not isinstance(self.bounds, list | tuple) or not self.bounds:
            raise ValueError(f"a budget needs at least one bound, received {self.bounds!r}")
        for bound in self.bounds:
            _check_bound(bound)
        object.__setattr__(self, "bounds", tuple(tuple(bound) for bound in self.bounds))
        for metric in self.metrics:
            least = max(low for name, low, _ in self.bounds if name == metric)
            greatest = min(high for name, _, high in self.bounds if name == metric)
            if least > greatest:
                raise ValueError(
                    f"no network meets the budget {self.text!r}: {metric} would be at least "
                    f"{least:.12g} and at most {greatest:.12g}; leave out one of the two bounds"
                )

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parses bounds joined by commas: `params<=0.8M`, `macs>=50M`, `params=1.8M+-0.2M`.

        The budget's text has no spaces, so that equal bounds have equal names.

        Raises:
            ValueError: the text does not have this form, names an unknown metric, or has bounds
                that contradict each other.
        """
        if not isinstance(text, str):
            raise ValueError(f"a budget is text, for example params<=0.8M, received {text!r}")
        bounds = tuple(_read_bound(part, text) for part in text.split(","))
        return cls(_EXPONENT_PLUS.sub("", "".join(text.split())), bounds)

    @classmethod
    def around(cls, params: float, tolerance: float) -> Budget:
        """The paper's range of parameter counts, [params - tolerance, params + tolerance].

        Raises:
            ValueError: a number is negative or not finite.
        """
        numbers = (params, tolerance)
        if not all(is_number(value) and 0 <= value < math.inf for value in numbers):
            raise ValueError(
                "params and tolerance of a budget are finite and not negative, received "
                f"{params!r} and {tolerance!r}"
            )
        text = f"params={params:.12g}+-{tolerance:.12g}"
        return cls(text, (("params", max(0.0, params - tolerance), params + tolerance),))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the bounded costs."""
        return tuple(dict.fromkeys(metric for metric, _, _ in self.bounds))

    @property
    def ranges(self) -> str:
        """The bounds as text, equal for all budgets with equal bounds: `params 0..8000`."""
        return ", ".join(f"{name} {low:.12g}..{high:.12g}" for name, low, high in self.bounds)

    def greatest_bytes(self, input_kind: str, quantization: str) -> float:
        """The most bytes that a file of a subnet of this budget may have; infinity if any.

        A bound on files with log-mel input holds for those with waveform input too, unless the
        budget has a bound of their own.

        Args:
            input_kind: "log_mel" or "waveform".
            quantization: quantisation of the file.
        """
        for kind in dict.fromkeys((input_kind, "log_mel")):
            name = file_metric(kind, quantization)
            if name in self.metrics:
                return self.greatest(name)
        return math.inf

    def greatest(self, metric: str) -> float:
        """The most that a cost may be; infinity if any."""
        return min((high for name, _, high in self.bounds if name == metric), default=math.inf)

    def lowered(self, metric: str, amount: float) -> Budget:
        """A budget whose bounds on a cost are lower by an amount; itself if it has no upper bound.

        It keeps its text, by which results are known.

        Raises:
            ValueError: less than 0 would be left.
        """
        if not amount or self.greatest(metric) == math.inf:
            return self
        bounds = tuple(
            (name, max(low - amount, 0.0), high - amount) if name == metric else (name, low, high)
            for name, low, high in self.bounds
        )
        if any(low > high for _, low, high in bounds):
            raise ValueError(f"the budget {self.text!r} leaves nothing beside {amount:,} {metric}")
        return Budget(self.text, bounds)

    def excess(self, cost: Mapping[str, float]) -> float:
        """Sum over the bounds of the relative distance by which a cost violates the bound."""
        return sum(
            max((low - cost[metric]) / (low or 1.0), (cost[metric] - high) / (high or 1.0), 0.0)
            if math.isfinite(high)
            else max(low - cost[metric], 0.0) / (low or 1.0)
            for metric, low, high in self.bounds
        )

    def members(
        self,
        subnets: Iterable[Subnet],
        network: NetworkConfig,
        latency: LatencyTable | None = None,
        front_end: FrontEndConfig | None = None,
        npu: NpuTable | None = None,
    ) -> list[Subnet]:
        """The subnets that meet the budget.

        Args:
            subnets: the subnets to choose from.
            network: the static parts of the network.
            latency: a device's latency table, for bounds on `latency_ms`.
            front_end: the front end, for bounds on files with waveform input.
            npu: layers on NPUs, for bounds on costs there.

        Raises:
            UnsatisfiableBudgetError: no subnet meets the budget; the message names the nearest.
            ValueError: a bound on `latency_ms` or on a cost on an NPU has no table, or the table is
                of another network; or a bound on files with waveform input has no front end.
        """
        # Only the bounded costs, so that a large space is checked in a fraction of a second.
        cost = {
            subnet: subnet_costs(subnet, network, latency, self.metrics, front_end, npu)
            for subnet in subnets
        }
        found = [subnet for subnet, each in cost.items() if self.excess(each) == 0.0]
        if found:
            return found
        raise unsatisfiable(self, cost)


def unsatisfiable(
    budget: Budget, costs: Mapping[Subnet, Mapping[str, float]]
) -> UnsatisfiableBudgetError:
    """The error that names the nearest of some subnets, none of which meets the budget."""
    order = sorted(costs, key=lambda subnet: (budget.excess(costs[subnet]), subnet))
    described = "; ".join(f"{subnet} ({_describe(costs[subnet])})" for subnet in order[:_NEAREST])
    return UnsatisfiableBudgetError(
        f"no subnet of the space meets the budget {budget.text!r}; the nearest are {described}"
    )


def budget_folder(budget: str) -> str:
    """A budget as a folder name: `params<=60k` becomes `params_max_60k`."""
    for sign, word in (("<=", "_max_"), (">=", "_min_"), ("+-", "_pm_")):
        budget = budget.replace(sign, word)
    return re.sub(r"[^A-Za-z0-9.]+", "_", budget)


def _check_bound(bound: object) -> None:
    if not isinstance(bound, list | tuple) or len(bound) != 3 or bound[0] not in METRICS:
        raise ValueError(
            "a bound of a budget is (metric, least, greatest), a metric from "
            f"{METRIC_NAMES}, received {bound!r}"
        )
    if not all(map(is_number, bound[1:])) or not 0 <= bound[1] <= bound[2] or bound[1] == math.inf:
        raise ValueError(
            "the bounds of a budget are numbers, the least at least 0 and not above the greatest, "
            f"received {bound!r}"
        )


def _describe(cost: Mapping[str, float]) -> str:
    """`params 794,666, latency_ms 12.34`."""
    return ", ".join(
        f"{metric} {value:,.2f}" if isinstance(value, float) else f"{metric} {value:,}"
        for metric, value in cost.items()
    )


def _read_bound(part: str, text: str) -> tuple[str, float, float]:
    bound, around = _BOUND.fullmatch(part), _RANGE.fullmatch(part)
    match = bound or around
    if match is None or match.group(1) not in METRICS:
        wrong = _WRONG_SUFFIX.search(part)
        hint = f"; write {wrong.group(1).swapcase()}, not {wrong.group(1)}" if wrong else ""
        raise ValueError(
            f"cannot read the budget {text!r} at {part!r}: expected METRIC<=NUMBER, "
            f"METRIC>=NUMBER or METRIC=NUMBER+-NUMBER, a metric from {METRIC_NAMES}, and "
            f"k, M or G after a number, for example params<=0.8M{hint}"
        )
    metric = match.group(1)
    if around is not None:
        centre, tolerance = (_number(*around.group(i, i + 1)) for i in (2, 4))
        return metric, max(0.0, float(centre - tolerance)), float(centre + tolerance)
    value = float(_number(*match.group(3, 4)))
    return (metric, 0.0, value) if match.group(2) == "<=" else (metric, value, float("inf"))


def _number(digits: str, suffix: str) -> Decimal:
    """The number without rounding: 0.003997M is exactly 3997."""
    return Decimal(digits) * _FACTORS[suffix]
