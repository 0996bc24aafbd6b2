"""Training one network from its flags: what teacher, supernet and subnet stages share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import flags

from aec_ofa_tf.audio.augment import SpecAugmentConfig
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.tasks import MULTI_LABEL
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.loop import LoopConfig, StepLoop
from aec_ofa_tf.training.precision import resolve_precision
from aec_ofa_tf.training.sampler import Sampler
from aec_ofa_tf.training.trainer import StepConfig, Trainer
from pipelines.experiment import Experiment
from pipelines.stages.feed import position_after, training_feed
from tfrecords.clip import VALIDATION

FLAGS = flags.FLAGS


@dataclass(frozen=True)
class Phase:
    """A part of a training run with its own sampler.

    Attributes:
        sampler: which subnets a step computes.
        until: the step number at which it ends.
    """

    sampler: Sampler
    until: int


@dataclass(frozen=True)
class Teaching:
    """Where soft targets come from.

    Attributes:
        soft_labels: the teacher's cached outputs.
        teacher: the teacher itself, from log-mel to scores.
    """

    soft_labels: Path | None = None
    teacher: Callable[[tf.Tensor], tf.Tensor] | None = None


NO_TEACHER = Teaching()


def common_settings(experiment: Experiment) -> dict[str, Any]:
    """The data and the flags that change the outcome of any training stage."""
    names = "batch_size learning_rate schedule precision seed time_roll gain_db "
    names += "time_mask_frames mel_mask_bins calibration_clips"
    values = {**flag_values(*names.split()), "precision": resolve_precision(FLAGS.precision)}
    return {"records": experiment.records.fingerprint, **values}


def flag_values(*names: str) -> dict[str, Any]:
    """Flags by name."""
    return {name: FLAGS[name].value for name in names}


def step_config(target: str, mixup: bool) -> StepConfig:
    """The step that the flags describe."""
    return StepConfig(
        target=target,
        seed=FLAGS.seed,
        mixup=mixup,
        mixup_alpha=FLAGS.mixup_alpha,
        time_roll=FLAGS.time_roll,
        gain_db=FLAGS.gain_db,
        label_weight=FLAGS.label_weight if target != "labels" else 0.0,
        spec_augment=SpecAugmentConfig(
            time_frames=FLAGS.time_mask_frames, mel_bins=FLAGS.mel_mask_bins
        ),
        jit_compile=FLAGS.jit_compile,
    )


def new_network(
    experiment: Experiment, subnets: Sequence[Subnet], network: NetworkConfig
) -> Supernet:
    """A network with fresh weights, on all devices, in the precision and execution of the flags."""
    keras.utils.set_random_seed(FLAGS.seed)
    with experiment.devices.strategy.scope():
        precision = resolve_precision(FLAGS.precision)
        return Supernet(subnets, network, precision, FLAGS.execution)


def fit(
    experiment: Experiment,
    name: str,
    supernet: Supernet,
    phases: Sequence[Phase],
    config: StepConfig,
    watched: dict[str, Subnet],
    teaching: Teaching = NO_TEACHER,
) -> dict[str, float]:
    """Trains a network through its phases, resuming where a checkpoint stands.

    Args:
        experiment: data, devices and run directory.
        name: of the stage: its checkpoints, summaries and progress bar.
        supernet: the network, changed in place.
        phases: samplers in order; one optimiser serves all.
        config: of the step.
        watched: subnets whose validation mAP is reported, by name.
        teaching: the teacher's outputs, or the teacher, where they are the target.

    Returns:
        Validation mAP by `watched` name; empty where the data has no validation split, and on
        workers that are not the chief.

    Raises:
        ValueError: the batch cannot be cut into equal parts for the replicas, or a checkpoint is
            of another run.
    """
    devices = experiment.devices
    config = replace(config, floor_db=experiment.records.front_end.floor_db)
    feed = training_feed(experiment, config.mixup, teaching.soft_labels)
    optimizer = _optimizer(experiment, supernet, phases[-1].until)
    store = _store(experiment, name, supernet, optimizer, feed.batch_size)
    step = store.restore()
    devices.require_same(f"{name} {step}", "they restored different steps; share --workdir")
    log = SummaryLog(experiment.workdir.path / "events" / name if devices.chief else None)
    validate = _validation(experiment, supernet, watched) if devices.chief else dict
    for phase in phases:
        with devices.strategy.scope():
            trainer = Trainer(supernet, phase.sampler, config, teaching.teacher)
            trainer.compile(optimizer=optimizer, auto_scale_loss=False)
        loop = StepLoop(trainer, devices, store, log, validate, name)
        every = FLAGS.checkpoint_every, FLAGS.summary_every, FLAGS.validate_every
        step = loop.run(feed, step, LoopConfig(phase.until, *every))
    scores = validate()
    log.scalars(step, scores)
    return scores


def _optimizer(experiment: Experiment, supernet: Supernet, steps: int) -> keras.Optimizer:
    with experiment.devices.strategy.scope():
        optimizer = keras.optimizers.Adam(_learning_rate(steps))
        if supernet.compute_dtype == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(supernet.trainable_variables)
    return optimizer


def _store(
    experiment: Experiment,
    name: str,
    supernet: Supernet,
    optimizer: keras.Optimizer,
    batch_size: int,
) -> CheckpointStore:
    def position(step: int) -> dict[str, int]:
        return position_after(experiment, batch_size, step)

    writable = experiment.devices.chief
    return CheckpointStore(
        experiment.checkpoints(name), supernet, optimizer, position, writable=writable
    )


def _learning_rate(steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if FLAGS.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    return FLAGS.learning_rate


def _validation(
    experiment: Experiment, supernet: Supernet, watched: dict[str, Subnet]
) -> Callable[[], dict[str, float]]:
    if not experiment.records.clips(VALIDATION):
        return dict
    evaluator = experiment.evaluator(supernet)
    batches = experiment.split(VALIDATION)
    return lambda: {
        f"validation_mAP/{name}": MULTI_LABEL.figure_of(evaluator.evaluate(spec, batches))
        for name, spec in watched.items()
    }
