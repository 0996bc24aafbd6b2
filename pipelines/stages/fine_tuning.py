"""Fine-tuning of subnets before they become `int8_qat` files."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import flags, logging

from aec_ofa_tf.export.fine_tune import FineTuned, TuningData, fine_tune
from aec_ofa_tf.export.request import FineTuning
from aec_ofa_tf.models.space import Subnet
from pipelines.experiment import Experiment
from pipelines.stages.soft_labels import soft_labels_path
from tfrecords.clip import TRAIN
from tfrecords.dataset import evaluation_batches
from tfrecords.records import CheckedBatches
from tfrecords.soft_labels import MANIFEST_NAME, open_soft_labels

FLAGS = flags.FLAGS
QUANTIZATION = "int8_qat"
FLAG_NAMES = ("qat_steps", "qat_learning_rate", "qat_batch_size", "qat_clips")
FINE_TUNED_FILE = "model-fine_tuned.keras"


def fine_tuned(
    experiment: Experiment,
    models: dict[Subnet, keras.Model],
    calibration_clips: np.ndarray,
    folder: Path,
) -> dict[Subnet, FineTuned]:
    """Fine-tunes subnets as `--qat_steps` and its fellows say.

    They learn from the teacher's soft labels where the run has them, otherwise from the scores
    that they begin with.

    Args:
        experiment: the data.
        models: the subnets.
        calibration_clips: float32 [clips, frames, mel_bins].
        folder: for what conversion reads.

    Raises:
        RuntimeError: fine-tuning failed.
    """
    clips, soft_labels = _clips(experiment)
    settings = FineTuning(
        FLAGS.qat_steps, FLAGS.qat_learning_rate, FLAGS.qat_batch_size, FLAGS.seed
    )
    found = {}
    for spec, model in models.items():
        logging.info("fine-tuning %s on %d clips", spec, len(clips))
        targets = _scores(model, clips) if soft_labels is None else soft_labels
        part = folder / str(spec)
        part.mkdir()
        data = TuningData(clips, targets, calibration_clips)
        found[spec] = fine_tune(model, data, settings, part)
    return found


def _clips(experiment: Experiment) -> tuple[np.ndarray, np.ndarray | None]:
    """The first clean training clips, which are a random sample, and their soft labels, if any."""
    records, path = experiment.records, soft_labels_path(experiment)
    dataset = evaluation_batches(records, TRAIN, experiment.batch_size, limit=FLAGS.qat_clips)
    batches = list(CheckedBatches(dataset))
    clips = np.concatenate([batch["log_mel"].numpy() for batch in batches])
    if not (path / MANIFEST_NAME).is_file():
        return clips, None
    lookup = open_soft_labels(records, path).lookup()
    ids = tf.concat([batch["id"] for batch in batches], axis=0)
    return clips, lookup(tf.range(len(clips), dtype=tf.int64), ids).numpy()


def _scores(model: keras.Model, clips: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(clips, batch_size=32, verbose=0))
