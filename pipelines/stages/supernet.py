"""Stage `supernet`: the largest subnet alone, then K sampled subnets a step (paper 2.3, 3.3)."""

from __future__ import annotations

from typing import Any

from absl import flags

from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.sampler import (
    Sampler,
    constant_sampler,
    sandwich_sampler,
    uniform_sampler,
)
from pipelines.experiment import Experiment
from pipelines.stages.fit import (
    NO_TEACHER,
    Phase,
    Teaching,
    common_settings,
    fit,
    flag_values,
    new_network,
    step_config,
)
from pipelines.stages.models import load_model, model_fingerprint
from pipelines.stages.soft_labels import soft_labels_path
from pipelines.stages.teacher import teacher_path, teacher_shape

FLAGS = flags.FLAGS
NAME = "supernet"
_WATCHED_RATIOS = (0.6, 0.8)
_TARGETS = {"cache": "soft_labels", "online": "teacher", "largest": "largest"}


def run_supernet(experiment: Experiment) -> dict[str, Any]:
    """Trains the supernet on what `--distill_from` says."""
    teaching, teacher = _teaching(experiment)
    names = "largest_steps supernet_steps subnets_per_step supernet_init sampler distill_from "
    names += "label_weight student_mixup mixup_alpha"
    settings = {**common_settings(experiment), **flag_values(*names.split()), "teacher": teacher}
    mixup = FLAGS.student_mixup and FLAGS.mixup_alpha > 0
    config = step_config(_TARGETS[FLAGS.distill_from], mixup)
    done = experiment.workdir.stage_result(NAME, settings, experiment.has_begun(NAME))
    if done:
        return done
    subnets = experiment.space.subnets()
    supernet = new_network(experiment, subnets, experiment.network)
    if FLAGS.supernet_init == "teacher":
        _copy_teacher(experiment, supernet)
    largest = FLAGS.largest_steps
    phases = [
        Phase(constant_sampler(experiment.space.largest), largest),
        Phase(_sampler(experiment.space), largest + FLAGS.supernet_steps),
    ]
    watched = _watched(experiment.space)
    validation = fit(experiment, NAME, supernet, phases, config, watched, teaching)
    if not experiment.devices.chief:
        return {}
    result = {"subnets": len(subnets), **validation}
    experiment.workdir.finish_stage(NAME, result)
    return result


def _teaching(experiment: Experiment) -> tuple[Teaching, str | None]:
    """Where the targets come from, and the fingerprint of the teacher behind them."""
    if FLAGS.distill_from == "largest":
        return NO_TEACHER, None
    if FLAGS.distill_from == "cache":
        teacher = experiment.workdir.require_stage("soft_labels")["result"]["teacher"]
        return Teaching(soft_labels_path(experiment)), teacher
    experiment.workdir.require_stage("teacher")
    with experiment.devices.strategy.scope():
        model = load_model(teacher_path(experiment))
    return Teaching(teacher=lambda log_mel: model(log_mel, training=False)), model_fingerprint(
        model
    )


def _sampler(space: SearchSpace) -> Sampler:
    if FLAGS.sampler == "largest":
        return constant_sampler(space.largest)
    if FLAGS.sampler == "sandwich":
        return sandwich_sampler(space, FLAGS.subnets_per_step)
    return uniform_sampler(space.subnets(), FLAGS.subnets_per_step)


def _watched(space: SearchSpace) -> dict[str, Subnet]:
    fixed = {f"ratio_{ratio}": space.fixed_ratio(ratio) for ratio in _WATCHED_RATIOS}
    members = {name: spec for name, spec in fixed.items() if spec in space}
    return {"smallest": space.smallest, **members, "largest": space.largest}


def _copy_teacher(experiment: Experiment, supernet: Supernet) -> None:
    """Starts the supernet from the teacher's weights, whose widths are those of the largest."""
    experiment.workdir.require_stage("teacher")
    spec, network = teacher_shape(experiment)
    teacher = Supernet([spec], network)
    experiment.restore("teacher", teacher, FLAGS.teacher_steps)
    with experiment.devices.strategy.scope():
        for mine, theirs in zip(supernet.weights, teacher.weights, strict=True):
            mine.assign(theirs)
