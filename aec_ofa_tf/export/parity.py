"""Compares the scores of a TFLite file, and the task's figure, with those of its Keras model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.metrics import defined_classes
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import ModelInfo, write_bundle
from aec_ofa_tf.tagging.windows import overall_scores
from aec_ofa_tf.tasks import Task, get_task

MAX_ABS_ERROR = {"float32": 1e-4, "float16": 1e-2}
"""Largest allowed difference of a score from Keras', by quantisation; for logits it is multiplied
by the largest logit. For other quantisations the drop of the task's figure is bounded instead."""

_BATCH = 16


@dataclass(frozen=True)
class Parity:
    """The differences between a file and its Keras model on the parity clips.

    Attributes:
        max_abs_error: the largest difference of any score.
        figure: name of the task's figure, "mAP" or "accuracy".
        drop: Keras' figure minus the file's; None if the labels do not define it.
    """

    max_abs_error: float
    figure: str
    drop: float | None


def log_mel_batches(clips: np.ndarray, info: ModelInfo) -> Iterator[tf.Tensor]:
    """Yields parity or representative clips as batches of log-mel.

    Args:
        clips: float32 [clips, frames, mel_bins] or [clips, samples], depending on `info.input`.
        info: model card of the file for these clips.

    Yields:
        Float32 [batch, frames, mel_bins] in dB, in the clips' order.
    """
    for start in range(0, len(clips), _BATCH):
        batch = tf.constant(clips[start : start + _BATCH], tf.float32)
        yield log_mel(batch, info.front_end) if info.input == "waveform" else batch


def figure_of(task: Task, scores: np.ndarray, labels: np.ndarray | None) -> float | None:
    """The task's figure.

    Args:
        task: the task.
        scores: float [clips, classes].
        labels: {0, 1} of the same shape, or None.

    Returns:
        The figure, or None without labels. A mAP is also None if no class has both positive and
        negative clips, an accuracy if not every clip has exactly one label.
    """
    if labels is None:
        return None
    if task.single_label:
        return task.figure_of(task.metrics(scores, labels)) if (labels.sum(1) == 1).all() else None
    return task.figure_of(task.metrics(scores, labels)) if defined_classes(labels).any() else None


def check_measurable(request: ConversionRequest) -> None:
    """Checks that the parity clips define the task's figure if its drop is bounded.

    Raises:
        ValueError: only the figure is bounded for this quantisation, and the labels of the parity
            clips do not define it (`figure_of`).
    """
    info, labels = request.info, request.parity_labels
    task = get_task(info.task)
    is_bounded = info.quantization not in MAX_ABS_ERROR and request.max_map_drop < 1
    if is_bounded and (labels is None or figure_of(task, labels, labels) is None):
        raise ValueError(
            f"{Path(request.path).name}: {task.figure} may fall by {request.max_map_drop:g}, "
            f"but the {len(request.parity_clips)} parity clips do not define it: no class has both "
            "positive and negative clips, or not every clip has exactly one label. Compare on more "
            "clips (parity_clips), or remove the bound (max_map_drop=1)"
        )


def check_parity(
    model: keras.Model, request: ConversionRequest, tflite_bytes: bytes, folder: Path
) -> Parity:
    """Compares a file with the model that it was made from on the parity clips.

    Scores are bounded by `MAX_ABS_ERROR`. For quantisations that it does not list, the task's
    figure is bounded by `request.max_map_drop`.

    Args:
        model: from float32 [batch, frames, mel_bins] to float32 [batch, classes].
        request: the request of the file.
        tflite_bytes: the flatbuffer.
        folder: folder for temporary files.

    Returns:
        The differences.

    Raises:
        RuntimeError: a difference exceeds its bound, or a score is not finite.
    """
    expected = keras_scores(model, request.parity_clips, request.info)
    received = run_draft(tflite_bytes, request.info, request.parity_clips, folder)
    error = _checked_error(request, expected, received)
    drop = checked_drop(request, expected, received)
    return Parity(error, get_task(request.info.task).figure, drop)


