"""What a search leaves: files, pictures, TensorBoard, and the table that it prints."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from absl import flags, logging
from tabulate import tabulate

from aec_ofa_tf.costs.costs import LATENCY, METRICS
from aec_ofa_tf.files import read_json, replacing, write_json
from aec_ofa_tf.models.cnn10 import parse_subnet
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.reporting.figures import draw_pareto, draw_sensitivity, draw_spread
from aec_ofa_tf.reporting.hparams import write_sessions
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.search.analyses import rank_correlation, sensitivity, spread
from aec_ofa_tf.search.pareto import pareto_front
from pipelines.experiment import Experiment
from pipelines.preflight import budgets_from_flags
from pipelines.stages.search_evaluation import SearchEvaluation
from tfrecords.clip import EVALUATION, VALIDATION

FLAGS = flags.FLAGS
Row = dict[str, Any]
_FRONTS = {"params", "macs", LATENCY}
_FIRST = ("cost", "budget", "subnet", *METRICS)
_METRICS = ("mAP", "mAUC", "d_prime", "accuracy", "mAP_fewer_clips")


@dataclass(frozen=True)
class Findings:
    """What a search has found.

    Attributes:
        candidates: subnets by budget, best first.
        costs: by subnet, of the whole space.
        metrics: on the validation split by subnet, of all that were ever evaluated.
        origin: `space` that was searched and, with a table, the `latency_device`.
    """

    candidates: Mapping[str, Sequence[Subnet]]
    costs: Mapping[Subnet, Mapping[str, float]]
    metrics: Mapping[Subnet, Row]
    origin: Mapping[str, str]

    @cached_property
    def scores(self) -> dict[Subnet, float]:
        """Validation mAP by subnet."""
        return {spec: metrics["mAP"] for spec, metrics in self.metrics.items()}

    def row(self, spec: Subnet) -> Row:
        """A subnet with its costs and metrics."""
        metrics = {f"validation_{name}": self.metrics[spec][name] for name in _METRICS}
        return {"subnet": str(spec), **self.origin, **self.costs[spec], **metrics}

    def points(self, cost: str) -> dict[Subnet, tuple[float, float]]:
        """(cost, mAP) by subnet."""
        return {spec: (self.costs[spec][cost], score) for spec, score in self.scores.items()}


def report(
    experiment: Experiment, evaluation: SearchEvaluation, result: Row, findings: Findings
) -> Row:
    """Writes everything to `search/` and `events/search/` and prints the table to stderr.

    Results and candidates of other budgets that the same supernet was searched for are kept.

    Returns:
        The result with `analyses` and `pareto`, as `result.json` has it but for earlier budgets.
    """
    folder = experiment.workdir.path / "search"
    fronts = {name: pareto_front(findings.points(name)) for name in _compared_costs(findings)}
    result = {
        **result,
        "analyses": _analyses(evaluation, findings),
        "pareto": {name: [str(spec) for spec in front] for name, front in fronts.items()},
    }
    rows = [
        {"budget": budget, **findings.row(spec)}
        for budget, specs in findings.candidates.items()
        for spec in specs
    ]
    _write_results(folder, evaluation.key, result, rows)
    _write_rows(
        folder / "pareto",
        [{"cost": name, **findings.row(s)} for name, front in fronts.items() for s in front],
    )
    _draw(folder, result, findings, fronts)
    _log(experiment.workdir.path / "events" / "search", folder, findings)
    print(_table(result), file=sys.stderr)
    return result


def _compared_costs(findings: Findings) -> list[str]:
    """The costs that a Pareto front is drawn for: the usual ones and those that budgets bound."""
    bounded = _bounded_costs()
    known = next(iter(findings.costs.values()))
    return [name for name in METRICS if name in known and name in _FRONTS | bounded]


def _bounded_costs() -> set[str]:
    return {metric for budget in budgets_from_flags() for metric, _, _ in budget.bounds}


def _analyses(evaluation: SearchEvaluation, findings: Findings) -> Row:
    scores = findings.scores
    analyses: Row = {
        "spread": {
            budget: spread([scores[spec] for spec in specs])
            for budget, specs in findings.candidates.items()
        },
        "sensitivity": sensitivity(scores),
    }
    if FLAGS.rank_correlation:
        fewer = {spec: values["mAP_fewer_clips"] for spec, values in findings.metrics.items()}
        proxies = {"without_recalibration": evaluation.without_recalibration(list(scores))}
        if None not in fewer.values():
            proxies["fewer_clips"] = fewer
        analyses["rank_correlation"] = {
            name: rank_correlation(proxy, scores) for name, proxy in proxies.items()
        }
    return analyses


def _write_results(folder: Path, key: str, result: Row, rows: list[Row]) -> None:
    searched = {row["budget"] for row in result["budgets"]}
    earlier = read_json(folder / "result.json") if (folder / "result.json").exists() else {}
    kept: dict[str, list[Row]] = {"budgets": [], "candidates": []}
    if earlier.get("key") == key and (folder / "candidates.json").exists():
        before = {**earlier, "candidates": read_json(folder / "candidates.json")}
        kept = {
            name: [row for row in before[name] if row["budget"] not in searched] for name in kept
        }
        _warn_of_better(before["budgets"], result["budgets"])
    _write_rows(folder / "candidates", kept["candidates"] + rows)
    budgets = kept["budgets"] + result["budgets"]
    write_json(folder / "result.json", {**result, "budgets": budgets, "key": key})


def _warn_of_better(earlier: Sequence[Row], now: Sequence[Row]) -> None:
    """A search of a part of the space, or of a sample, can do worse than one before it."""
    found = {row["budget"]: row for row in earlier}
    for row in now:
        before = found.get(row["budget"], row)
        if before["mAP"] > row["mAP"]:
            logging.warning(
                "%s: an earlier search found %s with validation mAP %.3f, which %s with %.3f now "
                "replaces",
                *(row["budget"], before["subnet"], before["mAP"], row["subnet"], row["mAP"]),
            )


def _write_rows(stem: Path, rows: Sequence[Row]) -> None:
    """The same rows as CSV and as JSON; a column for every key of any row."""
    names = set().union(*rows)
    columns = [name for name in _FIRST if name in names] + sorted(names - set(_FIRST))
    path = stem.with_suffix(".csv")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    write_json(stem.with_suffix(".json"), list(rows))


def _draw(
    folder: Path, result: Row, findings: Findings, fronts: Mapping[str, Sequence[Subnet]]
) -> None:
    for stale in folder.glob("*.png"):  # of a search with other budgets, or of another supernet
        stale.unlink()
    chosen = sorted({parse_subnet(row["subnet"]) for row in result["budgets"]})
    for name, front in fronts.items():
        points = findings.points(name)
        places = ([points[spec] for spec in group] for group in (points, front, chosen))
        draw_pareto(folder / f"pareto_{name}.png", name, *places)
    scores = findings.scores
    spreads = {budget: [scores[s] for s in specs] for budget, specs in findings.candidates.items()}
    draw_spread(folder / "spread.png", spreads)
    draw_sensitivity(folder / "sensitivity.png", result["analyses"]["sensitivity"])


def _log(events: Path, folder: Path, findings: Findings) -> None:
    values = {
        spec: {**findings.costs[spec], **{n: row[n] for n in _METRICS if row[n] is not None}}
        for spec, row in findings.metrics.items()
    }
    write_sessions(events, values)
    log = SummaryLog(events)
    for path in sorted(folder.glob("*.png")):
        log.image(0, path.stem, path)


def _table(result: Row) -> str:
    rows = [*result["budgets"], {"budget": "(largest)", **result["largest"]}]
    bounded = [name for name in METRICS if name in _bounded_costs()]
    cells = [_cells(row, bounded) for row in rows]
    return tabulate(cells, headers="keys", disable_numparse=True)


def _cells(row: Row, bounded: Sequence[str]) -> dict[str, str]:
    cells = {
        "budget": row["budget"],
        "subnet": row["subnet"],
        "parameters": f"{row['params']:,}",
        "multiply-adds": f"{row['macs'] / 1e6:,.0f} M",
    }
    if "latency_ms" in row:
        cells["latency"] = f"{row['latency_ms']:.3g} ms"
    for name in (name for name in bounded if name not in _FRONTS and name in row):
        cells[name] = f"{row[name]:,}"
    cells["validation mAP"] = f"{row[VALIDATION]['mAP']:.3f}"
    if "gap" in row:
        cells["gap to best known"] = (
            f"{row['gap']:.3f} ({row['evaluated']} of {row['in_budget']} seen)"
        )
    if EVALUATION in row:
        low, high = row[EVALUATION]["interval"]
        cells["evaluation mAP"] = f"{row[EVALUATION]['mAP']:.3f} [{low:.3f}, {high:.3f}]"
    return cells
