"""Search space, budgets and conversions from flags, checked before TensorFlow is imported."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

from absl import flags, logging

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.export.request import check_kind
from aec_ofa_tf.models.cnn10 import Cnn10Network, Cnn10Space, cnn10_subnet, search_space
from aec_ofa_tf.models.space import Subnet
from pipelines.workdir import Workdir
from tfrecords.clip import VALIDATION
from tfrecords.manifest import Manifest, load_manifest

FLAGS = flags.FLAGS
_TF_CONFIG_HELP = (
    "--strategy=multiworker needs the environment variable TF_CONFIG on every worker, for example "
    """TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)


def budgets_from_flags() -> list[Budget]:
    """All budgets, those of `--params` being the paper's ranges.

    Raises:
        ValueError: one cannot be read, or there is none.
    """
    budgets = [Budget.parse(text) for text in FLAGS.budget]
    budgets += [Budget.around(value, FLAGS.tolerance) for value in FLAGS.params]
    if not budgets:
        raise ValueError("search needs a budget: --budget='params<=0.8M' or --params=0.8e6")
    return budgets


def check_budgets(space: Cnn10Space, network: Cnn10Network) -> dict[Budget, list[Subnet]]:
    """Refuses budgets that no subnet meets, before anything is trained or evaluated.

    Returns:
        The subnets that meet each budget.

    Raises:
        UnsatisfiableBudgetError: there is one; the message names the nearest subnets.
        ValueError: one bounds the latency and there is no table, or one of another network.
    """
    subnets, latency = space.subnets(), latency_table_from_flags()
    return {budget: budget.members(subnets, network, latency) for budget in budgets_from_flags()}


def latency_table_from_flags() -> LatencyTable | None:
    """The table that `--latency_table` names, if any.

    Raises:
        ValueError: the file is not a table.
        OSError: it cannot be read.
    """
    return LatencyTable.load(FLAGS.latency_table) if FLAGS.latency_table else None


def check_storage() -> None:
    """Refuses a `--storage` that cannot be opened, or that the algorithm does not use.

    Raises:
        ValueError: it is one of these.
    """
    if FLAGS.storage and FLAGS.algorithm != "evolutionary":
        raise ValueError("--storage is that of --algorithm=evolutionary: add it")
    if FLAGS.storage:
        # Optuna takes half a second to import.
        from aec_ofa_tf.search.evolutionary import open_storage

        open_storage(FLAGS.storage)


def conversion_kinds(payload: str) -> list[tuple[str, str]]:
    """Every pair of `--input` and `--quantization` that there can be.

    A pair that cannot be met, as such or with `--io_type`, is left out with a warning where the
    quantisation and the input are met in other pairs.

    Args:
        payload: what the records hold.

    Raises:
        ValueError: a quantisation or an input cannot be met in any pair, or waveform-in files have
            no waveforms to be checked on.
    """
    kinds: list[tuple[str, str]] = []
    refused: dict[tuple[str, str], ValueError] = {}
    for kind in dict.fromkeys(itertools.product(FLAGS.input, FLAGS.quantization)):
        try:
            check_kind(*kind, FLAGS.io_type)
        except ValueError as error:
            refused[kind] = error
        else:
            kinds.append(kind)
    for kind, refusal in refused.items():
        if not all(any(part == other[i] for other in kinds) for i, part in enumerate(kind)):
            raise refusal
        logging.warning("left out: %s", refusal)
    if "waveform" in FLAGS.input and payload != "audio":
        raise ValueError(
            "--input=waveform is checked and calibrated on waveforms, and the records in "
            f"{FLAGS.data_dir} hold log-mel: prepare with --payload=audio"
        )
    if not kinds:
        raise ValueError("--input and --quantization name no file to make")
    return kinds


def check_teacher_widths(space: Cnn10Space) -> None:
    """Refuses `--supernet_init=teacher` for a teacher of other widths than the largest subnet.

    Raises:
        ValueError: they differ.
    """
    widths = [FLAGS.teacher_base_channels * 2**block for block in range(4)]
    teacher = cnn10_subnet(tuple((width, width) for width in widths))
    if FLAGS.supernet_init == "teacher" and teacher != space.largest:
        raise ValueError(
            f"--supernet_init=teacher needs a teacher of the largest subnet's widths "
            f"{space.largest}, this one has {teacher}: set --teacher_base_channels"
        )


