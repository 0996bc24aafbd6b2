"""The export of one network of an experiment: a subnet, the teacher, or one trained alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from aec_ofa_tf.classes import ClassCounts, check_ranked
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.dataset import EVALUATION
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.model_card import CardContext, card_path, write_card
from aec_ofa_tf.export.results import ConvertedFile, ExportResult
from aec_ofa_tf.export.run import (
    TrainedNetwork,
    convert_networks,
    require_no_others,
    teacher,
    trained_alone,
    trained_subnets,
)
from aec_ofa_tf.export.scoring import with_latency, with_scores
from aec_ofa_tf.export.size_bounds import require_ports_within
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.ownership import MODELS, claim, require_claimable
from aec_ofa_tf.reporting.machine import describe_machine
from aec_ofa_tf.robustness.models import with_robustness
from aec_ofa_tf.tagging.model_file import read_info
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.stages import SUPERNET, TEACHER
from aec_ofa_tf.workdir import SEARCH


def export_subnet(
    run: Run, subnet: Subnet, config: ExportConfig, out: Path | None = None, score: bool = True
) -> ExportResult:
    """Converts one subnet of the trained supernet, and measures the files' latency.

    Args:
        run: a run with a trained supernet.
        subnet: the subnet to convert.
        config: the files to make.
        out: folder for the files; by default `export/SUBNET` of the run directory.
        score: whether to score the files on the evaluation split.

    Raises:
        ValueError: the folder contains files of another network or of somebody else.
        RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
    """
    folder = out or run.export_path / str(subnet)
    require_claimable(folder, MODELS)
    require_no_others(run, folder, subnet, SUPERNET)
    claim(folder, MODELS)
    sizes = run.sizes(config.evaluation)
    network = trained_subnets(run, [subnet], sizes)[subnet]
    return _export_one(run, config, folder, network, score, _budgets_of(run, subnet))


def export_teacher(
    run: Run, config: ExportConfig, out: Path | None = None, score: bool = True
) -> ExportResult:
    """Converts the teacher like a subnet; its folder is `export/teacher` by default.

    Raises:
        ValueError: the teacher is not trained, or the folder contains files of another network or
            of somebody else.
        RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
    """
    return _export_trained(run, config, out or run.export_path / TEACHER, teacher(run), score)


def export_alone(
    run: Run, name: str, config: ExportConfig, out: Path | None = None, score: bool = True
) -> ExportResult:
    """Converts a network that the stage `subnet` has trained, by default into `export/NAME`.

    Raises:
        ValueError: there is no such network, or as `export_teacher`.
        RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
    """
    return _export_trained(
        run, config, out or run.export_path / name, trained_alone(run, name), score
    )


def _export_trained(
    run: Run, config: ExportConfig, folder: Path, network: TrainedNetwork, score: bool
) -> ExportResult:
    require_claimable(folder, MODELS)
    require_no_others(run, folder, network.subnet, network.stage)
    claim(folder, MODELS)
    return _export_one(run, config, folder, network, score)


def write_cards(run: Run, files: Sequence[ConvertedFile]) -> list[ConvertedFile]:
    """Writes the card of every file, and returns the files with the paths of their cards."""
    context = card_context(run)
    for file in files:
        write_card(file, read_info(file.path), context)
    return [replace(file, card=str(card_path(file.path))) for file in files]


def card_context(run: Run, data_licence: str = "") -> CardContext:
    """What all cards of a run say of its data and of this machine."""
    gap = ClassCounts.of(run.records).gap(EVALUATION)
    gaps = (gap,) if gap.classes_left_out else ()
    return CardContext(run.records.summary, describe_machine(), data_licence, gaps)


def _budgets_of(run: Run, subnet: Subnet) -> list[Budget]:
    """The budgets that a search found a subnet for."""
    if SEARCH not in run.workdir.stages():
        return []
    found = run.workdir.winners().items()
    return [Budget.parse(budget) for budget, winner in found if winner == str(subnet)]


def _export_one(
    run: Run,
    config: ExportConfig,
    folder: Path,
    network: TrainedNetwork,
    score: bool,
    budgets: Iterable[Budget] = (),
) -> ExportResult:
    if score:
        check_ranked(ClassCounts.of(run.records), run.network.task, [EVALUATION])
    sizes = run.sizes(config.evaluation, network.stage)
    files = with_latency(convert_networks(run, config, {folder: network}, sizes))
    require_ports_within(files, budgets)
    if score:
        files = with_scores(run, files, sizes.batch_size)
    if config.robustness:
        files = with_robustness(run, files)
    return ExportResult(tuple(write_cards(run, files)))
