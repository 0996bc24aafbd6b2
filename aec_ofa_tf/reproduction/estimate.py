"""Seconds that the jobs of a reproduction will take, from a few measured steps on noise."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aec_ofa_tf.costs.costs import macs
from aec_ofa_tf.dataset import TRAIN, VALIDATION, Dataset
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.reproduction.config import EXACT, OFA
from aec_ofa_tf.reproduction.graph import ALONE, SEARCHES, SOFT_LABELS, SUPERNET, TEACHER, Job
from aec_ofa_tf.reproduction.jobs import BOTH_WAYS, mean_macs
from aec_ofa_tf.reproduction.runner import Runner
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.rehearsal import Rehearsal

_FEW = (0.4, 0.8)
"""Widths whose steps are measured if no baselines are trained."""


@dataclass(frozen=True)
class StepSecs:
    """Seconds of a step on this machine.

    Attributes:
        teacher: of the teacher.
        supernets: of phase 1, if there is one, and of phase 2, by name of the space.
        alone: of networks that are trained alone: multiply-adds of a clip and seconds, ascending.
    """

    teacher: float
    supernets: Mapping[str, tuple[float | None, float]]
    alone: Sequence[tuple[float, float]]

    def of_network(self, work: float) -> float:
        """Seconds of a step of a network, by its multiply-adds of a clip."""
        sizes, secs = zip(*self.alone, strict=True)
        inside = float(np.interp(work, sizes, secs))
        return inside if work <= sizes[-1] else inside * work / sizes[-1]


def measure_steps(runner: Runner, jobs: Sequence[Job], data: Dataset, devices: Devices) -> StepSecs:
    """Trains a few steps of every kind of network that jobs need, in temporary folders.

    Args:
        runner: the reproduction.
        jobs: the jobs that are left.
        data: noise in the shape of the data.
        devices: the devices for training.
    """
    config, network = runner.config, runner.network
    kinds, seed = {job.kind for job in jobs}, config.first_seed

    def rehearsal(space: SearchSpace, folder: str) -> Rehearsal:
        return Rehearsal(space, network, data, devices, Path(folder) / "none", Path(folder))

    def teacher_secs() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return rehearsal(config.main, folder).teacher(config.teacher_of(seed))

    def supernet_secs(space: SearchSpace) -> tuple[float | None, float]:
        with tempfile.TemporaryDirectory() as folder:
            return rehearsal(space, folder).supernet(config.supernet_of(seed))

    def alone_secs(subnet: Subnet) -> float:
        with tempfile.TemporaryDirectory() as folder:
            one = config.subnet_of(seed, "distill", "random", config.subnet.steps)
            return rehearsal(config.main, folder).subnet(subnet, one)

    spaces = dict.fromkeys(job.space for job in jobs if job.kind == SUPERNET)
    ratios = [r for r in _FEW if config.fixed(r) in config.main] or [1.0]
    measured = config.fixed_ratios or ratios
    widths = measured if kinds & set(ALONE) else measured[:1]
    networks = [config.fixed(ratio) for ratio in sorted(widths)]
    return StepSecs(
        teacher_secs() if TEACHER in kinds or SOFT_LABELS in kinds else 0.0,
        {name: supernet_secs(config.space(name)) for name in spaces},
        [(float(macs(one, network)), alone_secs(one)) for one in networks],
    )


def seconds_of(
    runner: Runner, jobs: Sequence[Job], steps: StepSecs, clips: Mapping[str, int]
) -> dict[str, float]:
    """Seconds of every job that is left, by its name, without starts and validation.

    Args:
        runner: the reproduction.
        jobs: the jobs that are left.
        steps: seconds of steps.
        clips: number of clips by split.
    """
    return {job.name: round(_secs(runner, job, steps, clips), 1) for job in jobs}


def _secs(runner: Runner, job: Job, steps: StepSecs, clips: Mapping[str, int]) -> float:
    config, begun = runner.config, runner.newest_step(job)
    if job.kind == TEACHER:
        return steps.teacher * max(config.teacher.steps - begun, 0)
    if job.kind == SOFT_LABELS:
        return steps.teacher / config.teacher.train.batch_size / BOTH_WAYS * clips[TRAIN]
    if job.kind == SUPERNET:
        largest, sampled = steps.supernets[job.space]
        first = max(config.supernet.largest_steps - begun, 0)
        left = min(config.supernet.steps, config.supernet.last_step - begun)
        return (largest or 0.0) * first + sampled * left
    if job.kind in SEARCHES:
        return _search_secs(runner, job, steps, clips)
    return steps.of_network(_work(runner, job)) * max((job.steps or 0) - begun, 0)


def _work(runner: Runner, job: Job) -> float:
    """Multiply-adds of a clip of the network that a job trains, or of those of its budget."""
    subnet = runner.subnet(job)
    if subnet is not None:
        return float(macs(subnet, runner.network))
    members = runner.config.search.members(runner.config.main, runner.network)
    found = next(one for budget, one in members.items() if str(budget) == job.budget)
    drawn = found.sample(runner.config.search.population, job.seed)
    return float(np.mean([macs(one, runner.network) for one in drawn]))


def _search_secs(runner: Runner, job: Job, steps: StepSecs, clips: Mapping[str, int]) -> float:
    config, space = runner.config, runner.config.space(job.space)
    size, secs = steps.alone[-1]
    for_work = secs / (config.subnet.train.batch_size * size * BOTH_WAYS)
    members = config.search.members(space, runner.network).values()
    counts = [one.count or space.size for one in members]
    random = [min(config.search.population, count) for count in counts]
    is_rest = job.kind == EXACT and OFA in config.arms
    evaluated = sum(counts) - sum(random) * is_rest if job.kind == EXACT else sum(random)
    calibration = min(config.supernet.train.calibration_clips, clips[TRAIN])
    each = calibration + clips.get(VALIDATION, 0)
    return evaluated * each * mean_macs(space, runner.network) * for_work
