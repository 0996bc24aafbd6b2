"""All budgets of a search in all chosen forms, with a table and a model card for every file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from absl import logging

from aec_ofa_tf.tagging.interpreter import runtime_version
from aec_ofa_tf.tagging.model_file import read_info
from pipelines.benchmarks.machine import describe_machine
from pipelines.experiment import Experiment
from pipelines.stages.convert import (
    EXPORT,
    budget_folder,
    convert_subnets,
    require_no_others,
    run_convert,
    winner_folders,
)
from pipelines.stages.file_figures import with_latency, with_scores
from pipelines.stages.model_card import Circumstances, card_path, write_card
from pipelines.stages.tables import write_tables

TABLE = "family"
COLUMNS = {
    "budget": "",
    "file": "",
    "bytes": ",d",
    "params": ",d",
    "macs": ",d",
    "latency_ms": ".2f",
    "mAP": ".4f",
    "map_drop": ".4f",
}


def run_family(
    experiment: Experiment, out: Path | None = None, data_licence: str = ""
) -> dict[str, Any]:
    """Converts the winner of every budget that was searched, and describes every file.

    Args:
        experiment: with a search result.
        out: root of the folders; by default `export` of the run directory, where what the stage
            `convert` has made with the same settings is not made again.
        data_licence: what the cards say of it.

    Returns:
        `table`, the path of the Markdown table, beside which CSV and JSON stand, and `files`, a
        row for every file.

    Raises:
        ValueError: nothing has been searched, or `out` holds files of other subnets.
        RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
    """
    root = out or experiment.workdir.path / EXPORT
    files = _files_in(experiment, out) if out else run_convert(experiment)["files"]
    budgets = {budget_folder(budget): budget for budget in experiment.workdir.winners()}
    rows: list[dict[str, Any]] = []
    for file in with_latency(files):
        path = Path(file["file"])
        place = path.resolve().relative_to(root.resolve())
        rows.append({**file, "budget": budgets[place.parts[0]], "file": str(place)})
    circumstances = Circumstances(experiment.records.manifest, describe_machine(), data_licence)
    for row in rows:
        path = root / row["file"]
        write_card(path, read_info(path), row, circumstances)
        row["card"] = str(card_path(Path(row["file"])))
    about = {
        "machine": circumstances.machine,
        "runtime": runtime_version(),
        "threads": 1,
        "data_licence": circumstances.licence,
    }
    _tell_of_others(rows, root)
    print(write_tables(rows, COLUMNS, root / TABLE, about), file=sys.stderr)
    return {"table": str(root / f"{TABLE}.md"), "files": rows}


def _tell_of_others(rows: list[dict[str, Any]], root: Path) -> None:
    """Warns of files of earlier calls, whose figures are not at hand."""
    standing = {str(path.relative_to(root)) for path in root.glob("*/*-*.tflite")}
    others = sorted(standing - {row["file"] for row in rows})
    if others:
        logging.warning(
            "the table has the files of this call, not those of earlier ones: %s",
            ", ".join(others),
        )


def _files_in(experiment: Experiment, out: Path) -> list[dict[str, Any]]:
    folders = winner_folders(experiment.workdir.winners(), out)
    for folder, spec in folders.items():
        require_no_others(experiment, folder, spec)
    return with_scores(experiment, convert_subnets(experiment, folders))
