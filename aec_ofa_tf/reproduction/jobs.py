"""Every kind of job as a stage of an experiment, and the work that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aec_ofa_tf.costs.costs import macs, params
from aec_ofa_tf.dataset import EVALUATION, TRAIN, VALIDATION
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.files import JsonObject, read_json
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.reproduction.results import JobResult, NetworkScore
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.training.config import TeacherConfig
from aec_ofa_tf.training.origins import SoftLabelsConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from aec_ofa_tf.workdir import SEARCH

BOTH_WAYS = 3
"""Multiply-adds of a step over those of its forward pass: a backward pass counts twice."""

_DRAWN = 1000
"""Subnets of a large space whose mean stands for that of all."""


def run_teacher(experiment: Experiment, config: TeacherConfig) -> JobResult:
    """Trains the teacher and scores it."""
    result = experiment.train_teacher(config)
    network = config.network(experiment.run.network)
    scored = experiment.evaluate_teacher(EVALUATION).metrics
    one = NetworkScore(
        result.subnet,
        result.params,
        macs(config.subnet, network),
        experiment.run.task.figure_of(scored),
        result.validation.get("teacher"),
    )
    clips = config.steps * config.train.batch_size
    return JobResult(result.figure, (one,), config.steps, clips, BOTH_WAYS * clips * one.macs)


def run_soft_labels(
    experiment: Experiment, config: TeacherConfig, teacher: Path | None
) -> JobResult:
    """Stores the teacher's scores; `teacher` is its file if another run directory has it."""
    foreign = SoftLabelsConfig(teacher_model=None if teacher is None else str(teacher))
    clips = experiment.soft_labels(foreign).clips
    forward = macs(config.subnet, config.network(experiment.run.network))
    return JobResult(experiment.run.task.figure, clips=clips, work=float(forward) * clips)


def run_supernet(experiment: Experiment, config: SupernetConfig) -> JobResult:
    """Trains the supernet."""
    result = experiment.train_supernet(config)
    space, network = experiment.space, experiment.run.network
    one = NetworkScore(
        str(space.largest),
        params(space.largest, network),
        macs(space.largest, network),
        None,
        result.validation.get("largest"),
    )
    first, sampled = supernet_clips(config)
    work = BOTH_WAYS * (first * one.macs + sampled * mean_macs(space, network))
    return JobResult(result.figure, (one,), config.last_step, first + sampled, work)


def run_alone(experiment: Experiment, subnet: Subnet, config: SubnetConfig) -> JobResult:
    """Trains one network."""
    result = experiment.train_subnet(subnet, config)
    costs, validation = result.costs, result.validation.get("subnet")
    sizes = int(costs["params"]), int(costs["macs"])
    one = NetworkScore(result.subnet, *sizes, result.metrics[result.figure], validation)
    clips = config.steps * config.train.batch_size
    return JobResult(result.figure, (one,), config.steps, clips, BOTH_WAYS * clips * one.macs)


def run_search(experiment: Experiment, config: SearchConfig) -> JobResult:
    """Searches every budget."""
    folder, began = experiment.workdir.path / SEARCH, time.monotonic()
    known = _count_lines(folder / "validation.jsonl")
    result = experiment.search(config)
    secs = time.monotonic() - began
    scored = _count_lines(folder / "validation.jsonl") - known
    rows = read_json(folder / "candidates.json", list)
    figure = experiment.run.task.figure
    compared = [row for row in rows if row["budget"] in {one.budget for one in result.budgets}]
    distinct = {row["subnet"]: row["macs"] for row in compared}
    clips = search_clips(experiment, config)
    return JobResult(
        figure,
        tuple(_winners(result, compared, figure)),
        work=float(sum(distinct.values())) * clips,
        evaluated=len(distinct),
        scoring_secs=secs / scored if scored > 0 else None,
    )


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _winners(result: SearchResult, rows: list[JsonObject], figure: str) -> Iterable[NetworkScore]:
    for one in result.budgets:
        costs, scored = one.best.costs, one.best.evaluation
        yield NetworkScore(
            one.subnet,
            int(costs["params"]),
            int(costs["macs"]),
            None if scored is None else scored[figure],
            one.score,
            one.budget,
            tuple(row[f"validation_{figure}"] for row in rows if row["budget"] == one.budget),
        )


def search_clips(experiment: Experiment, config: SearchConfig) -> int:
    """Clips that a search passes through each subnet: of recalibration and of validation."""
    run = experiment.run
    calibration = min(run.sizes(config.evaluation).calibration_clips, run.records.clips(TRAIN))
    return calibration + run.records.clips(VALIDATION)


def supernet_clips(config: SupernetConfig) -> tuple[int, int]:
    """Clips through the largest subnet in phase 1, and through sampled subnets in phase 2."""
    batch = config.train.batch_size
    return config.largest_steps * batch, config.steps * batch * config.subnets_per_step


def mean_macs(space: SearchSpace, network: NetworkConfig) -> float:
    """Mean multiply-adds of the subnets of a space, which the uniform sampler draws."""
    numbers = range(space.size)
    if space.size > _DRAWN:
        numbers = np.random.default_rng(0).integers(space.size, size=_DRAWN).tolist()
    return float(np.mean([macs(space.subnet_at(number), network) for number in numbers]))
