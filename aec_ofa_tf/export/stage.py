"""The exports of an experiment: the searched subnets, with a table of them as a family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from aec_ofa_tf.classes import ClassCounts, check_ranked
from aec_ofa_tf.costs.budget import Budget, budget_folder
from aec_ofa_tf.dataset import EVALUATION
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.earlier import EarlierFiles
from aec_ofa_tf.export.model_card import card_path, write_card
from aec_ofa_tf.export.results import (
    FINE_TUNED_FILE,
    MODEL_FILE,
    ConvertedFile,
    ExportResult,
    FamilyResult,
    LeftOutFile,
)
from aec_ofa_tf.export.run import (
    convert_networks,
    planned_files,
    require_no_others,
    trained_subnets,
)
from aec_ofa_tf.export.scoring import log_files, with_latency, with_scores
from aec_ofa_tf.export.single import card_context, write_cards
from aec_ofa_tf.export.size_bounds import require_any, within_budgets
from aec_ofa_tf.export.table import columns, warn_of_others
from aec_ofa_tf.files import JsonObject, sha256_of
from aec_ofa_tf.micro.c_files import port_files
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.ownership import MODELS, claim, require_claimable
from aec_ofa_tf.reporting.tables import shown, write_tables
from aec_ofa_tf.robustness.models import with_robustness
from aec_ofa_tf.tagging.interpreter import runtime_version
from aec_ofa_tf.tagging.model_file import LABELS_FILE, read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from aec_ofa_tf.terminal import show
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.stages import SUPERNET

NAME = "convert"
"""The stage's name in the run directory."""

_TABLE = "family"


def export_winners(run: Run, config: ExportConfig) -> ExportResult:
    """Converts the winner of every budget and scores every file on the evaluation split.

    The files of budget `params<=60k` are written to `export/params_max_60k`. If an earlier run with
    the same settings has written all files, nothing is done.

    Raises:
        ValueError: there is no search result, or mAP is not defined on the evaluation split.
        RuntimeError: a conversion failed, a file differs from Keras beyond its bound, or every
            file is larger than its budget allows.
    """
    check_ranked(ClassCounts.of(run.records), run.network.task, [EVALUATION])
    winners, sizes = run.workdir.winners(), run.sizes(config.evaluation)
    subnets = {budget_folder(budget): subnet for budget, subnet in winners.items()}
    settings = {
        **config.settings,
        "subnets": subnets,
        "batch_size": sizes.batch_size,
        "calibration_clips": sizes.calibration_clips,
        SUPERNET: dict(run.workdir.require_stage(SUPERNET).settings),
    }
    done = run.workdir.same_stage(NAME, settings)
    rows = done["files"] + done["companions"] if done else []
    if done and all(_is_unchanged(row, run.export_path) for row in rows):
        return _as_result(done)
    folders = _winner_folders(run, run.export_path)
    _claim_folders(run.export_path, *folders)
    earlier = EarlierFiles(run, NAME)
    planned = planned_files(config, run.records.payload, folders)
    earlier.add(planned)
    files, left_out = _converted(run, config, folders, sizes)
    earlier.remove_replaced(folders, planned)
    require_any(files, left_out)
    budgets = {budget_folder(budget): budget for budget in winners}
    files = [replace(file, budget=budgets[file.path.parent.name]) for file in files]
    files = write_cards(run, files)
    log_files(files)
    files = [replace(file, budget=None) for file in files]
    rows = [file.as_record() for file in files]
    stage = {
        "files": rows,
        "companions": _companions(folders, files),
        "left_out": [asdict(file) for file in left_out],
    }
    run.workdir.finish_stage(NAME, stage, settings)
    return ExportResult(tuple(files), left_out)


