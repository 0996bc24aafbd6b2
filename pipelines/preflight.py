"""Checks, before the first stage, what later stages would refuse. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.classes import ClassCounts, check_ranked, check_trainable
from aec_ofa_tf.costs.budget import budget_folder
from aec_ofa_tf.dataset import EVALUATION, TRAIN, VALIDATION
from aec_ofa_tf.export.child import require_temporary_folder
from aec_ofa_tf.files import require_writable
from aec_ofa_tf.ownership import MODELS, require_claimable
from aec_ofa_tf.search.config import require_validation
from aec_ofa_tf.training.background import require_noises
from aec_ofa_tf.training.device_config import check_devices
from pipelines.flags import data, naming
from pipelines.flags.experiment import TrainFlags
from pipelines.room import check_room
from tfrecords.clip import Source
from tfrecords.manifest import Manifest, load_manifest

FLAGS = flags.FLAGS


def check_request(request: TrainFlags) -> None:
    """Checks before anything is prepared or trained that every stage accepts its configuration.

    Raises:
        ValueError: flags contradict each other or the environment.
        OSError: there is no folder for temporary files, which conversion needs, or the run
            directory cannot be written to.
    """
    data.check_outputs(FLAGS.data_dir if "prepare" in request.stages else None, FLAGS.workdir)
    if set(request.stages) - {"prepare"}:
        require_writable(Path(FLAGS.workdir))
    if request.hours is not None and request.devices.strategy == "multiworker":
        raise ValueError(
            "--train_hours is divided by measured steps, and one process cannot measure a "
            "cluster: give step counts and --train_hours=0"
        )
    for config in (request.teacher, request.supernet, request.subnet):
        if config is not None:
            check_devices(config.train, request.devices)
            if config.train.noise_source is not None:
                require_noises(config.train.noise_source)
    if request.devices.strategy == "multiworker" and "prepare" in request.stages:
        raise ValueError(
            "--strategy=multiworker needs prepared records: run `python -m pipelines.prepare` "
            "once, then train without the stage prepare"
        )
    _check_teacher_file(request)
    if request.supernet and request.teacher:
        request.supernet.check_teacher(request.teacher, request.space)
    if "subnet" in request.stages and not FLAGS.subnet:
        raise ValueError("--stages=subnet needs --subnet, for example --subnet=0.4")
    if FLAGS.subnet:
        with naming("subnet"):
            request.space.parse_subnet(FLAGS.subnet)
    if request.search:
        request.search.check_storage()
        request.search.load_latency_table()  # a missing file fails here
        request.search.load_npu_table()
    if request.export:
        _check_export(request)


def check_source(source: Source, front_end: FrontEndConfig, request: TrainFlags) -> None:
    """Checks a source before it is prepared, which can take hours.

    Raises:
        ValueError: a stage would refuse its classes, or no subnet meets a budget.
        OSError: a table cannot be read, or the disk has too little room for all stages.
    """
    counts = source.class_counts
    check_classes(counts, request)
    if request.search:
        require_validation(counts.clips[VALIDATION])
    facts = len(source.labels), front_end, data.clip_secs()
    check_budgets(request, *facts)
    check_room(request, *facts, counts.clips[TRAIN], len(source.clips))


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
        OSError: the disk has too little room for all stages.
    """
    manifest = load_manifest(Path(FLAGS.data_dir))
    check_classes(manifest.class_counts, request)
    if "prepare" not in request.stages:  # which has told them
        data.warn_of_gaps(manifest.class_counts)
    if request.search:
        require_validation(manifest.clips.get(VALIDATION, 0))
    clip_secs = manifest.configuration["clip_secs"]
    facts = len(manifest.labels), manifest.front_end, clip_secs
    check_budgets(request, *facts)
    check_room(request, *facts, manifest.clips[TRAIN])
    if request.export:
        request.export.check_payload(manifest.configuration["payload"])


def check_budgets(
    request: TrainFlags, classes: int, front_end: FrontEndConfig, clip_secs: float
) -> None:
    """Checks that a subnet meets every budget of the request.

    Args:
        request: the request.
        classes: number of outputs.
        front_end: the front end of the records.
        clip_secs: length of a clip.

    Raises:
        UnsatisfiableBudgetError: no subnet meets a budget; the message names the nearest.
        ValueError: a table is of another network.
        OSError: a table cannot be read.
    """
    if not (request.search or request.supernet):
        return
    sizes = classes, request.heard_frames(front_end, clip_secs), front_end.mel_bins
    network = request.options.network(request.space, *sizes, single_label=False)
    if request.search:
        with naming("budget"):
            request.search.members(request.space, network, front_end)
    if request.supernet:
        with naming("sample_budget"):
            request.supernet.sampled(request.space, network, front_end)


def check_export_place(workdir: Path, out: str | None) -> None:
    """Checks that models can be written to a folder of the user's choice, or to the run's.

    Raises:
        ForeignFolderError: the folder is somebody else's.
        OSError: it cannot be written to.
    """
    if out:
        require_claimable(Path(out), MODELS)
    require_writable(Path(out) if out else workdir / "export")


def check_export_folders(workdir: Path, budgets: Iterable[str]) -> None:
    """Checks that the winners of budgets can be written to a run's export folder.

    Raises:
        ForeignFolderError: one of the folders there is somebody else's.
    """
    root = workdir / "export"
    for name in (".", *map(budget_folder, budgets)):
        require_claimable(root / name, MODELS)


def check_evaluated(manifest: Manifest, task: str, *splits: str) -> None:
    """Checks that networks can be scored on splits of records, and warns of classes left out.

    Raises:
        ValueError: the task's figure is not defined on one of the splits.
    """
    data.warn_of_gaps(manifest.class_counts, splits)
    check_ranked(manifest.class_counts, task, splits)


def _check_export(request: TrainFlags) -> None:
    require_temporary_folder()
    if request.export and "prepare" in request.stages:
        request.export.check_payload(FLAGS.payload)
    if request.export and request.search:
        request.export.check_budgets(request.search.parsed_budgets)
        check_export_folders(Path(FLAGS.workdir), map(str, request.search.budgets))


def _check_teacher_file(request: TrainFlags) -> None:
    # What it holds is checked by the stage itself, which is the first to train or score anything.
    config = request.soft_labels
    if "soft_labels" in request.stages and config.is_foreign:
        path = Path(config.teacher_scores or config.teacher_model or "")
        if not path.is_file():
            raise ValueError(f"there is no file {path}, from which the soft labels should come")
