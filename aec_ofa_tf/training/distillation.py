"""Where a supernet's targets come from: stored scores, or a network that runs in every step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate

import tensorflow as tf

from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.models.keras_files import load_model, model_fingerprint, save_model
from aec_ofa_tf.models.materialise import build_plain, load_plain, materialise
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.fit import DistillationSource, Teacher
from aec_ofa_tf.training.learnt import TeacherOutput
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig

TARGETS = {
    "cache": "soft_labels",
    "online": "teacher",
    "largest": "largest",
    "frozen_largest": "teacher",
}
"""The target of a train step (`StepConfig.target`) by `SupernetConfig.distill_from`."""


def source_of(
    run: Run, config: SupernetConfig | SubnetConfig, frames: int
) -> tuple[DistillationSource, str | None]:
    """The source of a teacher's scores and the teacher's fingerprint, if there is one already.

    A supernet makes the teacher "frozen_largest" itself (`frozen_largest`).

    Args:
        run: the experiment.
        config: the configuration of the networks that learn.
        frames: frames of the clips in a train step.

    Raises:
        ValueError: the teacher is not trained, or its scores are not stored.
        OSError: the teacher's file cannot be read.
    """
    kind = config.distill_from
    if kind == "cache":
        result = run.workdir.require_stage("soft_labels").result or {}
        return DistillationSource(run.soft_labels_path), result["teacher"]
    if kind == "online":
        run.workdir.require_stage("teacher")
        teacher = run.trained_teacher()
        with run.devices.strategy.scope():
            model = load_model(run.teacher_path)
            scores = scorer(model, teacher.subnet, teacher.network(run.network), frames)
        return DistillationSource(teacher=scores), model_fingerprint(model)
    if kind == "frozen_largest" and isinstance(config, SubnetConfig):
        run.workdir.require_stage("supernet")
        frozen = load_model(run.frozen_path)
        scores = of_largest(run, frozen, frames)
        return DistillationSource(teacher=scores), model_fingerprint(frozen)
    return DistillationSource(), None


def frozen_largest(
    run: Run,
    supernet: Supernet,
    config: SupernetConfig,
    frames: int,
    kept: Statistics | None,
    step: int,
) -> Teacher:
    """The largest subnet as phase 1 left it, as a teacher.

    It is written when phase 2 begins. A run that is resumed in phase 2 reads it.

    Args:
        run: the experiment.
        supernet: the network at this step.
        config: the supernet's configuration.
        frames: frames of the clips in a train step.
        kept: its batch-norm statistics; None to recalibrate them.
        step: the step at which phase 2 begins or is resumed.

    Raises:
        OSError: the file cannot be read, or a run is resumed and it is missing.
    """
    path, largest = run.frozen_path, run.space.largest
    if step > config.largest_steps and not path.exists():
        raise OSError(
            f"{path} is missing, from which the run learnt until step {step}: restore it from a "
            "copy, or train the stage supernet again"
        )
    if run.devices.chief and step == config.largest_steps:
        sizes = Sizes.of(config.train)
        statistics = kept or run.evaluator(supernet, sizes).recalibrate(largest)
        save_model(materialise(supernet, largest, statistics), path)
    run.devices.wait_for_all()
    return of_largest(run, load_model(path), frames)


def of_largest(run: Run, model: keras.Model, frames: int) -> Teacher:
    """A plain model of the largest subnet as a teacher of its scores, its features and its maps.

    Args:
        run: the experiment.
        model: the model.
        frames: frames of the clips, which its own may differ from.
    """
    largest = run.space.largest
    row = largest.row()
    with run.devices.strategy.scope():
        network = Supernet([largest], replace(run.network, frames=frames))
        statistics = load_plain(network, model)
    ends = [end - 1 for end in accumulate(run.space.stage_units)]

    def teach(log_mel: tf.Tensor) -> TeacherOutput:
        choices = tf.constant(row)
        outputs: dict[int, tf.Tensor] = {}  # of the units before the mean
        shared, _ = network.stem(log_mel, choices, None, statistics, outputs.__setitem__)
        features, _ = network.features(shared, choices, None, statistics, outputs.__setitem__)
        scores = run.task.scores(network.classify(features, choices, None))
        maps = {number: outputs[number] for number in ends if number in outputs}
        return TeacherOutput(scores, tf.reduce_mean(features, axis=[1, 2]), maps)

    return teach


def scorer(model: keras.Model, subnet: Subnet, network: NetworkConfig, frames: int) -> Teacher:
    """A plain model's scores of clips with `frames` frames, which its own may differ from.

    Args:
        model: the model.
        subnet: its shape.
        network: its static parts.
        frames: frames of the clips.
    """
    if frames != network.frames:
        sized = build_plain(subnet, replace(network, frames=frames))
        sized.set_weights(model.get_weights())
        model = sized
    return partial(model, training=False)