def check_training_flags() -> None:
    """Refuses flags of training that contradict each other.

    Raises:
        ValueError: they do; the message names the remedy.
    """
    if FLAGS.jit_compile and FLAGS.execution != "masks":
        raise ValueError("--jit_compile needs static shapes: add --execution=masks")
    if FLAGS.jit_compile and FLAGS.strategy != "none":
        raise ValueError(
            "XLA compiles no collectives, which synchronised batch norm needs: leave out "
            "--jit_compile or --strategy"
        )
    if FLAGS.logical_cpus > 1 and FLAGS.strategy != "mirrored":
        raise ValueError("--logical_cpus are for --strategy=mirrored: add it")
    if FLAGS.batch_size % FLAGS.logical_cpus:
        raise ValueError(
            f"--batch_size={FLAGS.batch_size} cannot be cut into equal parts for "
            f"{FLAGS.logical_cpus} replicas: make it a multiple"
        )
    if "supernet" in FLAGS.stages:
        _check_sampler()
    if FLAGS.strategy == "multiworker":
        _check_cluster()


def _check_sampler() -> None:
    if FLAGS.sampler == "sandwich" and FLAGS.subnets_per_step < 2:
        raise ValueError("--sampler=sandwich takes at least two: raise --subnets_per_step")
    if FLAGS.distill_from == "largest" and FLAGS.sampler != "sandwich":
        raise ValueError(
            "--distill_from=largest needs the largest subnet in every step, and others that learn "
            "from it: add --sampler=sandwich"
        )


def _check_cluster() -> None:
    if FLAGS.precision == "mixed_float16":
        raise ValueError(
            "Keras scales float16's losses in a conditional, in which hosts cannot reduce "
            "gradients: use --precision=mixed_bfloat16 with --strategy=multiworker"
        )
    if "prepare" in FLAGS.stages:
        raise ValueError(
            "--strategy=multiworker reads records that are there: run `python -m "
            "pipelines.prepare` once, then train without the stage prepare"
        )
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        workers, task = config["cluster"]["worker"], config["task"]
        known = 0 <= int(task["index"]) < len(config["cluster"][task["type"]]) and bool(workers)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(_TF_CONFIG_HELP) from error
    if not known:
        raise ValueError(_TF_CONFIG_HELP)


def require_validation(manifest: Manifest) -> None:
    """Refuses to search records without validation clips.

    Raises:
        ValueError: there are none.
    """
    if not manifest.clips.get(VALIDATION):
        raise ValueError(
            f"search ranks subnets on validation clips and {FLAGS.data_dir} holds none: prepare "
            "with a validation split (--validation_folds, --validation_fraction)"
        )


def described_by_flags() -> tuple[Cnn10Space, Cnn10Network]:
    """Space and network from the flags and the manifest in `--data_dir`.

    Raises:
        ValueError: the flags describe no space, or there is no manifest.
    """
    manifest = load_manifest(Path(FLAGS.data_dir))
    front_end = FrontEndConfig(**manifest.configuration["front_end"])
    space = space_from_flags()
    frames = front_end.frames(manifest.configuration["clip_secs"])
    return space, network_from_flags(space, len(manifest.labels), frames)


def stored_space(workdir: Workdir) -> tuple[Cnn10Space, Cnn10Network]:
    """Space and network of the experiment in a run directory.

    Raises:
        ValueError: there is none.
    """
    config = workdir.config()
    fields: dict[str, Any] = config["space"]
    space: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()
    }
    return Cnn10Space(**space), Cnn10Network(**config["network"])


def space_from_flags() -> Cnn10Space:
    """The search space that the flags describe.

    Raises:
        ValueError: it is not one.
    """
    sizes = FLAGS.base_channels, FLAGS.width_per, FLAGS.width_multiple
    return search_space(FLAGS.space, *sizes, _width_ratios())


def subspace_from_flags(trained: Cnn10Space) -> Cnn10Space:
    """The part of a trained space that `--space` and `--width_ratios` name.

    Raises:
        ValueError: they name none, or subnets that were not trained.
    """
    ratios = _width_ratios() or trained.width_ratios
    sizes = trained.base_channels, trained.width_per, trained.width_multiple
    part = search_space(FLAGS.space or f"[{','.join(trained.depths)}]", *sizes, ratios)
    outside = [spec for spec in part.subnets() if spec not in trained]
    if outside:
        raise ValueError(
            f"{len(outside)} subnets of the space {part} were not trained, {outside[0]} for one: "
            f"--space and --width_ratios must name a part of {trained}"
        )
    return part


def _width_ratios() -> tuple[float, ...] | None:
    try:
        return FLAGS.width_ratios and tuple(float(ratio) for ratio in FLAGS.width_ratios)
    except ValueError as error:
        raise ValueError(f"--width_ratios takes numbers, received {FLAGS.width_ratios}") from error


def network_from_flags(space: Cnn10Space, classes: int, frames: int) -> Cnn10Network:
    """The static parts of the supernet."""
    return Cnn10Network(
        classes=classes,
        frames=frames,
        embedding_units=space.base_channels * 2 ** len(space.depths),
        pool_last=FLAGS.pool_last,
        block_dropout=FLAGS.block_dropout,
        embedding_dropout=FLAGS.embedding_dropout,
    )
