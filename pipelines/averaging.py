"""Means over runs that differ in their data or their seed only. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from pipelines.workdir import Workdir

NETWORK_COLUMNS = {"network": "", "params": ",.0f", "macs": ",.0f", "accuracy": ".3f", "mAP": ".4f"}
FILE_COLUMNS = {
    "file": "",
    "bytes": ",.0f",
    "keras_mAP": ".4f",
    "mAP": ".4f",
    "map_drop": ".4f",
}
Figures = Mapping[str, float]


def average(runs: Sequence[Workdir]) -> dict[str, Any]:
    """Means over runs whose stages `search` and `convert` are done.

    Returns:
        `runs`, their paths; `networks`, a row for the largest subnet and for the winner of every
        budget with its means on the evaluation split; `files`, a row for every converted file,
        named by its budget's folder. `by_run` in a row has what the means are of. A figure that
        a run lacks is left out.

    Raises:
        ValueError: a stage is not done, or the runs have other budgets or files.
    """
    searches = [_networks(run.search_result()) for run in runs]
    conversions = [_files(run.require_stage("convert")["result"]) for run in runs]
    paths = [str(run.path) for run in runs]
    return {
        "runs": paths,
        "networks": _means("network", searches, NETWORK_COLUMNS, paths),
        "files": _means("file", conversions, FILE_COLUMNS, paths),
    }


def _networks(search: Mapping[str, Any]) -> dict[str, Figures]:
    found = {"largest": search["largest"]}
    found |= {row["budget"]: row for row in search["budgets"]}
    return {name: {**row.get("evaluation", {}), **_sizes(row)} for name, row in found.items()}


def _sizes(row: Mapping[str, Any]) -> Figures:
    return {name: row[name] for name in ("params", "macs")}


def _files(conversion: Mapping[str, Any]) -> dict[str, Figures]:
    return {"/".join(Path(row["file"]).parts[-2:]): row for row in conversion["files"]}


def _means(
    key: str,
    tables: Sequence[Mapping[str, Figures]],
    columns: Mapping[str, str],
    runs: Sequence[str],
) -> list[dict[str, Any]]:
    for table, run in zip(tables, runs, strict=True):
        if table.keys() != tables[0].keys():
            raise ValueError(
                f"{run} and {runs[0]} are not runs of one experiment: a {key} is "
                f"in one of them only, {', '.join(sorted(table.keys() ^ tables[0].keys()))}"
            )
    figures = [name for name in columns if name != key]
    return [{key: name, **_mean([table[name] for table in tables], figures)} for name in tables[0]]


def _mean(rows: Sequence[Figures], figures: Sequence[str]) -> dict[str, Any]:
    # Accuracy is None where clips have several labels.
    names = [name for name in figures if all(row.get(name) is not None for row in rows)]
    by_run = {name: [row[name] for row in rows] for name in names}
    return {**{name: fmean(values) for name, values in by_run.items()}, "by_run": by_run}
