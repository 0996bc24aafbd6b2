"""Where a supernet's targets come from: stored scores, or a network that runs in every step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from aec_ofa_tf.models.keras_files import load_model, model_fingerprint, save_model
from aec_ofa_tf.models.materialise import build_plain, materialise
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.config import SupernetConfig
from aec_ofa_tf.training.fit import DistillationSource, Teacher
from aec_ofa_tf.training.run import Run, Sizes

TARGETS = {
    "cache": "soft_labels",
    "online": "teacher",
    "largest": "largest",
    "frozen_largest": "teacher",
}
"""The target of a train step (`StepConfig.target`) by `SupernetConfig.distill_from`."""


def stored_or_online(
    run: Run, config: SupernetConfig, frames: int
) -> tuple[DistillationSource, str | None]:
    """The source of the trained teacher's scores, and the teacher's fingerprint; none if unused.

    Args:
        run: the experiment.
        config: the supernet's configuration.
        frames: frames of the clips in a train step.

    Raises:
        ValueError: the teacher is not trained, or its scores are not stored.
        OSError: the teacher's file cannot be read.
    """
    if config.distill_from == "cache":
        result = run.workdir.require_stage("soft_labels").result or {}
        return DistillationSource(run.soft_labels_path), result["teacher"]
    if config.distill_from != "online":
        return DistillationSource(), None
    run.workdir.require_stage("teacher")
    teacher = run.trained_teacher()
    with run.devices.strategy.scope():
        model = load_model(run.teacher_path)
        scores = scorer(model, teacher.subnet, teacher.network(run.network), frames)
    return DistillationSource(teacher=scores), model_fingerprint(model)


def frozen_largest(
    run: Run, supernet: Supernet, config: SupernetConfig, frames: int, step: int
) -> Teacher:
    """The scores of the largest subnet as phase 1 left it.

    It is recalibrated and written when phase 2 begins. A run that is resumed in phase 2 reads it.

    Args:
        run: the experiment.
        supernet: the network at this step.
        config: the supernet's configuration.
        frames: frames of the clips in a train step.
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
        train = config.train
        sizes = Sizes(train.batch_size, train.calibration_clips)
        statistics = run.evaluator(supernet, sizes).recalibrate(largest)
        save_model(materialise(supernet, largest, statistics), path)
    run.devices.wait_for_all()
    with run.devices.strategy.scope():
        return scorer(load_model(path), largest, run.network, frames)


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
