"""The devices for training, and which settings they support. No TensorFlow here."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from aec_ofa_tf.config import ConfigError, check_fields, choice, number
from aec_ofa_tf.files import DAMAGE_ERRORS
from aec_ofa_tf.training.config import TrainConfig

STRATEGIES = ("none", "mirrored", "multiworker")
_TF_CONFIG_HELP = (
    "strategy multiworker needs the environment variable TF_CONFIG on every worker, for example "
    """TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)


@dataclass(frozen=True)
class DeviceConfig:
    """The devices for training. Results are the same up to rounding.

    Attributes:
        strategy: none: one device; mirrored: all GPUs of this host; multiworker: the hosts in
            TF_CONFIG, which share the records and the run directory. A batch is divided among the
            devices.
        logical_cpus: Number of logical CPUs, to try strategy mirrored without GPUs.

    Raises:
        ConfigError: a value is not one of these, or the two contradict each other.

    Example:
        >>> ofa.DeviceConfig("mirrored")
        DeviceConfig(strategy='mirrored', logical_cpus=1)
    """

    strategy: str = choice("none", STRATEGIES, changes_outcome=False)
    logical_cpus: int = number(1, 1, changes_outcome=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.logical_cpus > 1 and self.strategy != "mirrored":
            raise ConfigError(
                "logical_cpus are for strategy='mirrored': add it", "logical_cpus", "strategy"
            )


def check_devices(train: TrainConfig, devices: DeviceConfig) -> None:
    """Checks that the devices support these settings of training.

    Raises:
        ConfigError: they do not; the message names the remedy.
    """
    if train.jit_compile and devices.strategy != "none":
        raise ConfigError(
            "XLA compiles no collectives, which synchronised batch norm needs: leave out "
            "jit_compile or strategy",
            *("jit_compile", "strategy"),
        )
    if train.batch_size % devices.logical_cpus:
        raise _not_divisible(train.batch_size, devices.logical_cpus)
    if devices.strategy != "multiworker":
        return
    if train.precision == "mixed_float16":
        raise ConfigError(
            "Keras applies float16 gradients in a conditional, in which hosts cannot reduce "
            "gradients: use precision='mixed_bfloat16' with strategy='multiworker'",
            *("precision", "strategy"),
        )
    _check_cluster()


def check_divisible(batch_size: int, replicas: int) -> None:
    """Checks that a batch can be divided equally among the replicas.

    Raises:
        ConfigError: it cannot.
    """
    if batch_size % replicas:
        raise _not_divisible(batch_size, replicas)


def _not_divisible(batch_size: int, replicas: int) -> ConfigError:
    return ConfigError(
        f"batch_size={batch_size} cannot be cut into equal parts for {replicas} replicas: make it "
        "a multiple",
        "batch_size",
    )


def _check_cluster() -> None:
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        workers, task = config["cluster"]["worker"], config["task"]
        known = 0 <= int(task["index"]) < len(config["cluster"][task["type"]]) and bool(workers)
    except DAMAGE_ERRORS as error:
        raise ConfigError(_TF_CONFIG_HELP) from error
    if not known:
        raise ConfigError(_TF_CONFIG_HELP)
