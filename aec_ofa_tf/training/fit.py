"""Training of one network, shared by the teacher, supernet and subnet stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.augment import SpecAugmentConfig
from aec_ofa_tf.dataset import TRAIN, Share
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Members, Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.tasks import balanced_class_weights
from aec_ofa_tf.training import disturbing
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.config import TrainConfig
from aec_ofa_tf.training.device_config import check_divisible
from aec_ofa_tf.training.gradients import Gradients, shared_gradients
from aec_ofa_tf.training.loop import Feed, LoopConfig, StepLoop
from aec_ofa_tf.training.monitor import Monitor
from aec_ofa_tf.training.optimizer import new_optimizer
from aec_ofa_tf.training.origins import TransferConfig
from aec_ofa_tf.training.precision import resolve_precision
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.sampler import Sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Teacher, Trainer


@dataclass(frozen=True)
class Phase:
    """A part of a training run with its own sampler.

    Attributes:
        sampler: samples the subnets of a step.
        until: the step number at which the phase ends, counted from the start of training.
        step: the configuration of its train steps; None for the plan's.
        teacher: makes the teacher at the step at which the phase begins or is resumed; None for
            the plan's.
        statistics: batch-norm moments of its train steps; None for those of their clips.
        gradients: computes loss and gradients of a step's subnets.
    """

    sampler: Sampler
    until: int
    step: StepConfig | None = None
    teacher: Callable[[int], Teacher] | None = None
    statistics: Statistics | None = None
    gradients: Gradients = shared_gradients


@dataclass(frozen=True)
class DistillationSource:
    """The source of the teacher's scores; neither is set if they are not needed.

    Attributes:
        soft_labels: the directory of the teacher's cached scores.
        teacher: the teacher itself.
    """

    soft_labels: Path | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True)
class Plan:
    """One training run from its first step to its last.

    Attributes:
        name: name of the stage, for checkpoints, summaries and progress bar.
        phases: the phases in order; they share one optimiser.
        step: the configuration of a train step.
        watched: subnets whose validation figure is reported, by name.
        source: the source of the teacher's scores, if they are targets.
        transfer: the schedule of a pretrained body; None if all weights are trained alike.
        config: the stage's configuration, which TensorBoard shows.
    """

    name: str
    phases: Sequence[Phase]
    step: StepConfig
    watched: Mapping[str, Subnet]
    source: DistillationSource = DistillationSource()
    transfer: TransferConfig | None = None
    config: object = None


def step_config(
    run: Run,
    train: TrainConfig,
    target: str,
    mixup: bool,
    label_weight: float,
    feature_weight: float = 0.0,
    map_weight: float = 0.0,
) -> StepConfig:
    """The train step that a configuration describes."""
    return StepConfig(
        target=target,
        seed=train.seed,
        mixup=mixup and train.mixup_alpha > 0,
        mixup_alpha=train.mixup_alpha,
        mixup_domain=train.mixup_domain,
        crop_frames=crop_frames(run, train),
        crop_silence=train.crop_silence,
        time_roll=train.time_roll,
        gain_db=train.gain_db,
        time_stretch=train.time_stretch,
        equalizer_db=train.equalizer_db,
        mel_shift_bins=train.mel_shift_bins,
        disturbances=disturbing.disturbances(run.records, train),
        floor_db=run.records.front_end.floor_db,
        label_smoothing=train.label_smoothing,
        label_weight=label_weight,
        feature_weight=feature_weight,
        map_weight=map_weight,
        spec_augment=SpecAugmentConfig(
            time_frames=train.time_mask_frames, mel_bins=train.mel_mask_bins
        ),
        jit_compile=train.jit_compile,
        **_class_weights(run, train),
    )


def crop_frames(run: Run, train: TrainConfig) -> int:
    """Frames of the crops that are trained on; 0 for whole clips."""
    return disturbing.crop_frames(run.records, train)


def _class_weights(run: Run, train: TrainConfig) -> dict[str, Any]:
    """The step's `class_weights`, if they are balanced."""
    if train.class_weights == "none":
        return {}
    return {"class_weights": balanced_class_weights(run.records.clips_per_label(TRAIN))}


def new_network(run: Run, members: Members, network: NetworkConfig, train: TrainConfig) -> Supernet:
    """A network with fresh weights on all devices."""
    keras.utils.set_random_seed(train.seed)
    with run.devices.strategy.scope():
        return Supernet(members, network, resolve_precision(train.precision), train.execution)


