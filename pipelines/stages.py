"""The stages of `train` in order, on all hosts of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.training.devices import open_devices, peers_watched
from pipelines.flags.experiment import TrainFlags, write_flags
from tfrecords.records import open_records

Result = dict[str, Any]
# What every worker of a cluster takes part in; the rest is the chief's.
_TRAINING = ("teacher", "supernet", "subnet")


def run_stages(
    asked: TrainFlags,
    workdir: str,
    data_dir: str,
    subnet: str | None,
    timed: Callable[[str, Callable[[], Result]], Result],
) -> dict[str, Result]:
    """Runs the stages that are asked for.

    Args:
        asked: the stages and their configurations.
        workdir: the run directory.
        data_dir: the records.
        subnet: what the stage `subnet` trains.
        timed: runs one stage by name and adds how long it took.

    Returns:
        Each stage's result by name, for JSON; of training, workers that are not the chief report
        nothing.
    """
    results = {}
    devices = open_devices(asked.devices.strategy, asked.devices.logical_cpus)
    with peers_watched(devices):
        experiment = Experiment(
            workdir, open_records(data_dir), asked.space, asked.options, devices
        )
        with experiment.workdir.exclusive():
            for name, run in _runners(experiment, asked, subnet).items():
                if name in asked.stages and (devices.chief or name in _TRAINING):
                    result = timed(name, lambda run=run: run().as_dict())  # type: ignore[misc]
                    results[name] = result if devices.chief else {"seconds": result["seconds"]}
                # Nobody reads a stage's products before the chief has written them.
                devices.wait_for_all()
            if devices.chief:
                write_flags(Path(workdir) / "flags.txt", asked.stages)
    return results


def _runners(
    experiment: Experiment, asked: TrainFlags, subnet: str | None
) -> dict[str, Callable[[], Any]]:
    """Every stage by name, to be called if it is wanted."""
    teacher, supernet, alone = asked.teacher, asked.supernet, asked.subnet
    search, export = asked.search, asked.export
    return {
        "teacher": lambda: experiment.train_teacher(teacher) if teacher else None,
        "soft_labels": experiment.soft_labels,
        "supernet": lambda: experiment.train_supernet(supernet) if supernet else None,
        "subnet": lambda: experiment.train_subnet(subnet, alone) if subnet and alone else None,
        "search": lambda: experiment.search(search) if search else None,
        "convert": lambda: experiment.export(export) if export else None,
    }
