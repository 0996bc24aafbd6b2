"""Means over runs that differ in their data or their seed only. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from aec_ofa_tf.workdir import Workdir

NETWORK_COLUMNS = {"network": "", "params": ",.0f", "macs": ",.0f", "accuracy": ".3f", "mAP": ".4f"}
FILE_COLUMNS = {
    "file": "",
    "bytes": ",.0f",
    "keras_accuracy": ".3f",
    "accuracy": ".3f",
    "accuracy_drop": ".3f",
    "keras_mAP": ".4f",
    "mAP": ".4f",
    "map_drop": ".4f",
}
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Mean:
    """The means of one network's or one file's figures.

    Attributes:
        name: of the network or file.
        means: by figure; a figure that a run lacks is left out.
        by_run: what each mean is of, in the order of the runs.
    """

    name: str
    means: Mapping[str, float]
    by_run: Mapping[str, Sequence[float]]

    def as_dict(self, key: str) -> dict[str, Any]:
        """For JSON, the name under `key`."""
        return {key: self.name, **self.means, "by_run": dict(self.by_run)}


@dataclass(frozen=True)
class AverageResult:
    """Means over runs.

    Attributes:
        runs: their directories.
        networks: means on the evaluation split of the largest subnet and of every budget's winner.
        files: means of every converted file, named by its budget's folder.
    """

    runs: tuple[str, ...]
    networks: tuple[Mean, ...]
    files: tuple[Mean, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "runs": list(self.runs),
            "networks": [mean.as_dict("network") for mean in self.networks],
            "files": [mean.as_dict("file") for mean in self.files],
        }


def average(runs: Sequence[Workdir]) -> AverageResult:
    """Means over runs that were searched and whose winners were converted.

    Raises:
        ValueError: a stage is not done, or the runs have other budgets or files.
    """
    searches = [_networks(run.search_result()) for run in runs]
    conversions = [_files(run.require_stage("convert").result or {}) for run in runs]
    paths = tuple(str(run.path) for run in runs)
    return AverageResult(
        paths,
        _means("network", searches, NETWORK_COLUMNS, paths),
        _means("file", conversions, FILE_COLUMNS, paths),
    )


def _networks(search: Mapping[str, Any]) -> dict[str, Figures]:
    found = {"largest": search["largest"]}
    found |= {row["budget"]: row for row in search["budgets"]}
    return {name: {**row.get("evaluation", {}), **_sizes(row)} for name, row in found.items()}


def _sizes(row: Figures) -> Figures:
    return {name: row[name] for name in ("params", "macs")}


def _files(conversion: Mapping[str, Any]) -> dict[str, Figures]:
    return {"/".join(Path(row["file"]).parts[-2:]): row for row in conversion["files"]}


def _means(
    key: str,
    tables: Sequence[Mapping[str, Figures]],
    columns: Mapping[str, str],
    runs: Sequence[str],
) -> tuple[Mean, ...]:
    for table, run in zip(tables, runs, strict=True):
        if table.keys() != tables[0].keys():
            raise ValueError(
                f"{run} and {runs[0]} are not runs of one experiment: a {key} is "
                f"in one of them only, {', '.join(sorted(table.keys() ^ tables[0].keys()))}"
            )
    figures = [name for name in columns if name != key]
    return tuple(_mean(name, [table[name] for table in tables], figures) for name in tables[0])


def _mean(name: str, rows: Sequence[Figures], figures: Sequence[str]) -> Mean:
    # Accuracy is None where clips have several labels.
    known = [figure for figure in figures if all(row.get(figure) is not None for row in rows)]
    by_run = {figure: [row[figure] for row in rows] for figure in known}
    return Mean(name, {figure: fmean(values) for figure, values in by_run.items()}, by_run)
