"""The stages in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from aec_ofa_tf.training.devices import open_devices, peers_watched
from pipelines.experiment import Experiment, experiment_from_flags
from pipelines.stages.convert import run_convert
from pipelines.stages.search import run_search
from pipelines.stages.soft_labels import run_soft_labels
from pipelines.stages.subnet import run_subnet
from pipelines.stages.supernet import run_supernet
from pipelines.stages.teacher import run_teacher

Result = dict[str, Any]
FLAGS = flags.FLAGS
# What every worker of a cluster takes part in; the rest is the chief's.
_TRAINING = ("teacher", "supernet", "subnet")
_RUNNERS: dict[str, Callable[[Experiment], Result]] = {
    "teacher": run_teacher,
    "soft_labels": run_soft_labels,
    "supernet": run_supernet,
    "subnet": run_subnet,
    "search": run_search,
    "convert": run_convert,
}


def run_stages(
    wanted: Sequence[str], timed: Callable[[str, Callable[[], Result]], Result]
) -> dict[str, Result]:
    """Runs the wanted stages on the experiment that the flags describe.

    Args:
        wanted: names of stages; those that are not networks' are passed over.
        timed: runs one stage by name and adds how long it took.

    Returns:
        Each stage's result by name.
    """
    results = {}
    devices = open_devices(FLAGS.strategy, FLAGS.logical_cpus)
    with peers_watched(devices), experiment_from_flags(devices) as experiment:
        for name, runner in _RUNNERS.items():
            if name in wanted and (devices.chief or name in _TRAINING):
                results[name] = timed(name, lambda runner=runner: runner(experiment))  # type: ignore[misc]
            # Nobody reads a stage's products before the chief has written them.
            devices.wait_for_all()
    return results