def check_fine_tuned(model: keras.Model, tuned: keras.Model, request: ConversionRequest) -> None:
    """Checks that fine-tuning did not make the network worse.

    This check is needed because the file is compared only with the network after fine-tuning.

    Args:
        model: the network before fine-tuning.
        tuned: the network after fine-tuning, in float32.
        request: the clips, the labels and the bound on the task's figure.

    Raises:
        RuntimeError: the figure fell by more than the bound.
    """
    before, after = (
        keras_scores(network, request.parity_clips, request.info) for network in (model, tuned)
    )
    task = get_task(request.info.task)
    drop = _drop(request, before, after)
    if drop is not None and drop > request.max_map_drop:
        raise RuntimeError(
            f"{Path(request.path).name}: fine-tuning lowered {task.figure} by {drop:.4f} (bound "
            f"{request.max_map_drop:g}) on {len(before)} clips; no file was written. Lower "
            "qat_learning_rate, or change qat_steps"
        )


def run_draft(tflite_bytes: bytes, info: ModelInfo, clips: np.ndarray, folder: Path) -> np.ndarray:
    """Runs a file by the interpreter that `Tagger` uses.

    Args:
        tflite_bytes: the flatbuffer.
        info: its model card.
        clips: float32 [clips, ...], inputs of the file.
        folder: folder for temporary files.

    Returns:
        float32 [clips, ...], one output per clip.
    """
    draft = folder / "draft.tflite"
    write_bundle(tflite_bytes, info, draft)
    return TFLiteModel(draft).batch_scores(clips)


def keras_scores(model: keras.Model, clips: np.ndarray, info: ModelInfo) -> np.ndarray:
    """Keras' scores of parity clips, float32 [clips, classes]."""
    scores = [
        keras.ops.convert_to_numpy(model(batch, training=False))
        for batch in log_mel_batches(clips, info)
    ]
    return np.concatenate(scores).astype(np.float32)


def _checked_error(request: ConversionRequest, expected: np.ndarray, received: np.ndarray) -> float:
    info = request.info
    error = float(np.max(np.abs(received - expected)))
    # The precision of float32 is relative to a value; scores are at most 1, logits may be larger.
    size = max(1.0, float(np.max(np.abs(expected))))
    bound = size * MAX_ABS_ERROR.get(info.quantization, np.inf)
    # Written so that a NaN fails too.
    if not (np.isfinite(error) and error <= bound):
        raise RuntimeError(
            f"{Path(request.path).name}: scores of the {info.quantization} {info.input} file "
            f"differ from Keras' by {error:.3g} (bound {bound:g}) on "
            f"{len(request.parity_clips)} clips; no file was written. Look for extreme weights or "
            "batch-norm statistics, or choose another quantisation"
        )
    return error


def checked_drop(
    request: ConversionRequest, expected: np.ndarray, received: np.ndarray, place: str = ""
) -> float | None:
    """The drop of the task's figure on the parity clips; None if their labels do not define it.

    Args:
        request: the clips' labels and the bound.
        expected: Keras' scores, float32 [clips, classes].
        received: the file's scores.
        place: what ran the file, for the message: " in ...".

    Raises:
        RuntimeError: the drop exceeds its bound.
    """
    info, task = request.info, get_task(request.info.task)
    drop = _drop(request, expected, received)
    is_bounded = info.quantization not in MAX_ABS_ERROR
    if drop is not None and is_bounded and drop > request.max_map_drop:
        advice = "for int8 of MobileNets split channels (split_channels), "
        split = "" if request.split_channels else advice
        clips = len(expected) // info.windows_per_clip
        raise RuntimeError(
            f"{Path(request.path).name}: {task.figure} of the {info.quantization} {info.input} "
            f"file{place} is {drop:.4f} below Keras' (bound {request.max_map_drop:g}) on "
            f"{clips} clips; no file was written. To lose less, {split}use "
            "more, or more varied, representative clips or another quantisation; or allow a larger "
            "drop (max_map_drop)"
        )
    return drop


def _drop(request: ConversionRequest, expected: np.ndarray, received: np.ndarray) -> float | None:
    info, labels = request.info, request.parity_labels
    task, windows = get_task(info.task), info.windows_per_clip
    before, after = (
        figure_of(
            task,
            overall_scores(scores, windows, info.task),
            None if labels is None else labels[::windows],
        )
        for scores in (expected, received)
    )
    return None if before is None or after is None else before - after
