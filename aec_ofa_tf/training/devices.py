"""The devices of a step: one device, several devices, or several hosts."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

import tensorflow as tf
from absl import logging

from aec_ofa_tf.training.device_config import STRATEGIES
from aec_ofa_tf.training.signals import in_main_thread

_LOST_WORKER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


@dataclass(frozen=True)
class Devices:
    """A `tf.distribute` strategy and this process's part in it.

    Attributes:
        strategy: replicates variables and reduces gradients.
        chief: whether this process writes checkpoints, summaries and results.
    """

    strategy: tf.distribute.Strategy
    chief: bool = True

    @property
    def replicas(self) -> int:
        """Number of devices that train in sync, over all hosts."""
        return self.strategy.num_replicas_in_sync

    def wait_for_all(self) -> None:
        """Returns when every process of the cluster has called this method.

        A process may end right after it. Those that still exchange data with it must not fail, so
        they exchange twice: who has come to the second time has heard of all the others.
        """
        self._gather(0)
        with suppress(*_LOST_WORKER_ERRORS):
            self._gather(0)

    def require_same(self, text: str, remedy: str) -> None:
        """Checks that all processes of the cluster have the same text.

        Raises:
            ValueError: the texts differ; the message contains `remedy`.
        """
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        if len(set(self._gather(digest))) > 1:
            raise ValueError(f"the workers of the cluster differ: {remedy}")

    @property
    def is_cluster(self) -> bool:
        """Whether the strategy is multiworker."""
        return isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def _gather(self, value: int) -> list[int]:
        """The values of all replicas of the cluster, in order; without a cluster, this value."""
        if not self.is_cluster:
            return [value]
        gathered = self._gather_function(tf.constant(value, tf.int64))
        return self.strategy.experimental_local_results(gathered)[0].numpy().tolist()

    @cached_property
    def _gather_function(self) -> Callable[[tf.Tensor], tf.Tensor]:
        def gather(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            row = tf.one_hot(
                context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=tf.int64
            )
            return context.all_reduce(tf.distribute.ReduceOp.SUM, row * value)

        return tf.function(lambda value: self.strategy.run(gather, args=(value,)), autograph=False)


def open_devices(strategy: str, logical_cpus: int = 1) -> Devices:
    """Sets TensorFlow up; must be called before anything else uses TensorFlow.

    Args:
        strategy: "none": the first GPU or the CPU; "mirrored": all GPUs of this host, else its
            logical CPUs; "multiworker": the hosts that the environment variable TF_CONFIG names.
        logical_cpus: number of logical CPUs, to try "mirrored" without GPUs.

    Raises:
        ValueError: the strategy is unknown.
        RuntimeError: the cluster cannot start, or TensorFlow was used before the CPU is divided.
    """
    if logical_cpus > 1:
        _divide_cpu(logical_cpus)
    if strategy == "none":
        return Devices(tf.distribute.get_strategy())
    if strategy == "mirrored":
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return Devices(tf.distribute.MirroredStrategy(names))
    if strategy == "multiworker":
        return _open_cluster()
    raise ValueError(f"strategy must be one of {STRATEGIES}, received {strategy!r}")


def _divide_cpu(logical_cpus: int) -> None:
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(logical_cpus)]
    try:
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    except RuntimeError as error:
        raise RuntimeError(
            f"logical_cpus={logical_cpus} must be set before TensorFlow is used, and it has been "
            "used in this process: make the Experiment (or call open_devices) before anything else"
        ) from error


def _open_cluster() -> Devices:
    logging.info("waiting for all workers of TF_CONFIG; until then only kill -9 stops this one")
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise RuntimeError(
            "the cluster cannot start: check that this worker's port in TF_CONFIG is free and the "
            f"others' hosts can be reached ({error.message})"
        ) from error
    # TensorFlow's cluster service installs its own SIGTERM handler, which does not end the process.
    if in_main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return Devices(strategy, _is_chief(strategy.cluster_resolver))


@contextmanager
def peers_watched(devices: Devices) -> Iterator[None]:
    """Replaces the various errors of a lost worker by one clear error.

    Raises:
        RuntimeError: another worker of the cluster stopped or cannot be reached.
    """
    try:
        yield
    except _LOST_WORKER_ERRORS as error:
        if not devices.is_cluster:
            raise
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
