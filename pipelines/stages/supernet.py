"""Stage `supernet`: the largest subnet alone, then K sampled subnets a step (paper 2.3, 3.3)."""

from __future__ import annotations

from typing import Any

import keras
from absl import flags

from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.spec import SearchSpace, SubnetSpec
from aec_ofa_tf.training.sampler import constant_sampler, uniform_sampler
from pipelines.experiment import Experiment
from pipelines.stages.fit import Phase, common_settings, fit, flag_values, precision, step_config
from pipelines.stages.soft_labels import soft_labels_path
from pipelines.stages.teacher import teacher_shape

FLAGS = flags.FLAGS
NAME = "supernet"
_WATCHED_RATIOS = (0.6, 0.8)


def run_supernet(experiment: Experiment) -> dict[str, Any]:
    """Trains the supernet on the teacher's scores."""
    teacher = experiment.workdir.require_stage("soft_labels")["result"]["teacher"]
    steps = flag_values("largest_steps", "supernet_steps", "subnets_per_step", "supernet_init")
    students = flag_values("label_weight", "student_mixup", "mixup_alpha")
    settings = {**common_settings(experiment), **steps, **students, "teacher": teacher}
    subnets = experiment.space.subnets()
    config = step_config("soft_labels", mixup=FLAGS.student_mixup and FLAGS.mixup_alpha > 0)
    done = experiment.workdir.stage_result(NAME, settings, experiment.has_begun(NAME))
    if done:
        return done
    keras.utils.set_random_seed(FLAGS.seed)
    supernet = Supernet(subnets, experiment.network, dtype=precision())
    if FLAGS.supernet_init == "teacher":
        _copy_teacher(experiment, supernet)
    phases = [
        Phase(constant_sampler(experiment.space.largest), FLAGS.largest_steps),
        Phase(
            uniform_sampler(subnets, FLAGS.subnets_per_step),
            FLAGS.largest_steps + FLAGS.supernet_steps,
        ),
    ]
    validation = fit(
        experiment,
        NAME,
        supernet,
        phases,
        config,
        _watched(experiment.space),
        soft_labels_path(experiment),
    )
    result = {"subnets": len(subnets), **validation}
    experiment.workdir.finish_stage(NAME, result)
    return result


def _watched(space: SearchSpace) -> dict[str, SubnetSpec]:
    fixed = {f"ratio_{ratio}": space.fixed_ratio(ratio) for ratio in _WATCHED_RATIOS}
    members = {name: spec for name, spec in fixed.items() if spec in space}
    return {"smallest": space.smallest, **members, "largest": space.largest}


def _copy_teacher(experiment: Experiment, supernet: Supernet) -> None:
    """Starts the supernet from the teacher's weights, whose widths are those of the largest."""
    spec, network = teacher_shape(experiment)
    teacher = Supernet([spec], network)
    experiment.restore("teacher", teacher, FLAGS.teacher_steps)
    for mine, theirs in zip(supernet.weights, teacher.weights, strict=True):
        mine.assign(theirs)
