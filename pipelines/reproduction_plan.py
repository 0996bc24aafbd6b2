"""What `reproduce` would do, without doing it: jobs, what is left of each, and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from aec_ofa_tf.dataset import SPLITS, TRAIN
from aec_ofa_tf.description import Description, lines
from aec_ofa_tf.reproduction.config import space_name
from aec_ofa_tf.reproduction.graph import Job, jobs_of, needs_of
from aec_ofa_tf.training.time_budget import duration
from pipelines import preflight
from pipelines.flags.reproduce import ReproduceFlags
from pipelines.planned_data import PlannedData, planned_data

if TYPE_CHECKING:
    from aec_ofa_tf.reproduction.runner import Runner

FLAGS = flags.FLAGS

_TRAINING_CLIPS = 128


def plan(request: ReproduceFlags, prepares: bool) -> Description:
    """Describes a reproduction; nothing is written for good.

    Args:
        request: what the flags request.
        prepares: whether the records are prepared first.

    Raises:
        ValueError: as `reproduce`, before its first job.
        OSError: a file cannot be read.
    """
    config = request.config
    stages = ("prepare", "search") if prepares else ("search",)
    found = planned_data(request.as_training(config.main, stages))
    for space in config.spaces:
        training = request.as_training(space, stages)
        preflight.check_budgets(training, len(found.labels), found.front_end, found.clip_secs)
    jobs = jobs_of(config)
    needs = {job.name: [one.name for one in needs_of(job, config)] for job in jobs}
    left, secs = _left(request, found, jobs)
    if not found.prepared:
        secs["prepare"] = round(found.clip_prepare_secs * sum(found.clips.values()), 1)
    facts = (
        ("data", ", ".join(f"{found.clips.get(split, 0):,} {split}" for split in SPLITS)),
        ("spaces", ", ".join(f"{space_name(s)} ({s.size:,} subnets)" for s in config.spaces)),
        ("budgets", ", ".join(config.budgets)),
        ("steps", _steps(request)),
        ("jobs", lines(_texts(needs, left, secs))),
        (
            "time",
            f"about {duration(sum(secs.values()))} of work on this machine as it is now, and "
            "besides validation and up to a minute a job to begin",
        ),
    )
    values = {"jobs": left, "seconds": secs, "needs": needs}
    return Description(FLAGS.workdir, "a dry run; nothing was written", facts, values)


def _steps(request: ReproduceFlags) -> str:
    config = request.config
    supernet = config.supernet
    return (
        f"teacher {config.teacher.steps:,}; every network that is trained alone "
        f"{config.subnet.steps:,}; supernet {supernet.largest_steps:,} of the largest subnet and "
        f"{supernet.steps:,} of {supernet.subnets_per_step} subnets; fine-tuning "
        f"{', '.join(f'{steps:,}' for steps in config.tune_steps)}"
    )


def _left(
    request: ReproduceFlags, found: PlannedData, jobs: tuple[Job, ...]
) -> tuple[dict[str, str], dict[str, float]]:
    """What is left of every job, and its seconds, from a few steps on noise."""
    from aec_ofa_tf.reproduction.estimate import measure_steps, seconds_of
    from aec_ofa_tf.reproduction.runner import Runner
    from aec_ofa_tf.training.devices import open_devices
    from tfrecords.records import open_records

    few = {TRAIN: _TRAINING_CLIPS}
    noise = found.noise(few)
    records = open_records(FLAGS.data_dir) if found.prepared else noise
    runner = Runner(Path(FLAGS.workdir), records, request.config, request.options)
    runner.check_settings(jobs)
    left = {job.name: _state(runner, job) for job in jobs}
    todo = [job for job in jobs if left[job.name] != "done"]
    if not todo:
        return left, {}
    devices = open_devices(request.devices.strategy, request.devices.logical_cpus)
    steps = measure_steps(runner, todo, noise, devices)
    return left, seconds_of(runner, todo, steps, found.clips)


def _state(runner: Runner, job: Job) -> str:
    if runner.result(job) is not None:
        return "done"
    step = runner.newest_step(job)
    return f"would go on from step {step:,}" if step else "would run"


def _texts(
    needs: Mapping[str, list[str]], left: Mapping[str, str], secs: Mapping[str, float]
) -> Iterator[str]:
    for name, others in needs.items():
        time = f", {duration(secs[name])}" if name in secs else ""
        after = f"; after {', '.join(others)}" if others else ""
        yield f"{name}: {left[name]}{time}{after}"
