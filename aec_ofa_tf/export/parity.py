"""Whether a TFLite file computes what its Keras model computes, and as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from aec_ofa_tf.export.features import log_mel_batches
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.metrics import defined_classes, evaluate_scores
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import ModelInfo, write_bundle
from aec_ofa_tf.tasks import MULTI_LABEL

MAX_ABS_ERROR = {"float32": 1e-4, "float16": 1e-2}
"""How far a score may lie from Keras' (a logit: times the largest). Others are bound by mAP."""


@dataclass(frozen=True)
class Parity:
    """How a file compares with Keras on the parity clips.

    Attributes:
        max_abs_error: the largest difference of any score.
        map_drop: Keras' mAP minus the file's; None where no class is defined by labels.
    """

    max_abs_error: float
    map_drop: float | None


def check_measurable(request: ConversionRequest) -> None:
    """Refuses a bound on the mAP where the parity clips cannot tell it: it would hold nothing back.

    Raises:
        ValueError: the quantisation is bound by mAP alone, and no class is in some of the parity
            clips and missing in others.
    """
    by_map = request.info.quantization not in MAX_ABS_ERROR and np.isfinite(request.max_map_drop)
    labels = request.parity_labels
    if by_map and (labels is None or not defined_classes(labels).any()):
        raise ValueError(
            f"{Path(request.path).name}: mAP may fall by {request.max_map_drop:g}, but the "
            f"{len(request.parity_clips)} parity clips have no class that only some of them hold: "
            "compare on more clips, or give up the bound (max_map_drop=inf)"
        )


def check_parity(
    model: keras.Model, request: ConversionRequest, tflite_bytes: bytes, folder: Path
) -> Parity:
    """Runs a file and the model that it was made from on the parity clips.

    Args:
        model: from float32 [batch, frames, mel_bins] to float32 [batch, classes].
        request: what the file should be; scores are bound by `MAX_ABS_ERROR`, in quantisations
            that it does not name the mAP by `request.max_map_drop`.
        tflite_bytes: the flatbuffer.
        folder: for temporary files.

    Returns:
        The differences.

    Raises:
        RuntimeError: one is beyond its bound, or a score is not finite.
    """
    expected = _keras_scores(model, request.parity_clips, request.info)
    received = run_draft(tflite_bytes, request.info, request.parity_clips, folder)
    error = _checked_error(request, expected, received)
    return Parity(error, _checked_map_drop(request, expected, received))


def check_fine_tuned(model: keras.Model, tuned: keras.Model, request: ConversionRequest) -> None:
    """Refuses fine-tuning that lost what the network knew: its file is compared with it alone.

    Args:
        model: before fine-tuning.
        tuned: after it, in float32.
        request: with the clips, the labels and the bound on the mAP.

    Raises:
        RuntimeError: the mAP fell by more than that.
    """
    before, after = (
        _keras_scores(network, request.parity_clips, request.info) for network in (model, tuned)
    )
    drop = _map_drop(before, after, request.parity_labels)
    if drop is not None and drop > request.max_map_drop:
        raise RuntimeError(
            f"{Path(request.path).name}: fine-tuning lowered the mAP by {drop:.4f} (bound "
            f"{request.max_map_drop:g}) on {len(before)} clips; no file was written. Lower its "
            "learning rate (--qat_learning_rate), or change its steps"
        )


def run_draft(tflite_bytes: bytes, info: ModelInfo, clips: np.ndarray, folder: Path) -> np.ndarray:
    """What the file will compute, by the interpreter that `tag` uses.

    Args:
        tflite_bytes: the flatbuffer.
        info: its model card.
        clips: float32 [clips, ...] of the form that the file takes.
        folder: for the draft.

    Returns:
        float32 [clips, ...], one output per clip.
    """
    draft = folder / "draft.tflite"
    write_bundle(tflite_bytes, info, draft)
    return TFLiteModel(draft).batch_scores(clips)


def _keras_scores(model: keras.Model, clips: np.ndarray, info: ModelInfo) -> np.ndarray:
    scores = [
        keras.ops.convert_to_numpy(model(batch, training=False))
        for batch in log_mel_batches(clips, info)
    ]
    return np.concatenate(scores).astype(np.float32)


def _checked_error(request: ConversionRequest, expected: np.ndarray, received: np.ndarray) -> float:
    info = request.info
    error = float(np.max(np.abs(received - expected)))
    # Float32 resolves relative to a value's size; scores are at most 1, logits may be larger.
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


def _checked_map_drop(
    request: ConversionRequest, expected: np.ndarray, received: np.ndarray
) -> float | None:
    info = request.info
    drop = _map_drop(expected, received, request.parity_labels)
    is_bound = info.quantization not in MAX_ABS_ERROR
    if drop is not None and is_bound and drop > request.max_map_drop:
        raise RuntimeError(
            f"{Path(request.path).name}: the mAP of the {info.quantization} {info.input} file is "
            f"{drop:.4f} below Keras' (bound {request.max_map_drop:g}) on {len(expected)} clips; "
            "no file was written. Give more, or more varied, representative clips, choose another "
            "quantisation, or allow a larger drop (max_map_drop)"
        )
    return drop


def _map_drop(
    expected: np.ndarray, received: np.ndarray, labels: np.ndarray | None
) -> float | None:
    if labels is None or not defined_classes(labels).any():
        return None
    before, after = evaluate_scores(expected, labels), evaluate_scores(received, labels)
    return MULTI_LABEL.figure_of(before) - MULTI_LABEL.figure_of(after)
