"""Stage `teacher`: a CNN10 trained on the labels with mixup and SpecAugment (paper 3.2)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from absl import flags

from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.models.cnn10 import cnn10_subnet
from aec_ofa_tf.models.materialise import materialise
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.training.sampler import constant_sampler
from pipelines.experiment import Experiment
from pipelines.stages.fit import Phase, common_settings, fit, flag_values, new_network, step_config
from pipelines.stages.models import save_model

FLAGS = flags.FLAGS
NAME = "teacher"


def run_teacher(experiment: Experiment) -> dict[str, Any]:
    """Trains the teacher and leaves it, recalibrated, as `teacher.keras`."""
    own = flag_values("teacher_base_channels", "teacher_steps", "mixup_alpha")
    settings = {**common_settings(experiment), **own}
    config = step_config("labels", mixup=FLAGS.mixup_alpha > 0)
    spec, network = teacher_shape(experiment)
    done = experiment.workdir.stage_result(NAME, settings, experiment.has_begun(NAME))
    if done:
        return done
    teacher = new_network(experiment, [spec], network)
    phases = [Phase(constant_sampler(spec), FLAGS.teacher_steps)]
    validation = fit(experiment, NAME, teacher, phases, config, {NAME: spec})
    if not experiment.devices.chief:
        return {}
    statistics = experiment.evaluator(teacher).recalibrate(spec)
    save_model(materialise(teacher, spec, statistics), teacher_path(experiment))
    result = {"subnet": str(spec), "params": params(spec, network), **validation}
    experiment.workdir.finish_stage(NAME, result)
    return result


def teacher_shape(experiment: Experiment) -> tuple[Subnet, NetworkConfig]:
    """PANNs' CNN10 at `--teacher_base_channels`: it pools after all four blocks."""
    widths = [FLAGS.teacher_base_channels * 2**block for block in range(4)]
    spec = cnn10_subnet(tuple((width, width) for width in widths))
    network = dataclasses.replace(experiment.network, embedding_units=widths[-1], pool_last=True)
    return spec, network


def teacher_path(experiment: Experiment) -> Path:
    """The trained teacher."""
    return experiment.workdir.path / "teacher.keras"
