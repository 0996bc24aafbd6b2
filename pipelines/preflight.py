"""Checks before the first stage of what a later stage would refuse. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from aec_ofa_tf.classes import ClassCounts, check_ranked, check_trainable
from aec_ofa_tf.dataset import EVALUATION, VALIDATION
from aec_ofa_tf.export.child import require_temporary_folder
from aec_ofa_tf.search.config import require_validation
from aec_ofa_tf.training.device_config import check_devices
from pipelines.flags import data, experiment
from pipelines.flags.experiment import TrainFlags
from tfrecords.manifest import Manifest, load_manifest

FLAGS = flags.FLAGS


def check_request(request: TrainFlags) -> None:
    """Checks before anything is prepared or trained that every stage accepts its configuration.

    Raises:
        ValueError: flags contradict each other or the environment.
        OSError: there is no folder for temporary files, which conversion needs.
    """
    data.check_outputs(FLAGS.data_dir if "prepare" in request.stages else None, FLAGS.workdir)
    for config in (request.teacher, request.supernet, request.subnet):
        if config is not None:
            check_devices(config.train, request.devices)
    if request.devices.strategy == "multiworker" and "prepare" in request.stages:
        raise ValueError(
            "--strategy=multiworker needs prepared records: run `python -m pipelines.prepare` "
            "once, then train without the stage prepare"
        )
    if request.supernet and request.teacher:
        request.supernet.check_teacher(request.teacher, request.space)
    if "subnet" in request.stages and not FLAGS.subnet:
        raise ValueError("--stages=subnet needs --subnet, for example --subnet=0.4")
    if FLAGS.subnet:
        request.space.parse_subnet(FLAGS.subnet)
    if request.search:
        request.search.check_storage()
        request.search.load_latency_table()  # a missing file fails here
    if request.export:
        _check_export(request)


def check_classes(counts: ClassCounts, request: TrainFlags) -> None:
    """Checks that there are classes to learn, and that networks can be scored on them.

    Raises:
        ValueError: no class can be learnt, or mAP is not defined on a split that needs it.
    """
    if set(request.stages) - {"prepare"}:
        check_trainable(counts)
    needed = {VALIDATION: request.search, EVALUATION: request.search or request.export}
    splits = [split for split, stage in needed.items() if stage]
    check_ranked(counts, request.options.task, splits)


def check_records(request: TrainFlags) -> None:
    """Checks against the records that every stage accepts its configuration.

    Raises:
        ValueError: a stage does not.
    """
    manifest = load_manifest(Path(FLAGS.data_dir))
    check_classes(manifest.class_counts, request)
    if "prepare" not in request.stages:  # which has told them
        warn_of_gaps(manifest.class_counts)
    if request.search:
        require_validation(manifest.clips.get(VALIDATION, 0))
    clip_secs = manifest.configuration["clip_secs"]
    experiment.check_budgets(request, len(manifest.labels), manifest.front_end, clip_secs)
    if request.export:
        request.export.check_payload(manifest.configuration["payload"])


def check_evaluated(manifest: Manifest, task: str, *splits: str) -> None:
    """Checks that networks can be scored on splits of records, and warns of classes left out.

    Raises:
        ValueError: the task's figure is not defined on one of the splits.
    """
    warn_of_gaps(manifest.class_counts, splits)
    check_ranked(manifest.class_counts, task, splits)


def warn_of_gaps(counts: ClassCounts, splits: tuple[str, ...] | None = None) -> None:
    """Logs the classes that no clip of a split has, or every clip, and what follows from it."""
    for gap in counts.gaps:
        if splits is None or gap.split in splits:
            logging.warning("%s", gap)


def _check_export(request: TrainFlags) -> None:
    require_temporary_folder()
    if request.export and "prepare" in request.stages:
        request.export.check_payload(FLAGS.payload)
    if request.export and request.search:
        request.export.check_budgets(request.search.parsed_budgets)
