"""Where a step runs: one device, several, or several hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multiworker")


@dataclass(frozen=True)
class Devices:
    """A `tf.distribute` strategy and this process's part in it.

    Attributes:
        strategy: what replicates variables and reduces gradients.
        chief: whether this process writes: checkpoints, summaries, results.
    """

    strategy: tf.distribute.Strategy
    chief: bool = True

    @property
    def replicas(self) -> int:
        """Number of devices that train in sync, over all hosts."""
        return self.strategy.num_replicas_in_sync

    def wait_for_all(self) -> None:
        """Returns when every process of the cluster has come here."""
        if isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy):
            self._meet()

    @cached_property
    def _meet(self) -> Callable[[], tf.Tensor]:
        def arrive() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.ones([]))

        return tf.function(lambda: self.strategy.run(arrive), autograph=False)


def open_devices(strategy: str, logical_cpus: int = 1) -> Devices:
    """Sets TensorFlow up; must come before anything else that uses TensorFlow.

    Args:
        strategy: "none": the first GPU or the CPU; "mirrored": all GPUs of this host, else its
            logical CPUs; "multiworker": the hosts that the environment variable TF_CONFIG names.
        logical_cpus: parts that the CPU is seen as, to try "mirrored" without GPUs.

    Raises:
        ValueError: there is no such strategy.
    """
    if logical_cpus > 1:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(logical_cpus)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    if strategy == "none":
        return Devices(tf.distribute.get_strategy())
    if strategy == "mirrored":
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return Devices(tf.distribute.MirroredStrategy(names))
    if strategy == "multiworker":
        multiworker = tf.distribute.MultiWorkerMirroredStrategy()
        return Devices(multiworker, _is_chief(multiworker.cluster_resolver))
    raise ValueError(f"strategy must be one of {STRATEGIES}, received {strategy!r}")


@contextmanager
def peers_watched() -> Iterator[None]:
    """Turns the many ways in which a dead worker shows into one error that says so.

    Raises:
        RuntimeError: another worker of the cluster is gone.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise RuntimeError(
            "another worker of the cluster stopped or cannot be reached; start all workers again "
            "with the same commands and training resumes"
        ) from error


def _is_chief(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> bool:
    """TensorFlow's rule: the job "chief", else the first worker."""
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "worker" and resolver.task_id == 0 and not has_chief
