"""One command for the paper's experiments: `ofa.reproduce`."""

from __future__ import annotations

import os
from pathlib import Path

from absl import logging

from aec_ofa_tf.classes import ClassCounts, check_ranked, check_trainable
from aec_ofa_tf.config import require_type
from aec_ofa_tf.dataset import EVALUATION, VALIDATION, Dataset
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.ownership import REPRODUCTION, owned
from aec_ofa_tf.reproduction.config import (
    ReproduceConfig,
    check_devices_of,
    require_evaluation,
)
from aec_ofa_tf.reproduction.graph import Job, jobs_of
from aec_ofa_tf.reproduction.report import write_report
from aec_ofa_tf.reproduction.results import Reproduction
from aec_ofa_tf.reproduction.runner import Runner
from aec_ofa_tf.search.config import require_validation
from aec_ofa_tf.training.device_config import DeviceConfig
from aec_ofa_tf.training.devices import open_devices


def reproduce(
    workdir: str | os.PathLike[str],
    records: Dataset,
    config: ReproduceConfig,
    options: NetworkOptions = NetworkOptions(),
    devices: DeviceConfig = DeviceConfig(),
) -> Reproduction:
    """Trains and compares every arm of the paper's experiments, over several seeds.

    Jobs that are done are skipped, one that was stopped goes on. Tables and figures are written to
    the folder `reproduction` after every job, from whatever is done; every seed and space has a run
    directory, which `Experiment.open` opens.

    Args:
        workdir: the folder of the reproduction; it is created if it does not exist.
        records: the data, with validation and evaluation clips.
        config: what is trained and compared.
        options: the parts of the networks that all subnets share.
        devices: the devices for training, of this host.

    Returns:
        Results, tables and what is missing.

    Raises:
        TypeError: an argument is of another class.
        ValueError: the data lack a split, no subnet meets a budget, the folder holds other files,
            or a job was begun with other settings.
        OSError: another job uses the folder.

    Example:
        >>> train = ofa.TrainConfig(batch_size=4, calibration_clips=8, precision="float32")
        >>> space = ofa.search_space("[2,2,X]", base_channels=4)
        >>> config = ofa.ReproduceConfig(
        ...     ofa.SearchConfig(["params<=6k"]), [space], ["scratch"], seeds=1, fixed_ratios=[0.4],
        ...     teacher=ofa.TeacherConfig(train, 4, 2), supernet=ofa.SupernetConfig(train),
        ...     subnet=ofa.SubnetConfig(train, steps=2),
        ... )
        >>> found = ofa.reproduce("compared", ofa.open_records("data"), config)
        >>> [arm.job.name for arm in found.arms]
        ['seed0.2-2-X.scratch-0.4-2']
    """
    require_type("config", config, ReproduceConfig, "a ReproduceConfig")
    require_type("options", options, NetworkOptions, "NetworkOptions")
    require_type("devices", devices, DeviceConfig, "a DeviceConfig")
    check_records(records, config, options)
    check_devices_of(config, devices)
    root = Path(workdir)
    with owned(root, REPRODUCTION):
        runner = Runner(
            root, records, config, options, open_devices(devices.strategy, devices.logical_cpus)
        )
        jobs = jobs_of(config)
        runner.check_settings(jobs)
        for number, job in enumerate(jobs, start=1):
            _run(runner, job, f"{number} of {len(jobs)}: {job.name}")
        return write_report(runner, jobs)


def check_records(records: Dataset, config: ReproduceConfig, options: NetworkOptions) -> None:
    """Checks, before anything is trained, that every arm can be trained, searched and scored.

    Raises:
        ConfigError: there are no validation or no evaluation clips.
        ValueError: no subnet of a space meets a budget, or the task's figure is not defined.
    """
    counts = ClassCounts.of(records)
    check_trainable(counts)
    require_validation(records.clips(VALIDATION))
    require_evaluation(records.clips(EVALUATION))
    sizes = len(records.labels), records.frames, records.front_end.mel_bins
    single_label = options.task == "auto" and records.single_label
    for space in config.spaces:
        network = options.network(space, *sizes, single_label=single_label)
        config.search.members(space, network, records.front_end)
    check_ranked(counts, network.task, [VALIDATION, EVALUATION])


def _run(runner: Runner, job: Job, name: str) -> None:
    if runner.result(job) is not None:
        logging.info("%s is done", name)
        return
    logging.info("%s", name)
    runner.run(job)
    write_report(runner, jobs_of(runner.config), figures=False)
