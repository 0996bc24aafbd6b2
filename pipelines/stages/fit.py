"""Training one network from its flags: what teacher, supernet and subnet stages share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from absl import flags

from aec_ofa_tf.audio.spec_augment import SpecAugmentConfig
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.spec import SubnetSpec
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.loop import LoopConfig, StepLoop
from aec_ofa_tf.training.precision import resolve_precision
from aec_ofa_tf.training.sampler import Sampler
from aec_ofa_tf.training.trainer import StepConfig, Trainer
from pipelines.experiment import Experiment
from tfrecords.clip import VALIDATION
from tfrecords.dataset import training_batches
from tfrecords.records import CheckedBatches

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


def common_settings(experiment: Experiment) -> dict[str, Any]:
    """The data and the flags that change the outcome of any training stage."""
    names = "batch_size learning_rate schedule precision seed time_roll time_mask_frames "
    names += "mel_mask_bins calibration_clips"
    return {"records": experiment.records.fingerprint, **flag_values(*names.split())}


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
        label_weight=FLAGS.label_weight if target == "soft_labels" else 0.0,
        spec_augment=SpecAugmentConfig(
            time_frames=FLAGS.time_mask_frames, mel_bins=FLAGS.mel_mask_bins
        ),
    )


def precision() -> str:
    """The dtype policy that `--precision` means on this machine."""
    return resolve_precision(FLAGS.precision)


def fit(
    experiment: Experiment,
    name: str,
    supernet: Supernet,
    phases: Sequence[Phase],
    config: StepConfig,
    watched: dict[str, SubnetSpec],
    soft_labels: Path | None = None,
) -> dict[str, float]:
    """Trains a network through its phases, resuming where a checkpoint stands.

    Args:
        experiment: data and run directory.
        name: of the stage: its checkpoints, summaries and progress bar.
        supernet: the network, changed in place.
        phases: samplers in order; one optimiser serves all.
        config: of the step.
        watched: subnets whose validation mAP is reported, by name.
        soft_labels: the teacher's outputs, where they are the target.

    Returns:
        Validation mAP by `watched` name; empty where the data has no validation split.
    """
    steps = phases[-1].until
    optimizer = keras.optimizers.Adam(_learning_rate(steps))
    store = CheckpointStore(experiment.checkpoints(name), supernet, optimizer)
    store.restore()
    log = SummaryLog(experiment.workdir.path / "events" / name)
    validate = _validation(experiment, supernet, watched)
    batch_size = experiment.batch_size * (2 if config.mixup else 1)
    for phase in phases:
        trainer = Trainer(supernet, phase.sampler, config)
        trainer.compile(optimizer=optimizer)
        loop = StepLoop(trainer, store, log, validate, name)
        loop.run(
            lambda start: CheckedBatches(
                training_batches(experiment.records, batch_size, FLAGS.seed, start, soft_labels)
            ),
            LoopConfig(
                phase.until, FLAGS.checkpoint_every, FLAGS.summary_every, FLAGS.validate_every
            ),
        )
    scores = validate()
    log.scalars(steps, scores)
    return scores


def _learning_rate(steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if FLAGS.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    return FLAGS.learning_rate


def _validation(
    experiment: Experiment, supernet: Supernet, watched: dict[str, SubnetSpec]
) -> Callable[[], dict[str, float]]:
    if not experiment.records.clips(VALIDATION):
        return dict
    evaluator = experiment.evaluator(supernet)
    batches = experiment.split(VALIDATION)
    return lambda: {
        f"validation_mAP/{name}": evaluator.evaluate(spec, batches).mAP
        for name, spec in watched.items()
    }
