"""Scores model files on a split of a data set, and adds scores and latency to results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.dataset import EVALUATION, Dataset
from aec_ofa_tf.export.latency import measure_latency_ms
from aec_ofa_tf.export.results import ConvertedFile, Evaluation, FileScores
from aec_ofa_tf.metrics import Metrics, evaluate_scores
from aec_ofa_tf.micro.scores import micro_scores
from aec_ofa_tf.micro.targets import LITERT, MICRO
from aec_ofa_tf.models.keras_files import load_model
from aec_ofa_tf.per_class import per_class_report
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.tasks import default_task
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.windowed import clip_labels, clip_scores, in_windows


def evaluate_file(
    path: str | os.PathLike[str],
    records: Dataset,
    split: str = EVALUATION,
    batch_size: int = 64,
    interpreter: str = LITERT,
) -> Evaluation:
    """Scores a `.tflite` or `.keras` file on a split.

    Args:
        path: the file.
        records: the data.
        split: the split to score on.
        batch_size: clips per batch of a Keras model; TFLite files process one clip at a time.
        interpreter: "litert", or "micro" for TFLite files with int8 input and output.

    Raises:
        ValueError: the file is not a model for this data or this interpreter, or the split has no
            clips.
        RuntimeError: the micro interpreter is not installed or cannot run the file.
    """
    require_clips(records, split)
    if Path(path).suffix == ".tflite":
        return evaluate_tflite(Path(path), records, split, interpreter=interpreter)
    if interpreter != LITERT:
        raise ValueError(f"the interpreter {interpreter} runs .tflite files only, not {path}")
    return evaluate_keras(Path(path), records, split, batch_size)


def require_clips(records: Dataset, split: str) -> None:
    """Checks that a split has clips.

    Raises:
        ValueError: the split has no clips.
    """
    if not records.clips(split):
        raise ValueError(f"the records have no {split} clips")


def evaluation_of(
    scores: np.ndarray, labels: np.ndarray, records: Dataset, task: str | None = None
) -> Evaluation:
    """The results of scores.

    Args:
        scores: float [rows of the records' batches, classes].
        labels: {0, 1} of the same shape.
        records: the data.
        task: name of the model's task; by default that of such data.
    """
    single_label = records.single_label
    task = task or default_task(single_label)
    scores, labels = clip_scores(scores, records, task), clip_labels(labels, records)
    return Evaluation(
        evaluate_scores(scores, labels, single_label),
        per_class_report(scores, labels, records.labels, single_label),
        records.labels,
    )


def evaluate_tflite(
    path: Path, records: Dataset, split: str, threads: int = 1, interpreter: str = LITERT
) -> Evaluation:
    """Scores a TFLite file on every clip of a split.

    Raises:
        ValueError: the file is not a classifier, its labels, clip length or front end differ from
            the records', its input is a waveform and the records contain log-mel, or it cannot be
            run by the interpreter.
        RuntimeError: the micro interpreter is not installed or cannot run the file.
    """
    model, records = open_tflite(path, records, threads)
    batches = records.evaluation_batches(split, 1, features=(model.info.input,))
    labels = []

    def clips() -> Iterator[np.ndarray]:
        count = records.clips(split)
        for batch in progress(batches, total=count, desc=path.name, unit="clip"):
            labels.append(batch["labels"].numpy())
            yield from batch[model.info.input].numpy()

    micro = interpreter == MICRO
    scores = micro_scores(path, clips()) if micro else model.batch_scores(clips())
    return evaluation_of(scores, np.concatenate(labels), records, model.info.task)


def open_tflite(path: Path, records: Dataset, threads: int = 1) -> tuple[TFLiteModel, Dataset]:
    """Opens a TFLite file that takes the records' clips, or windows of them.

    Returns:
        The file, and the records in windows of its length.

    Raises:
        ValueError: the file is not a classifier, or its labels, clip length or front end differ
            from the records'.
    """
    model = TFLiteModel(path, threads)
    if model.info.front_end == records.front_end:
        records = _of_samples(records, model.info.clip_samples)
    _check_fits(path, model.info, records)
    return model, records


def _of_samples(records: Dataset, samples: int) -> Dataset:
    """The records in windows of this length, if it is one and shorter than their clips."""
    least = records.front_end.min_samples
    if not least <= samples < records.clip_samples:
        return records
    return in_windows(records, samples / records.front_end.sample_rate_hz)


def _check_fits(path: Path, info: ModelInfo, records: Dataset) -> None:
    """Checks that a file's model card fits the records."""
    if not info.labels:
        raise ValueError(f"{path} has no labels: it is not a classifier")
    if info.labels != records.labels:
        raise ValueError(f"{path} has other labels than the records")
    if info.clip_samples != records.clip_samples:
        raise ValueError(
            f"{path} needs clips of {info.clip_samples} samples, the records contain clips of "
            f"{records.clip_samples}"
        )
    if info.front_end != records.front_end:
        raise ValueError(
            f"{path} needs the front end {info.front_end}, the records were made with "
            f"{records.front_end}"
        )


def evaluate_keras(
    path: Path, records: Dataset, split: str, batch_size: int, task: str | None = None
) -> Evaluation:
    """Scores a `.keras` file on every clip of a split.

    Args:
        path: the file.
        records: the data.
        split: the split to score on.
        batch_size: clips per batch.
        task: name of the model's task; by default that of such data.

    Raises:
        ValueError: the file is not a model, or its shapes do not match the records.
    """
    predict, records = open_keras(path, records)
    batches = records.evaluation_batches(split, batch_size)
    pairs = [(predict(batch["log_mel"]).numpy(), batch["labels"].numpy()) for batch in batches]
    scores, labels = zip(*pairs, strict=True)
    return evaluation_of(np.concatenate(scores), np.concatenate(labels), records, task)


def open_keras(path: Path, records: Dataset) -> tuple[Callable[[tf.Tensor], tf.Tensor], Dataset]:
    """Opens a `.keras` file that takes the records' clips, or windows of them.

    Returns:
        A function from log-mel, float32 [clips, frames, mel bins], to scores, float32
        [clips, classes]; and the records in windows of the file's length.

    Raises:
        ValueError: the file is not a model, or its shapes do not match the records.
    """
    model = load_model(path)
    match model.input_shape:
        case (None, int() as frames, _):
            records = _of_samples(records, frames * records.front_end.hop_samples)
    shapes = (None, records.frames, records.front_end.mel_bins), (None, len(records.labels))
    if (model.input_shape, model.output_shape) != shapes:
        raise ValueError(
            f"{path} maps {model.input_shape} to {model.output_shape}, the records need "
            f"{shapes[0]} to {shapes[1]}"
        )
    predict = tf.function(
        lambda log_mel: model(log_mel, training=False), reduce_retracing=True, autograph=False
    )
    return predict, records


def with_scores(run: Run, files: list[ConvertedFile], batch_size: int) -> list[ConvertedFile]:
    """Adds the metrics of files and their Keras models on the evaluation split, if it has clips."""
    records = run.records
    if not records.clips(EVALUATION):
        return files
    references = {
        path: _figures(
            run, evaluate_keras(path, records, EVALUATION, batch_size, run.network.task).metrics
        )
        for path in dict.fromkeys(file.reference for file in files)
    }
    found = []
    for file in files:
        evaluation = evaluate_tflite(file.path, records, EVALUATION)
        own, reference = _figures(run, evaluation.metrics), references[file.reference]
        scores = FileScores(run.task.figure, own, reference, evaluation.per_class)
        found.append(replace(file, scores=scores))
    return found


def with_latency(files: list[ConvertedFile]) -> list[ConvertedFile]:
    """Adds the median time of an invocation on one thread of this machine."""
    taken = measure_latency_ms([file.path for file in files])
    return [replace(file, latency_ms=taken[file.path]) for file in files]


def log_files(files: list[ConvertedFile]) -> None:
    """Logs size and score of every file."""
    for file in files:
        text = ""
        if file.scores:
            figure, own, reference = file.scores.figure, file.scores.own, file.scores.reference
            text = f", {figure} {own[figure]:.3f}, Keras {reference[figure]:.3f}"
        logging.info("%s: %s bytes%s", file.file, f"{file.bytes:,}", text)


def _figures(run: Run, metrics: Metrics) -> dict[str, float | None]:
    return {name: getattr(metrics, name) for name in dict.fromkeys(("mAP", run.task.figure))}
