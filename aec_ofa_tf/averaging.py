"""Means over runs that differ only in their folds or their seed. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from aec_ofa_tf.config import is_float
from aec_ofa_tf.files import JsonObject
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
Figures = JsonObject
"""A row of a search or of a conversion."""


@dataclass(frozen=True)
class Mean:
    """The means of the figures of one network or one file.

    Attributes:
        name: name of the network or file.
        means: mean by figure; a figure that a run lacks is left out.
        by_run: the values of every run by figure, in the order of the runs.
    """

    name: str
    means: Mapping[str, float]
    by_run: Mapping[str, Sequence[float]]

    def as_dict(self, key: str) -> dict[str, object]:
        """For JSON; the name is stored under `key`."""
        return {key: self.name, **self.means, "by_run": dict(self.by_run)}


@dataclass(frozen=True)
class AverageResult:
    """Means over runs.

    Attributes:
        runs: directories of the runs.
        networks: means on the evaluation split, of the largest subnet and every budget's winner.
        files: means of every converted file; its name begins with its budget's folder.
    """

    runs: tuple[str, ...]
    networks: tuple[Mean, ...]
    files: tuple[Mean, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "runs": list(self.runs),
            "networks": [mean.as_dict("network") for mean in self.networks],
            "files": [mean.as_dict("file") for mean in self.files],
        }


def average(runs: Sequence[Workdir]) -> AverageResult:
    """Means over runs that were searched and whose winners were converted.

    Raises:
        ValueError: there are no runs, a directory does not exist, a stage is not finished, or the
            runs differ in budgets or files.
    """
    if not runs:
        raise ValueError("a mean needs at least one run, received none")
    for run in runs:
        if not run.path.is_dir():
            raise ValueError(f"{run.path} does not exist: give the directories of runs")
    searches = [_networks(run) for run in runs]
    conversions = [_files(run) for run in runs]
    paths = tuple(str(run.path) for run in runs)
    return AverageResult(
        paths,
        _means("network", searches, NETWORK_COLUMNS, paths),
        _means("file", conversions, FILE_COLUMNS, paths),
    )


def _networks(run: Workdir) -> dict[str, Figures]:
    with run.reading_search() as search:
        found = {"largest": search["largest"]}
        found |= {row["budget"]: row for row in search["budgets"]}
        rows = {name: {**row.get("evaluation", {}), **_sizes(row)} for name, row in found.items()}
        return {name: _figures(row, NETWORK_COLUMNS) for name, row in rows.items()}


def _sizes(row: Figures) -> Figures:
    return {name: row[name] for name in ("params", "macs")}


def _files(run: Workdir) -> dict[str, Figures]:
    with run.reading_stage("convert") as conversion:
        rows = {"/".join(Path(row["file"]).parts[-2:]): row for row in conversion["files"]}
        return {name: _figures(row, FILE_COLUMNS) for name, row in rows.items()}


def _figures(row: JsonObject, columns: Mapping[str, str]) -> Figures:
    """The figures of the columns; those that are not defined are None or not there."""
    found = {name: row[name] for name, form in columns.items() if form and name in row}
    for name, value in found.items():
        if value is not None and not is_float(value):
            raise ValueError(f"{name} is a number, found {value!r}")
    return found


def _means(
    key: str,
    tables: Sequence[Mapping[str, Figures]],
    columns: Mapping[str, str],
    runs: Sequence[str],
) -> tuple[Mean, ...]:
    for table, run in zip(tables, runs, strict=True):
        if table.keys() != tables[0].keys():
            raise ValueError(
                f"{run} and {runs[0]} are not runs of one experiment: only one of them has the "
                f"{key} {', '.join(sorted(table.keys() ^ tables[0].keys()))}"
            )
    figures = [name for name in columns if name != key]
    return tuple(_mean(name, [table[name] for table in tables], figures) for name in tables[0])


def _mean(name: str, rows: Sequence[Figures], figures: Sequence[str]) -> Mean:
    # Accuracy is None if clips have several labels.
    known = [figure for figure in figures if all(row.get(figure) is not None for row in rows)]
    by_run = {figure: [row[figure] for row in rows] for figure in known}
    return Mean(name, {figure: fmean(values) for figure, values in by_run.items()}, by_run)
