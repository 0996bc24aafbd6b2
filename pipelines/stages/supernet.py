"""Stage `supernet`: the largest subnet alone, then K sampled subnets a step (paper 2.3, 3.3)."""

from __future__ import annotations

from typing import Any

import keras
from absl import flags

from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.spec import SearchSpace, SubnetSpec
from aec_ofa_tf.training.checkpoints import CheckpointStore
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
    done = experiment.workdir.stage_result(NAME, settings)
    if done:
        return done
    keras.utils.set_random_seed(FLAGS.seed)
    subnets = experiment.space.subnets()
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
        step_config("soft_labels", mixup=FLAGS.student_mixup),
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
    """Starts the supernet from the teacher's weights.

    Raises:
        ValueError: their widths differ.
    """
    spec, network = teacher_shape(experiment)
    if spec != experiment.space.largest:
        raise ValueError(
            f"--supernet_init=teacher needs a teacher of the largest subnet's widths "
            f"{experiment.space.largest}, this one has {spec}: set --teacher_base_channels"
        )
    teacher = Supernet([spec], network)
    CheckpointStore(experiment.checkpoints("teacher"), teacher).restore()
    for mine, theirs in zip(supernet.weights, teacher.weights, strict=True):
        mine.assign(theirs)