def export_family(
    run: Run, config: ExportConfig, out: Path | None = None, data_licence: str = ""
) -> FamilyResult:
    """Converts the winner of every searched budget, and describes every file in a table.

    Args:
        run: a run with a search result.
        config: the files to make.
        out: root of the folders; by default `export` of the run directory, where files that
            `export_winners` has written with the same settings are reused.
        data_licence: licence of the data, for the cards.

    Raises:
        ValueError: there is no search result, or `out` contains files of other subnets or of
            somebody else.
        RuntimeError: a conversion failed, a file differs from Keras beyond its bound, or every
            file is larger than its budget allows.
    """
    root = out or run.export_path
    result = _export_in(run, config, out) if out else export_winners(run, config)
    budgets = {budget_folder(budget): budget for budget in run.workdir.winners()}
    files = [
        replace(file, budget=budgets[file.path.resolve().relative_to(root.resolve()).parts[0]])
        for file in with_latency(list(result.files))
    ]
    context = card_context(run, data_licence)
    rows = []
    for file in files:
        write_card(file, read_info(file.path), context)
        place = file.path.resolve().relative_to(root.resolve())
        rows.append(replace(file, file=str(place), card=str(card_path(place))))
    about = {
        "machine": context.machine.as_dict(),
        "runtime": runtime_version(),
        "threads": 1,
        "data_licence": context.licence,
        "class_gaps": [gap.as_dict() for gap in context.gaps],
        "left_out": [asdict(file) for file in result.left_out],
    }
    notes = [*context.gaps, *result.left_out]
    warn_of_others(rows, root)
    names, values = columns(run.task.figure, files), [row.as_dict() for row in rows]
    write_tables(values, names, root / _TABLE, about, notes)
    show("\n".join([shown(values, names), *(f"\n{note}" for note in notes)]))
    return FamilyResult(str(root / f"{_TABLE}.md"), tuple(rows), result.left_out)


def _claim_folders(*folders: Path) -> None:
    """Claims all folders or, if one is somebody else's, none."""
    for folder in folders:
        require_claimable(folder, MODELS)
    for folder in folders:
        claim(folder, MODELS)


def _winner_folders(run: Run, root: Path) -> dict[Path, Subnet]:
    """A folder in `root` for the subnet of every budget."""
    return {
        root / budget_folder(budget): run.space.parse_subnet(subnet)
        for budget, subnet in run.workdir.winners().items()
    }


def _export_in(run: Run, config: ExportConfig, out: Path) -> ExportResult:
    folders = _winner_folders(run, out)
    for folder, subnet in folders.items():
        require_claimable(folder, MODELS)
        require_no_others(run, folder, subnet, SUPERNET)
    _claim_folders(out, *folders)
    files, left_out = _converted(run, config, folders, run.sizes(config.evaluation))
    require_any(files, left_out)
    return ExportResult(tuple(files), left_out)


def _converted(
    run: Run, config: ExportConfig, folders: Mapping[Path, Subnet], sizes: Sizes
) -> tuple[list[ConvertedFile], tuple[LeftOutFile, ...]]:
    """Converts winners, leaves out what is larger than its budget allows, and scores the rest."""
    networks = trained_subnets(run, list(folders.values()), sizes)
    work = {folder: networks[subnet] for folder, subnet in folders.items()}
    budgets = {budget_folder(text): Budget.parse(text) for text in run.workdir.winners()}
    files, left_out = within_budgets(
        convert_networks(run, config, work, sizes),
        {folder: budgets[folder.name] for folder in folders},
    )
    files = with_scores(run, files, sizes.batch_size)
    return with_robustness(run, files) if config.robustness else files, left_out


def _as_result(stage: JsonObject) -> ExportResult:
    """The result of an export that was finished before."""
    return ExportResult(
        tuple(ConvertedFile.from_dict(row) for row in stage["files"]),
        tuple(LeftOutFile(**row) for row in stage.get("left_out", ())),
    )


def _companions(folders: Iterable[Path], files: Iterable[ConvertedFile]) -> list[dict[str, str]]:
    """The other files in the folders of TFLite files, with their SHA-256."""
    names = (MODEL_FILE, FINE_TUNED_FILE, FRONT_END_FILE, LABELS_FILE)
    paths = [folder / name for folder in folders for name in names]
    ports = [(file.path.parent, file.port.folder) for file in files if file.port]
    paths += [path for place in ports for path in port_files(Path(*place))]
    return [{"file": str(path), "sha256": sha256_of(path)} for path in paths if path.is_file()]


def _is_unchanged(file: JsonObject, export: Path) -> bool:
    """Whether a file is still in this folder and has the bytes that were written."""
    path = Path(file["file"])
    is_here = path.is_file() and path.resolve().is_relative_to(export.resolve())
    return is_here and sha256_of(path) == file.get("sha256")
