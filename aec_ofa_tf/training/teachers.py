"""Whose scores the soft labels are: the run's teacher's, those in a file, or a model file's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
import tensorflow as tf

from aec_ofa_tf.dataset import TRAIN, Dataset
from aec_ofa_tf.files import sha256_of
from aec_ofa_tf.models.keras_files import load_model, model_fingerprint
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.tagger import Tagger
from aec_ofa_tf.training.origins import SoftLabelsConfig
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.stored_scores import StoredScores, check_classes, check_probabilities
from aec_ofa_tf.training.windowed import whole_of

_BATCH_SIZE = 32
LABELS_FILE = "labels.txt"
"""The labels of a `.keras` file, in its folder."""

Batch = Mapping[str, tf.Tensor]
Score = Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class Teacher:
    """A source of soft labels.

    Attributes:
        fingerprint: identifies it.
        score: from a batch of clean clips to scores, float32 [B, classes], in the records' order.
        feature: what it scores, "log_mel" or "waveform"; None: it knows clips by their ids.
        batch_size: clips per batch.
        is_of_whole: whether it scores whole clips where networks hear windows of them.
    """

    fingerprint: str
    score: Score
    feature: str | None = "log_mel"
    batch_size: int = _BATCH_SIZE
    is_of_whole: bool = False


def open_teacher(run: Run, config: SoftLabelsConfig) -> Teacher:
    """The teacher that a configuration names, checked against the records.

    Raises:
        ValueError: it does not fit the records or the task, or the run's own is not trained.
        OSError: its file cannot be read.
    """
    if config.teacher_scores:
        return _stored(run, StoredScores.read(config.teacher_scores))
    if config.teacher_model:
        path = Path(config.teacher_model)
        teacher = _tflite(run, path) if path.suffix == ".tflite" else _keras(run, path)
        return replace(teacher, score=_checked(path, teacher.score, run.task.single_label))
    batch_size = run.workdir.require_stage("teacher").settings["batch_size"]
    return _of_model(load_model(run.teacher_path), "log_mel", batch_size)


def _checked(path: Path, score: Score, single_label: bool) -> Score:
    def checked(batch: Batch) -> np.ndarray:
        scores = score(batch)
        check_probabilities(path, _texts(batch["id"]), scores, single_label)
        return scores

    return checked


def _stored(run: Run, stored: StoredScores) -> Teacher:
    scores = stored.of_classes(run.records.labels, run.task.single_label)
    ids = (_texts(batch["id"]) for batch in run.records.evaluation_batches(TRAIN, 1024, ()))
    scores.check_covers([clip for batch in ids for clip in batch])
    return Teacher(
        sha256_of(stored.path), lambda batch: scores.of_clips(_texts(batch["id"])), feature=None
    )


def _keras(run: Run, path: Path) -> Teacher:
    """A `.keras` file that takes the records' log-mel, or waveforms of their rate and length."""
    model, records = load_model(path), run.records
    takes = _shapes(records)
    of_whole = _shapes(whole_of(records))
    shape = tuple(model.input_shape[1:])
    is_of_whole = shape in of_whole and shape not in takes
    feature = {**of_whole, **takes}.get(shape)
    if feature is None:
        raise ValueError(
            f"{path} takes clips of shape {shape}; the records have "
            + " and ".join(f"{feature} of shape {shape}" for shape, feature in takes.items())
        )
    names = path.parent / LABELS_FILE
    labels = names.read_text("utf-8").splitlines() if names.is_file() else []
    known = labels if len(labels) == model.output_shape[-1] else None
    exact = run.task.single_label
    check_classes(path, known, model.output_shape[-1], records.labels, exact)
    columns = _columns(known or records.labels, records.labels)
    teacher = _of_model(model, feature)
    return replace(
        teacher, score=lambda batch: teacher.score(batch)[:, columns], is_of_whole=is_of_whole
    )


def _shapes(records: Dataset) -> dict[tuple[int, ...], str]:
    """What a model of the records' clips takes, by its shape."""
    log_mel = records.frames, records.front_end.mel_bins
    return {log_mel: "log_mel", (records.clip_samples,): "waveform"}


def _of_model(
    model: Callable[..., tf.Tensor], feature: str, batch_size: int = _BATCH_SIZE
) -> Teacher:
    predict = tf.function(lambda clips: model(clips, training=False), autograph=False)
    return Teacher(
        model_fingerprint(model), lambda batch: predict(batch[feature]).numpy(), feature, batch_size
    )


def _tflite(run: Run, path: Path) -> Teacher:
    """A TFLite file of this project, with its own front end, rate and clip length."""
    model, records = TFLiteModel(path), run.records
    info = model.info
    check_classes(path, info.labels, len(info.labels), records.labels, run.task.single_label)
    if info.task != run.network.task:
        raise ValueError(
            f"{path} was trained for the task {info.task}, this experiment's is "
            f"{run.network.task}: their scores mean different things"
        )
    columns = _columns(info.labels, records.labels)
    same = info.front_end == records.front_end and info.clip_samples == records.clip_samples
    takes_log_mel = same and info.input == "log_mel"
    is_of_whole = not same  # which `Tagger` cuts into windows of the file's own length
    feature = "log_mel" if takes_log_mel else "waveform"
    score = model.scores if takes_log_mel else _tagger(path, records.front_end.sample_rate_hz)
    return Teacher(
        sha256_of(path),
        lambda batch: np.stack([score(clip)[columns] for clip in batch[feature].numpy()]),
        feature,
        is_of_whole=is_of_whole,
    )


def _tagger(path: Path, rate_hz: int) -> Callable[[np.ndarray], np.ndarray]:
    tagger = Tagger(path)
    return lambda clip: tagger.tag(
        soxr.resample(clip, rate_hz, tagger.info.sample_rate_hz, quality="HQ")
    )


def _columns(labels: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [labels.index(label) for label in wanted]


def _texts(ids: tf.Tensor) -> list[str]:
    return [os.fsdecode(clip) for clip in ids.numpy()]
