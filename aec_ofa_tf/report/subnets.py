"""The subnets that searches of a run have evaluated, with their costs and validation metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aec_ofa_tf.costs.costs import LATENCY, METRICS, subnet_costs
from aec_ofa_tf.costs.npu import NPU_METRICS
from aec_ofa_tf.files import JsonObject, naming_damage, read_json
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.analyses import pareto_front
from aec_ofa_tf.search.results import BudgetResult, SearchResult, SubnetScores
from aec_ofa_tf.workdir import SEARCH, Workdir

MOST_DRAWN = 3000
"""Subnets that a chart can show without slowing down; of more, those of the fronts remain."""

LARGEST = "largest"

_VALIDATION = "validation_"
_METRICS = ("mAP", "mAUC", "d_prime", "accuracy", "log_loss")
_TITLES = {
    "params": "parameters",
    "macs": "multiply-adds",
    "activation_bytes": "activations, bytes",
    "arena_bytes": "arena on a microcontroller, bytes",
    "tflite_bytes": "float32 file, bytes",
    "tflite_bytes_float16": "float16 file, bytes",
    "tflite_bytes_dynamic": "dynamic file, bytes",
    "tflite_bytes_int8": "int8 file, bytes",
    "tflite_bytes_waveform": "float32 file with front end, bytes",
    "tflite_bytes_int8_waveform": "int8 file with front end, bytes",
    LATENCY: "latency, ms",
    "d_prime": "d'",
    "log_loss": "log loss",
}
Value = float | None


@dataclass(frozen=True)
class Axis:
    """A cost or a metric that subnets are drawn over.

    Attributes:
        name: its name, such as "params" or "validation_mAP".
        title: its name for people.
        lower_is_better: whether less is better, as of costs.
    """

    name: str
    title: str
    lower_is_better: bool


@dataclass(frozen=True)
class Subnets:
    """Subnets as columns.

    Attributes:
        names: texts of the subnets, without repetitions.
        axes: the costs, then the validation metrics.
        figure: name of the axis that candidates are ranked by.
        columns: by axis name, a value for every subnet; None where it is not known.
        roles: for every subnet the budgets that it won, and `LARGEST`.
        evaluated: number of subnets of which these are a part.
    """

    names: tuple[str, ...]
    axes: tuple[Axis, ...]
    figure: str
    columns: Mapping[str, Sequence[Value]]
    roles: tuple[tuple[str, ...], ...]
    evaluated: int


@dataclass(frozen=True)
class Winner:
    """A line of the table of budgets.

    Attributes:
        budget: the budget's text; "" for the largest subnet.
        subnet: text of the subnet.
        costs: costs by name.
        figure: "mAP" or "accuracy".
        validation: the figure on the validation split.
        evaluation: the figure on the evaluation split; None without evaluation clips.
        interval: its 95 % interval.
        gap: how far the validation figure is below the best known; None for the largest subnet.
        evaluated: number of subnets that meet the budget and were evaluated.
        in_budget: number of subnets that meet the budget; None if they were not counted.
        latency_device: the device of the latency table, if there was one.
    """

    budget: str
    subnet: str
    costs: Mapping[str, float]
    figure: str
    validation: float
    evaluation: float | None
    interval: tuple[float, float] | None
    gap: float | None = None
    evaluated: int = 0
    in_budget: int | None = None
    latency_device: str | None = None


def read_winners(result: SearchResult) -> tuple[Winner, ...]:
    """The winner of every budget, and the largest subnet."""
    rows = [_winner(row) for row in result.budgets]
    return (*rows, _line("", result.largest, result.budgets[0].figure)) if rows else ()


def read_subnets(workdir: Workdir, result: SearchResult) -> Subnets:
    """Every evaluated candidate of a run, and the largest subnet.

    Costs that an earlier version did not know are computed.

    Raises:
        ValueError: a file of the search is damaged.
    """
    rows = _rows(workdir, result)
    figure = f"{_VALIDATION}{result.budgets[0].figure}"
    axes = _axes(rows.values())
    columns = {axis.name: [_finite(row.get(axis.name)) for row in rows.values()] for axis in axes}
    roles = _roles(rows, result)
    kept = _drawn(columns, figure, roles)
    names = list(rows)
    return Subnets(
        tuple(names[index] for index in kept),
        axes,
        figure,
        {name: [values[index] for index in kept] for name, values in columns.items()},
        tuple(roles[index] for index in kept),
        len(rows),
    )


def _winner(row: BudgetResult) -> Winner:
    numbers = row.gap, row.evaluated, row.in_budget, row.latency_device
    return _line(row.budget, row.best, row.figure, *numbers)


def _line(
    budget: str,
    scores: SubnetScores,
    figure: str,
    gap: float | None = None,
    evaluated: int = 0,
    in_budget: int | None = None,
    latency_device: str | None = None,
) -> Winner:
    tested = scores.evaluation or {}
    return Winner(
        budget,
        scores.subnet,
        scores.costs,
        figure,
        scores.validation[figure],
        tested.get(figure),
        tuple(tested["interval"]) if "interval" in tested else None,
        gap,
        evaluated,
        in_budget,
        latency_device,
    )


def _rows(workdir: Workdir, result: SearchResult) -> dict[str, JsonObject]:
    """Costs and metrics by subnet; `validation_` stands before the names of metrics."""
    path = workdir.path / SEARCH / "candidates.json"
    best = [*(row.best for row in result.budgets), result.largest]
    rows: dict[str, JsonObject] = {}
    if path.exists():
        with naming_damage(path, "search again"):
            rows = {row["subnet"]: row for row in read_json(path, list)}
    for scores in best:
        metrics = {f"{_VALIDATION}{name}": value for name, value in scores.validation.items()}
        rows.setdefault(scores.subnet, {**scores.costs, **metrics})
    space, network = workdir.space_and_network()
    front_end = workdir.front_end()

    def completed(name: str, row: JsonObject) -> JsonObject:
        by_table = {LATENCY, *NPU_METRICS}
        missing = [cost for cost in METRICS if cost not in row and cost not in by_table]
        subnet: Subnet = space.parse_subnet(name)
        return {**row, **subnet_costs(subnet, network, metrics=missing, front_end=front_end)}

    return {name: completed(name, row) for name, row in rows.items()}


def _axes(rows: Iterable[JsonObject]) -> tuple[Axis, ...]:
    known = {name for row in rows for name, value in row.items() if _finite(value) is not None}
    costs = [Axis(name, _TITLES.get(name, name), True) for name in METRICS if name in known]
    metrics = [
        Axis(f"{_VALIDATION}{name}", f"validation {_TITLES.get(name, name)}", name == "log_loss")
        for name in _METRICS
        if f"{_VALIDATION}{name}" in known
    ]
    return (*costs, *metrics)


def _roles(rows: Iterable[str], result: SearchResult) -> list[tuple[str, ...]]:
    won: dict[str, list[str]] = {}
    for row in result.budgets:
        won.setdefault(row.subnet, []).append(row.budget)
    won.setdefault(result.largest.subnet, []).append(LARGEST)
    return [tuple(won.get(name, ())) for name in rows]


def _drawn(
    columns: Mapping[str, Sequence[Value]], figure: str, roles: Sequence[tuple[str, ...]]
) -> list[int]:
    """Numbers of the subnets to draw: all, or the fronts, the winners and an even part."""
    count = len(roles)
    if count <= MOST_DRAWN:
        return list(range(count))
    kept = {index for index, role in enumerate(roles) if role}
    for name, values in columns.items():
        points = {
            index: (cost, score)
            for index, (cost, score) in enumerate(zip(values, columns[figure], strict=True))
            if cost is not None and score is not None
        }
        kept |= set() if name.startswith(_VALIDATION) else set(pareto_front(points))
    step = math.ceil(count / max(MOST_DRAWN - len(kept), 1))
    return sorted(kept | set(range(0, count, step)))


def _finite(value: object) -> Value:
    """The value as JSON can hold it."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
