"""Scores of model files on a split of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from aec_ofa_tf.metrics import Metrics, evaluate_scores
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from pipelines.experiment import open_trained
from pipelines.stages.models import load_model
from tfrecords.dataset import evaluation_batches
from tfrecords.records import CheckedBatches, Records, open_records

FLAGS = flags.FLAGS


def evaluate_tflite(path: Path, records: Records, split: str, threads: int = 1) -> Metrics:
    """Runs the TFLite file itself on every clip of a split.

    Raises:
        ValueError: the file is no classifier, was made for other labels, clips or another front end
            than the records have, or takes waveforms where the records hold log-mel.
    """
    model = TFLiteModel(path, threads)
    if not model.info.labels:
        raise ValueError(f"{path} has no labels: it is not a classifier")
    if model.info.labels != records.labels:
        raise ValueError(f"{path} knows other labels than the records in {records.data_dir}")
    if model.info.clip_samples != records.clip_samples:
        raise ValueError(
            f"{path} takes clips of {model.info.clip_samples} samples, the records in "
            f"{records.data_dir} hold clips of {records.clip_samples}"
        )
    if model.info.front_end != records.front_end:
        raise ValueError(
            f"{path} expects another front end than the records in {records.data_dir} were made "
            f"with: {model.info.front_end} and {records.front_end}"
        )
    feature = model.info.input
    batches = CheckedBatches(evaluation_batches(records, split, 1, features=(feature,)))
    scores, labels = [], []
    for batch in tqdm(batches, total=records.clips(split), desc=path.name, unit="clip"):
        scores.append(model.scores(batch[feature][0].numpy()))
        labels.append(batch["labels"][0].numpy())
    return evaluate_scores(np.stack(scores), np.stack(labels))


def evaluate_keras(path: Path, records: Records, split: str, batch_size: int) -> Metrics:
    """Runs a `.keras` file on every clip of a split.

    Raises:
        ValueError: the file is no model or does not fit the records.
    """
    model = load_model(path)
    shapes = (None, records.frames, records.front_end.mel_bins), (None, len(records.labels))
    if (model.input_shape, model.output_shape) != shapes:
        raise ValueError(
            f"{path} maps {model.input_shape} to {model.output_shape}, the records in "
            f"{records.data_dir} need {shapes[0]} to {shapes[1]}"
        )
    predict = tf.function(lambda log_mel: model(log_mel, training=False), reduce_retracing=True)
    batches = CheckedBatches(evaluation_batches(records, split, batch_size))
    pairs = [(predict(batch["log_mel"]).numpy(), batch["labels"].numpy()) for batch in batches]
    scores, labels = zip(*pairs, strict=True)
    return evaluate_scores(np.concatenate(scores), np.concatenate(labels))


def evaluate_model(model: Path) -> dict[str, Any]:
    """Evaluates what `--model`, `--subnet` and `--teacher` name on `--split` of `--data_dir`.

    Raises:
        ValueError: a workdir comes without exactly one of subnet and teacher, or the split has
            no clips.
    """
    if model.is_dir():
        if bool(FLAGS.subnet) == FLAGS.teacher:
            raise ValueError(f"{model} is a workdir: say which model with --subnet or --teacher")
        experiment = open_trained(model, "teacher" if FLAGS.teacher else "supernet")
        _require_clips(experiment.records)
        if not FLAGS.teacher:
            spec = experiment.space.parse_subnet(FLAGS.subnet)
            evaluator = experiment.evaluator(experiment.load_supernet())
            metrics = evaluator.evaluate(spec, experiment.split(FLAGS.split))
            return {"subnet": str(spec), **_named(metrics, experiment.records)}
        model = model / "teacher.keras"
    records = open_records(FLAGS.data_dir)
    _require_clips(records)
    if model.suffix == ".tflite":
        return _named(evaluate_tflite(model, records, FLAGS.split), records)
    return _named(evaluate_keras(model, records, FLAGS.split, FLAGS.batch_size or 64), records)


def _named(metrics: Metrics, records: Records) -> dict[str, Any]:
    """The metrics, with the names of the classes that were left out."""
    left_out = [records.labels[index] for index in metrics.undefined_classes]
    return {**metrics.as_dict(), "undefined_classes": left_out}


def _require_clips(records: Records) -> None:
    if not records.clips(FLAGS.split):
        raise ValueError(f"the records in {records.data_dir} have no {FLAGS.split} clips")
