"""Runs the stages of `train` in order, on all hosts of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.report.update import update_report
from aec_ofa_tf.training.devices import open_devices, peers_watched
from aec_ofa_tf.training.windowed import in_windows
from pipelines.flags.experiment import TrainFlags, write_flags
from pipelines.time_budget import with_fixed_steps
from tfrecords.records import open_records

Result = dict[str, object]
# Every worker of a cluster runs these stages; the chief runs the others alone.
_TRAINING = ("teacher", "supernet", "subnet")


def run_stages(
    request: TrainFlags,
    workdir: str,
    data_dir: str,
    subnet: str | None,
    timed: Callable[[str, Callable[[], Result]], Result],
    prepare_secs: float = 0.0,
) -> dict[str, Result]:
    """Runs the requested stages.

    Args:
        request: the stages and their configurations.
        workdir: the run directory.
        data_dir: directory of the records.
        subnet: the subnet that the stage `subnet` trains.
        timed: runs one stage by name and adds the seconds that it took.
        prepare_secs: seconds that were spent on the records, which a time budget includes.

    Returns:
        The result of each stage by name, for JSON. Workers other than the chief report the seconds
        of training only.
    """
    results = {}
    devices = open_devices(request.devices.strategy, request.devices.logical_cpus)
    with peers_watched(devices):
        records: Dataset = open_records(data_dir)
        if request.window_secs:
            records = in_windows(records, request.window_secs)
        experiment = Experiment(workdir, records, request.space, request.options, devices)
        flagfile = Path(workdir) / "flags.txt"
        with experiment.workdir.exclusive():
            request = with_fixed_steps(request, experiment, prepare_secs)
            if devices.chief and not flagfile.exists():  # so that a stopped run can be repeated
                write_flags(flagfile, request.stages)
            for name, run in _runners(experiment, request, subnet).items():
                if name in request.stages and (devices.chief or name in _TRAINING):
                    result = timed(name, lambda run=run: run().as_dict())  # type: ignore[misc]
                    results[name] = result if devices.chief else {"seconds": result["seconds"]}
                # The chief must have written a stage's files before a worker reads them.
                devices.wait_for_all()
            if devices.chief:
                write_flags(flagfile, request.stages)
                update_report(experiment.workdir, experiment.run.records)  # it shows the flags
    return results


def _runners(
    experiment: Experiment, request: TrainFlags, subnet: str | None
) -> dict[str, Callable[[], object]]:
    """A function for every stage by name; only those of requested stages are called."""
    teacher, supernet, alone = request.teacher, request.supernet, request.subnet
    search, export = request.search, request.export
    return {
        "teacher": lambda: experiment.train_teacher(teacher) if teacher else None,
        "soft_labels": lambda: experiment.soft_labels(request.soft_labels),
        "supernet": lambda: experiment.train_supernet(supernet) if supernet else None,
        "subnet": lambda: experiment.train_subnet(subnet, alone) if subnet and alone else None,
        "search": lambda: experiment.search(search) if search else None,
        "convert": lambda: experiment.export(export) if export else None,
    }
