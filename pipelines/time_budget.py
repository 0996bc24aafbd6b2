"""The step numbers of a run with a time budget: planned once, then read from the run directory."""

from __future__ import annotations

from dataclasses import replace

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.planning import PlannedStages
from aec_ofa_tf.terminal import show
from aec_ofa_tf.training.time_budget import StepNumbers, read_plan
from pipelines.flags import experiment as experiment_flags
from pipelines.flags import time_budget
from pipelines.flags.experiment import TrainFlags

_FILE_SECS = 17.0
"""Seconds to convert a file, compare it and score it, as on two cores in docs/results."""


def with_fixed_steps(
    request: TrainFlags, experiment: Experiment, prepare_secs: float
) -> TrainFlags:
    """The request with the step numbers of its time budget; as it is where steps are counted.

    Args:
        request: the request.
        experiment: the run, which keeps the step numbers.
        prepare_secs: seconds that were spent on its records.

    Raises:
        ValueError: the time is too short, or the run was begun otherwise.
    """
    if request.hours is None:
        return request
    if not {"teacher", "supernet"} & set(request.stages):
        kept = read_plan(experiment.workdir.path)
        return request if kept is None else with_steps(request, kept.steps)
    plan = experiment.plan(request.hours, planned_stages(request, prepare_secs))
    show(f"{plan}\n  kept in {experiment.workdir.path / 'plan.json'}")
    return with_steps(request, plan.time.steps)


def planned_stages(request: TrainFlags, prepare_secs: float) -> PlannedStages:
    """All stages of the run, also those that this request leaves for later."""
    whole = experiment_flags.whole_run(request)
    secs = {"preparation": prepare_secs}
    if whole.export and whole.search:
        kinds = len(whole.export.inputs) * len(whole.export.quantizations)
        secs["conversion"] = _FILE_SECS * kinds * len(whole.search.budgets)
    if whole.supernet is None:
        raise ValueError("--train_hours is divided among teacher and supernet: add both stages")
    return PlannedStages(whole.teacher, whole.supernet, whole.search, secs)


def with_steps(request: TrainFlags, steps: StepNumbers) -> TrainFlags:
    """The request with step numbers, which the flags get too."""
    time_budget.set_steps(steps)
    return replace(experiment_flags.train_flags(), stages=request.stages)
