"""Flags of `reproduce`, and the configuration built from them. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from absl import flags

from aec_ofa_tf.models.cnn10.space import Cnn10Space, cnn10_space
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.reproduction.config import PAPER_SPACES, ReproduceConfig, check_devices_of
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.device_config import DeviceConfig
from aec_ofa_tf.training.origins import SoftLabelsConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from pipelines.flags import define, experiment, naming, read
from pipelines.flags import space as space_flags
from pipelines.flags.experiment import TrainFlags

FLAGS = flags.FLAGS
Number = TypeVar("Number", int, float)

_ALIKE = ("init", "distill_from", "feature_weight", "map_weight")
"""Fields that are the same in every arm of the paper."""

_OF_ARMS = ("algorithm", "generations", "storage", "rank_correlation")
"""Fields of a search that the arms decide on, or that tables do not show."""


@dataclass(frozen=True)
class ReproduceFlags:
    """What the flags of `reproduce` request.

    Attributes:
        config: what is trained and compared.
        options: the parts of the networks that all subnets share.
        devices: the devices for training.
    """

    config: ReproduceConfig
    options: NetworkOptions
    devices: DeviceConfig

    def as_training(self, space: Cnn10Space, stages: tuple[str, ...]) -> TrainFlags:
        """The training of one space, for the checks that `train` makes.

        Args:
            space: the space.
            stages: the stages, `prepare` among them if it has to run.
        """
        config = self.config
        teachers = config.teacher, SoftLabelsConfig()
        return TrainFlags(
            stages,
            None,
            space,
            self.options,
            self.devices,
            *teachers,
            config.supernet,
            None,
            config.search,
            None,
        )


def define_reproduce_flags() -> None:
    """Defines all flags of `reproduce` except those of its data."""
    experiment.define_workdir_flag()
    flags.DEFINE_multi_string(
        "space",
        list(PAPER_SPACES),
        "Search space of CNN10s: depths of blocks 2 to 4, X where elastic, or EW for elastic width "
        "only with the added ratio 0.2; repeatable. Baselines and fine-tuning are in the first.",
    )
    space_flags.define_size_flags()
    for kind in (TrainConfig, TeacherConfig, DeviceConfig):
        define(kind)
    define(SupernetConfig, (*_ALIKE, "largest_statistics", "largest_mixup"))
    define(SubnetConfig, (*_ALIKE, "objective"))
    experiment.define_search_flags(_OF_ARMS)
    define(ReproduceConfig, ("spaces", "fixed_ratios", "tune_steps"))
    flags.DEFINE_list(
        "fixed_ratios",
        ["0.4", "0.6", "0.8"],
        "Width ratios of the networks that are trained individually.",
    )
    flags.DEFINE_list(
        "tune_steps",
        ["10000", "100000"],
        "Numbers of steps of fine-tuning, each an arm of its own.",
    )


def reproduce_flags() -> ReproduceFlags:
    """What the flags of `reproduce` request.

    Raises:
        ValueError: a flag is wrong, or two contradict each other.
    """
    train = read(TrainConfig)
    config = read(
        ReproduceConfig,
        search=experiment.search_from_flags(
            EvaluationConfig(train.batch_size, train.calibration_clips)
        ),
        spaces=_spaces(),
        fixed_ratios=_numbers("fixed_ratios", float),
        tune_steps=_numbers("tune_steps", int),
        teacher=read(TeacherConfig, train=train),
        supernet=read(SupernetConfig, train=train),
        subnet=read(SubnetConfig, train=train),
    )
    devices = read(DeviceConfig)
    check_devices_of(config, devices)
    return ReproduceFlags(config, read(NetworkOptions), devices)


def _spaces() -> tuple[Cnn10Space, ...]:
    sizes = FLAGS.base_channels or 64, FLAGS.width_per or "block", FLAGS.width_multiple or 1
    with naming("space"):
        return tuple(cnn10_space(name, *sizes) for name in FLAGS.space)


def _numbers(name: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    try:
        return tuple(kind(text) for text in FLAGS[name].value)
    except ValueError as error:
        wanted = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"--{name} takes {wanted}, received {FLAGS[name].value}") from error
