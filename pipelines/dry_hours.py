"""What a time budget would be divided into, for a dry run: measured on noise, nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from aec_ofa_tf.dataset import TRAIN
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.planning import NOISE_CLIPS, measure, new_plan
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.time_budget import TimePlan, kept_plan
from aec_ofa_tf.workdir import Workdir
from pipelines import time_budget
from pipelines.flags.experiment import TrainFlags
from pipelines.planned_data import PlannedData

FLAGS = flags.FLAGS


@dataclass(frozen=True)
class DryHours:
    """A division of hours that was not kept.

    Attributes:
        plan: the division.
        request: the request with its step numbers.
        secs: seconds of the stages by name; None for a run that has its plan already.
    """

    plan: TimePlan
    request: TrainFlags
    secs: Mapping[str, float] | None


def divided(
    request: TrainFlags, found: PlannedData, network: NetworkConfig, begun: bool
) -> DryHours:
    """Divides the hours of a request, or reads how those of its run are divided.

    Args:
        request: the request.
        found: its data, prepared or not.
        network: the static parts of its networks.
        begun: whether a step of the run was trained and kept.

    Raises:
        ValueError: the hours are too few, or the run was begun otherwise.
    """
    workdir, hours = Path(FLAGS.workdir), request.hours or 0.0
    prepare_secs = found.clip_prepare_secs * sum(found.clips.values())
    stages = time_budget.planned_stages(request, prepare_secs)
    plan = kept_plan(workdir, hours, begun, stages.fingerprint)
    if plan is not None:
        return DryHours(plan, time_budget.with_steps(request, plan.steps), None)
    few = {TRAIN: NOISE_CLIPS}
    noise = found.noise(few, request.window_secs)
    devices = open_devices(request.devices.strategy, request.devices.logical_cpus)
    run = Run(Workdir(workdir, writable=False), noise, request.space, network, devices)
    measured = measure(run, stages, found.clips)
    plan = new_plan(hours, measured, stages)
    return DryHours(plan, time_budget.with_steps(request, plan.steps), _stage_secs(plan, request))


def _stage_secs(plan: TimePlan, request: TrainFlags) -> dict[str, float]:
    """Seconds of the requested stages by name."""
    steps, measured = plan.steps, plan.measured
    found = {
        "prepare": measured.fixed["preparation"],
        "teacher": steps.teacher * measured.teacher,
        "soft_labels": measured.fixed.get("soft labels", 0.0),
        "supernet": steps.largest * measured.largest + steps.supernet * measured.supernet,
        "search": measured.fixed.get("search", 0.0),
        "convert": measured.fixed.get("conversion", 0.0),
    }
    return {name: round(found[name], 1) for name in request.stages if found.get(name)}
