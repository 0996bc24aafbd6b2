"""The output of a search: files, plots, TensorBoard, and the printed table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from absl import logging

from aec_ofa_tf.classes import ClassCounts
from aec_ofa_tf.costs.costs import LATENCY, METRICS
from aec_ofa_tf.costs.npu import MS
from aec_ofa_tf.files import read_json, replacing, write_json
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.reporting.figures import draw_pareto, draw_sensitivity, draw_spread
from aec_ofa_tf.reporting.tables import shown
from aec_ofa_tf.search.analyses import pareto_front, rank_correlation, sensitivity, spread
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.evaluation import SearchEvaluation
from aec_ofa_tf.search.results import BudgetResult, SearchResult, SubnetScores
from aec_ofa_tf.search.store import SubnetMetrics
from aec_ofa_tf.search.tensorboard import choose_sessions, log_search
from aec_ofa_tf.terminal import show
from aec_ofa_tf.training.run import Run

Row = dict[str, object]
"""A row of a table, of JSON values."""

_FRONTS = {"params", "macs", LATENCY}
_FIRST = ("cost", "budget", "subnet", *METRICS)
_METRICS = (
    *("mAP", "mAUC", "d_prime", "accuracy", "log_loss"),
    *("mAP_fewer_clips", "accuracy_fewer_clips"),
)


@dataclass(frozen=True)
class Findings:
    """The findings of a search.

    Attributes:
        candidates: subnets by budget, best first.
        costs: costs by subnet, for the subnets with metrics.
        metrics: validation metrics by subnet, for all subnets of the space ever evaluated.
        figure: the metric that candidates are ranked by.
        space: the space that was searched.
        latency_device: the device of the latency table, if there was one.
    """

    candidates: Mapping[str, Sequence[Subnet]]
    costs: Mapping[Subnet, Mapping[str, float]]
    metrics: Mapping[Subnet, SubnetMetrics]
    figure: str
    space: SearchSpace
    latency_device: str | None = None

    @cached_property
    def scores(self) -> dict[Subnet, float]:
        """The validation figure by subnet."""
        return {subnet: metrics[self.figure] for subnet, metrics in self.metrics.items()}

    def row(self, subnet: Subnet) -> Row:
        """A subnet with its costs and metrics."""
        device = {"latency_device": self.latency_device} if self.latency_device else {}
        found = self.metrics[subnet]
        metrics = {f"validation_{name}": found[name] for name in _METRICS if name in found}
        origin = {"subnet": str(subnet), "space": str(self.space), **device}
        return {**origin, **self.costs[subnet], **metrics}

    def values(self, subnet: Subnet) -> dict[str, float]:
        """A subnet's metrics and costs: its figure, the usual costs, and then the others."""
        found, costs = self.metrics[subnet], self.costs[subnet]
        metrics = {name: found[name] for name in _METRICS if found.get(name) is not None}
        first = {name: costs[name] for name in ("params", "macs", LATENCY) if name in costs}
        return {self.figure: found[self.figure], **first, **metrics, **costs}

    def points(self, cost: str) -> dict[Subnet, tuple[float, float]]:
        """(cost, figure) by subnet."""
        return {subnet: (self.costs[subnet][cost], score) for subnet, score in self.scores.items()}


def report(
    run: Run,
    config: SearchConfig,
    evaluation: SearchEvaluation,
    findings: Findings,
    budgets: tuple[BudgetResult, ...],
    largest: SubnetScores,
) -> SearchResult:
    """Writes everything to `search/` and `events/search/` and prints the table to stderr.

    The files keep results and candidates of earlier searches of this supernet for other budgets.

    Returns:
        The result of this search with analyses and Pareto fronts.
    """
    folder = run.workdir.path / "search"
    compared = _compared_costs(findings, config)
    fronts = {name: pareto_front(findings.points(name)) for name in compared}
    result = SearchResult(
        budgets,
        largest,
        _analyses(config, evaluation, findings),
        {name: [str(subnet) for subnet in front] for name, front in fronts.items()},
        tuple(gap for gap in ClassCounts.of(run.records).gaps if gap.split in evaluation.splits),
    )
    rows = [
        {"budget": budget, **findings.row(subnet)}
        for budget, subnets in findings.candidates.items()
        for subnet in subnets
    ]
    _write_results(folder, evaluation.key, result, rows)
    _write_rows(
        folder / "pareto",
        [{"cost": name, **findings.row(s)} for name, front in fronts.items() for s in front],
    )
    _draw(folder, result, findings, fronts)
    _log(run.workdir.path / "events" / "search", folder, evaluation, findings, fronts)
    show(_table(result, config))
    return result


def _compared_costs(findings: Findings, config: SearchConfig) -> list[str]:
    """The costs with a Pareto front: the usual ones and those that budgets bound."""
    known = next(iter(findings.costs.values()))
    return [name for name in METRICS if name in known and name in _FRONTS | config.bounded_costs]


def _analyses(config: SearchConfig, evaluation: SearchEvaluation, findings: Findings) -> Row:
    scores = findings.scores
    analyses: Row = {
        "spread": {
            budget: spread([scores[subnet] for subnet in subnets])
            for budget, subnets in findings.candidates.items()
        },
        "sensitivity": sensitivity(scores, findings.space, findings.figure),
    }
    if config.rank_correlation:
        key = f"{findings.figure}_fewer_clips"
        fewer = {subnet: values[key] for subnet, values in findings.metrics.items()}
        proxies = {"without_recalibration": evaluation.without_recalibration(list(scores))}
        if None not in fewer.values():
            proxies["fewer_clips"] = fewer
        analyses["rank_correlation"] = {
            name: rank_correlation(proxy, scores) for name, proxy in proxies.items()
        }
    return analyses


