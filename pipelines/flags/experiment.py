"""Flags of training, search and conversion, and the configurations built from them.

No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.export.config import ExportConfig, needed_by
from aec_ofa_tf.files import replacing
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.device_config import DeviceConfig
from aec_ofa_tf.training.origins import SoftLabelsConfig, TransferConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from pipelines.flags import data, define, flag_name, naming, own_flags, read, space, time_budget
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
_OF_A_CALL = ("quiet", "traceback", "dry_run")
"""Flags that say nothing of a run."""

STAGES = ("prepare", "teacher", "soft_labels", "supernet", "search", "convert")


@dataclass(frozen=True)
class TrainFlags:
    """The stages and configurations that the flags of `train` request.

    Attributes:
        stages: the stages to run.
        hours: the time of the whole run; None where steps are counted.
        space: the search space.
        options: the parts of the network that all subnets share.
        devices: the devices for training.
        teacher: configuration of the stage `teacher`; None, as below, without this stage.
        soft_labels: whose scores the soft labels are.
        supernet: configuration of the stage `supernet`.
        subnet: configuration of the stage `subnet`.
        search: configuration of the stage `search`.
        export: configuration of the stage `convert`.
        window_secs: what a network hears at once, in seconds; None for whole clips.
    """

    stages: tuple[str, ...]
    hours: float | None
    space: SearchSpace
    options: NetworkOptions
    devices: DeviceConfig
    teacher: TeacherConfig | None
    soft_labels: SoftLabelsConfig
    supernet: SupernetConfig | None
    subnet: SubnetConfig | None
    search: SearchConfig | None
    export: ExportConfig | None
    window_secs: float | None = None

    def heard_frames(self, front_end: FrontEndConfig, clip_secs: float) -> int:
        """Frames of what a network hears at once.

        Raises:
            ValueError: that is more than a clip, or too short for the front end.
        """
        secs = self.heard_secs(clip_secs)
        with naming("window_secs") if self.window_secs else nullcontext():
            return front_end.frames(secs)

    def heard_secs(self, clip_secs: float) -> float:
        """What a network hears at once, in seconds.

        Raises:
            ConfigError: that is more than a clip.
        """
        if self.window_secs is not None and self.window_secs > clip_secs:
            raise ConfigError(
                f"window_secs is at most the length of a clip, {clip_secs:g} s, received "
                f"{self.window_secs:g} s",
                "window_secs",
            )
        return self.window_secs or clip_secs


def define_workdir_flag() -> None:
    """Defines --workdir."""
    flags.DEFINE_string("workdir", None, "Run directory of the experiment.")


def define_subnet_flag() -> None:
    """Defines --subnet."""
    flags.DEFINE_string(
        "subnet",
        None,
        "Subnet: largest, smallest, a width ratio, or widths such as 64x2-51x2-102x2-204x1.",
    )


def define_search_flags(leave_out: Iterable[str] = ()) -> None:
    """Defines the flags of budgets and search.

    Args:
        leave_out: fields of `SearchConfig` without a flag.
    """
    flags.DEFINE_multi_string(
        "budget",
        [],
        "Limits on the costs of a subnet, e.g. 'params<=0.8M' or 'macs<=4G,tflite_bytes<=3M'; "
        "repeatable.",
    )
    flags.DEFINE_multi_float(
        "params",
        [],
        "A budget as in the paper: this number of parameters, plus or minus --tolerance; "
        "repeatable.",
        1.0,
    )
    flags.DEFINE_float("tolerance", 0.2e6, "Half the width of the ranges of --params.", 0.0)
    define(SearchConfig, ("budgets", *leave_out))


def define_train_flags() -> None:
    """Defines all flags of `train` except those of its data."""
    define_workdir_flag()
    space.define_space_flags()
    learning = (TrainConfig, TeacherConfig, SoftLabelsConfig, SupernetConfig, TransferConfig)
    for kind in (*learning, DeviceConfig, SubnetConfig):
        define(kind)
    time_budget.define_time_flags()
    flags.DEFINE_float(
        "window_secs",
        None,
        "Networks hear windows of this many seconds, which need less memory than a clip. Training "
        "cuts random ones; a clip's scores are those of all its windows. Default: whole clips.",
        0.0,
    )
    define_subnet_flag()
    define_search_flags()
    define(ExportConfig)
    flags.DEFINE_list(
        "stages",
        list(STAGES),
        f"Stages to run, any of {', '.join(STAGES)} and subnet. They run in this order. Default: "
        "all that the other flags need.",
    )


def train_flags() -> TrainFlags:
    """The stages and configurations that the flags of `train` request.

    Raises:
        ValueError: a flag is wrong, or two contradict each other.
    """
    hours = time_budget.hours()
    time_budget.set_sizes()
    stages = tuple(FLAGS.stages) if FLAGS["stages"].present else needed_stages()
    if not stages:
        raise ValueError(f"--stages is empty; use any of {', '.join(STAGES)} and subnet")
    unknown = sorted(set(stages) - {*STAGES, "subnet"})
    if unknown:
        raise ValueError(f"unknown --stages {unknown}; use any of {', '.join(STAGES)} and subnet")
    if time_budget.is_small() and set(stages) - {"prepare"}:
        secs = FLAGS.window_secs or _clip_secs(stages)
        time_budget.set_training(secs, space.space_from_flags(), bool(FLAGS.window_secs))
    return _request(stages, hours)


def whole_run(request: TrainFlags) -> TrainFlags:
    """The request with all stages that the run needs; without a budget, with no search."""
    needed = set(needed_stages()) | set(request.stages)
    if not (FLAGS.budget or FLAGS.params):
        needed -= {"search", "convert"}
    return _request(tuple(sorted(needed)), request.hours)


def _clip_secs(stages: Iterable[str]) -> float:
    """Length of a clip, of the records that are there or of those to prepare."""
    if "prepare" in stages:
        return data.clip_secs()
    return load_manifest(Path(FLAGS.data_dir)).configuration["clip_secs"]


def _request(stages: tuple[str, ...], hours: float | None) -> TrainFlags:
    train, devices = read(TrainConfig), read(DeviceConfig)
    evaluation = EvaluationConfig(train.batch_size, train.calibration_clips)
    return TrainFlags(
        stages,
        hours,
        space.space_from_flags(),
        read(NetworkOptions),
        devices,
        read(TeacherConfig, train=train) if "teacher" in stages else None,
        read(SoftLabelsConfig),
        _supernet_config(train) if "supernet" in stages else None,
        _subnet_config(train) if "subnet" in stages else None,
        search_from_flags(evaluation) if "search" in stages else None,
        export_from_flags(evaluation) if "convert" in stages else None,
        FLAGS.window_secs,
    )


def _supernet_config(train: TrainConfig) -> SupernetConfig:
    return read(SupernetConfig, train=train, transfer=read(TransferConfig))


def _subnet_config(train: TrainConfig) -> SubnetConfig:
    # A flagfile names the pretrained network for the supernet; a subnet may start otherwise.
    transfer = read(TransferConfig) if FLAGS.init == "pretrained" else TransferConfig()
    return read(SubnetConfig, train=train, transfer=transfer)


def needed_stages() -> tuple[str, ...]:
    """All stages except those whose results the flags leave unused."""
    both = {"teacher", "soft_labels"}
    unused = {"online": {"soft_labels"}, "largest": both, "frozen_largest": both}
    left_out = unused.get(FLAGS.distill_from, set())
    if FLAGS.supernet_init == "teacher":
        left_out = left_out - {"teacher"}
    if read(SoftLabelsConfig).is_foreign:
        left_out = left_out | {"teacher"}
    if FLAGS.strategy == "multiworker":
        left_out = left_out | {"prepare"}  # the hosts share records that were prepared before
    return tuple(stage for stage in STAGES if stage not in left_out)


def export_from_flags(evaluation: EvaluationConfig) -> ExportConfig:
    """The conversion that the flags describe; what they leave open is what the target needs.

    Raises:
        ValueError: a value is invalid, or a package for the target is not installed.
    """
    needed = {
        name: value
        for name, value in needed_by(FLAGS.target).items()
        if not FLAGS[flag_name(ExportConfig, name)].present
    }
    return read(ExportConfig, evaluation=evaluation, **needed)


def search_from_flags(evaluation: EvaluationConfig) -> SearchConfig:
    """The search that the flags describe.

    Raises:
        ValueError: a budget cannot be read, there is no budget, or a value is invalid.
    """
    with naming("budget"):
        budgets = [Budget.parse(text) for text in FLAGS.budget]
    budgets += [Budget.around(value, FLAGS.tolerance) for value in FLAGS.params]
    if not budgets:
        raise ValueError("search needs a budget: --budget='params<=0.8M' or --params=0.8e6")
    return read(SearchConfig, budgets=budgets, evaluation=evaluation)


def write_flags(path: Path, stages: tuple[str, ...]) -> None:
    """Writes the flags of a run, with all its stages, as a flagfile."""
    FLAGS.stages = list(stages)
    left_out = {*_OF_A_CALL, *time_budget.left_open()}
    kept = {name: flag for name, flag in own_flags().items() if name not in left_out}
    lines = (flag.serialize() for _, flag in sorted(kept.items()))
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines if line), encoding="utf-8")