def fit(run: Run, supernet: Supernet, plan: Plan, train: TrainConfig) -> dict[str, float]:
    """Trains a network through the plan's phases, from the newest checkpoint on.

    Args:
        run: data, devices and run directory.
        supernet: the network, which is changed in place.
        plan: the phases and the train step.
        train: settings of training.

    Returns:
        The task's figure on the validation split by `watched` name; empty without validation clips
        and on workers other than the chief.

    Raises:
        ValueError: the batch cannot be divided equally among the replicas, or a checkpoint is of
            another run.
        OSError: there are checkpoints, but none can be read.
        RuntimeError: the loss or a weight is not finite.
    """
    devices, name = run.devices, plan.name
    feed = training_feed(run, train, plan.step.mixup, plan.source.soft_labels)
    optimizer = _optimizer(run, supernet, train, plan)
    store = _store(run, name, supernet, optimizer, _position(run, train, feed.batch_size))
    step = store.restore()
    devices.require_same(f"{name} {step}", "they restored different steps; share the run directory")
    if step and devices.chief:
        logging.info("%s goes on after step %d of %d", name, step, plan.phases[-1].until)
    directory = run.workdir.path / "events" / name if devices.chief else None
    log = SummaryLog(directory)
    sizes = Sizes.of(train)
    monitor = Monitor(run, supernet, plan.watched, sizes, log)
    monitor.describe(step, plan.config or train)
    for phase in (phase for phase in plan.phases if step < phase.until):
        teacher = phase.teacher(step) if phase.teacher else plan.source.teacher
        with devices.strategy.scope():
            step_of = phase.step or plan.step
            trainer = Trainer(
                supernet, phase.sampler, step_of, teacher, phase.gradients, phase.statistics
            )
            trainer.compile(optimizer=optimizer, auto_scale_loss=False)
        monitor.show_clips(step, trainer)
        loop = StepLoop(trainer, devices, store, log, monitor.validate, name)
        every = train.checkpoint_every, train.summary_every, train.validate_every
        step = loop.run(feed, step, LoopConfig(phase.until, *every, train.profile_steps))
    return monitor.validate(step)


def training_feed(run: Run, train: TrainConfig, mixup: bool, soft_labels: Path | None) -> Feed:
    """The training batches of every replica, and the ids of their clips.

    Args:
        run: data and devices.
        train: batch size, seed and how clips are drawn.
        mixup: whether pairs of clips are mixed, which needs twice as many clips.
        soft_labels: directory of the teacher's cached scores, or None.

    Raises:
        ValueError: the batch cannot be divided equally among the replicas.
    """
    strategy, records = run.devices.strategy, run.records
    # Data sets of one's own may not have this argument.
    drawn: dict[str, Any] = {"balanced": True} if train.clip_sampling == "balanced" else {}
    check_divisible(train.batch_size, run.devices.replicas)
    batch_size = train.batch_size * (2 if mixup else 1)

    def batches_from(start: int) -> Any:
        def part(context: tf.distribute.InputContext) -> tf.data.Dataset:
            count = context.num_replicas_in_sync // context.num_input_pipelines
            first = context.input_pipeline_id * count
            share = Share(first, count, context.num_replicas_in_sync)
            batches = records.training_batches(
                batch_size, train.seed, start, soft_labels, share, **drawn
            )
            # Strings cannot go to a GPU; `ids` reads them again when an error needs them.
            return batches.map(lambda batch: {k: v for k, v in batch.items() if k != "id"})

        return records.checked(strategy.distribute_datasets_from_function(part))

    def ids(step: int) -> list[str]:
        stream = records.training_batches(batch_size, train.seed, step, **drawn)
        batch = next(iter(stream))
        return [name.decode(errors="replace") for name in batch["id"].numpy()]

    return Feed(batches_from, batch_size, ids)


def _position(run: Run, train: TrainConfig, batch_size: int) -> Callable[[int], dict[str, int]]:
    """The position in a checkpoint: seed, and epoch and index of the next clip."""

    def position(step: int) -> dict[str, int]:
        epoch, index = run.records.training_position(batch_size, step)
        return {"seed": train.seed, "epoch": epoch, "index": index}

    return position


def _optimizer(run: Run, supernet: Supernet, train: TrainConfig, plan: Plan) -> keras.Optimizer:
    with run.devices.strategy.scope():
        head = supernet.head_layer.trainable_variables
        optimizer = new_optimizer(train, plan.phases[-1].until, plan.transfer, head)
        if supernet.compute_dtype == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(supernet.trainable_variables)
    return optimizer


def _store(
    run: Run,
    name: str,
    supernet: Supernet,
    optimizer: keras.Optimizer,
    position: Callable[[int], dict[str, int]],
) -> CheckpointStore:
    path, writable = run.checkpoints(name), run.devices.chief
    store = CheckpointStore(path, supernet, optimizer, position, writable=writable)
    store.require_room()
    return store