def _write_results(folder: Path, key: str, result: SearchResult, rows: list[Row]) -> None:
    found = [row.as_dict() for row in result.budgets]
    searched = {row.budget for row in result.budgets}
    earlier = read_json(folder / "result.json") if (folder / "result.json").exists() else {}
    kept: dict[str, list[Row]] = {"budgets": [], "candidates": []}
    if earlier.get("key") == key and (folder / "candidates.json").exists():
        before = {**earlier, "candidates": read_json(folder / "candidates.json", list)}
        kept = {
            name: [row for row in before[name] if row["budget"] not in searched] for name in kept
        }
        _warn_of_better(map(BudgetResult.from_dict, before["budgets"]), result.budgets)
    _write_rows(folder / "candidates", kept["candidates"] + rows)
    budgets = kept["budgets"] + found
    write_json(folder / "result.json", {**result.as_dict(), "budgets": budgets, "key": key})


def _warn_of_better(earlier: Iterable[BudgetResult], now: Sequence[BudgetResult]) -> None:
    """A search of a part or a sample of the space can find worse subnets than an earlier one."""
    found = {row.budget: row for row in earlier}
    for row in now:
        before = found.get(row.budget, row)
        if before.score > row.score:
            logging.warning(
                "%s: an earlier search found %s with validation %s %.3f, which %s with %.3f now "
                "replaces",
                *(row.budget, before.subnet, row.figure, before.score, row.subnet, row.score),
            )


def _write_rows(stem: Path, rows: Sequence[Row]) -> None:
    """Writes the same rows as CSV and as JSON; every key of any row is a column."""
    names = set().union(*rows)
    columns = [name for name in _FIRST if name in names] + sorted(names - set(_FIRST))
    path = stem.with_suffix(".csv")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    write_json(stem.with_suffix(".json"), list(rows))


def _draw(
    folder: Path,
    result: SearchResult,
    findings: Findings,
    fronts: Mapping[str, Sequence[Subnet]],
) -> None:
    for stale in _pictures(folder):  # of a search with other budgets, or of another supernet
        stale.unlink()
    chosen = sorted({subnets[0] for subnets in findings.candidates.values()})
    for name, front in fronts.items():
        points = findings.points(name)
        groups = ([points[subnet] for subnet in group] for group in (points, front, chosen))
        draw_pareto(folder / f"pareto_{name}.png", name, findings.figure, *groups)
    scores = findings.scores
    spreads = {
        budget: [scores[subnet] for subnet in subnets]
        for budget, subnets in findings.candidates.items()
    }
    draw_spread(folder / "spread.png", spreads, findings.figure)
    draw_sensitivity(folder / "sensitivity.png", result.analyses["sensitivity"], findings.figure)


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder that a search draws; others are the user's."""
    names = [*(f"pareto_{cost}" for cost in METRICS), "sensitivity", "spread"]
    return [path for name in sorted(names) if (path := folder / f"{name}.png").is_file()]


def _log(
    events: Path,
    folder: Path,
    evaluation: SearchEvaluation,
    findings: Findings,
    fronts: Mapping[str, Sequence[Subnet]],
) -> None:
    winners = [subnets[0] for subnets in findings.candidates.values()]
    shown = choose_sessions(findings.costs, winners, fronts.values())
    values = {subnet: findings.values(subnet) for subnet in shown}
    scored = evaluation.scored(sorted({*winners, shown[-1]} & set(shown)))
    log_search(events, values, findings.space, scored, _pictures(folder))


_TEXTS = ("budget", "subnet")


def _table(result: SearchResult, config: SearchConfig) -> str:
    bounded = [name for name in METRICS if name in config.bounded_costs]
    figure = result.budgets[0].figure
    cells = [
        {"budget": row.budget, **_cells(row.best, figure, bounded), **_gap(row)}
        for row in result.budgets
    ]
    cells.append({"budget": "(largest)", **_cells(result.largest, figure, bounded)})
    # The evaluation figure is the last column.
    last = f"evaluation {figure}"
    rows = [{**{n: c for n, c in row.items() if n != last}, last: row[last]} for row in cells]
    table = shown(rows, {name: "" if name in _TEXTS else ">" for name in rows[0]})
    return "\n".join([table, *map(str, result.class_gaps)])


def _gap(row: BudgetResult) -> dict[str, str]:
    of = "" if row.in_budget is None else f" of {row.in_budget}"
    return {"gap to best known": f"{row.gap:.3f} ({row.evaluated}{of} seen)"}


def _cells(row: SubnetScores, figure: str, bounded: Sequence[str]) -> dict[str, str]:
    costs = row.costs
    cells = {
        "subnet": row.subnet,
        "parameters": f"{costs['params']:,}",
        "multiply-adds": f"{costs['macs'] / 1e6:,.1f} M",
    }
    if LATENCY in costs:
        cells["latency"] = f"{costs[LATENCY]:.3g} ms"
    for name in (name for name in bounded if name not in _FRONTS and name in costs):
        cells[name] = f"{costs[name]:.4g} ms" if name.endswith(f"_{MS}") else f"{costs[name]:,}"
    cells[f"validation {figure}"] = f"{row.validation[figure]:.3f}"
    cells[f"evaluation {figure}"] = ""
    if row.evaluation is not None:
        low, high = row.evaluation["interval"]
        cells[f"evaluation {figure}"] = f"{row.evaluation[figure]:.3f} [{low:.3f}, {high:.3f}]"
    return cells
