"""What a TFLite conversion is asked for, what it returns, and which requests are valid.

No TensorFlow here, so that invalid requests fail before anything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aec_ofa_tf.tagging.model_file import INPUTS, IO_TYPES, QUANTIZATIONS, ModelInfo
from aec_ofa_tf.tasks import TASKS, get_task

if TYPE_CHECKING:
    import keras

_INTEGER = ("int8", "int8_qat")
"""Quantisations in which a network computes in integers throughout."""

# Measured on 20 ESC-10 clips of 5 s and a 1 kHz tone, against log_mel in TensorFlow.
_REFUSED = {
    "float16": "the power floor of 1e-10 underflows, so that digital silence becomes -inf dB, and "
    "a pure tone's log-mel is off by up to 27 dB",
    "dynamic": "8-bit power spectra put the log-mel of real clips off by up to 101 dB, by 19 dB "
    "in the mean",
}


@dataclass(frozen=True, eq=False)
class ConversionRequest:
    """One TFLite file to make from a Keras model.

    Attributes:
        path: the file's final name.
        info: the model card; its `input`, `quantization` and `io_type` say what to make.
        parity_clips: float32 [clips, frames, mel_bins] or [clips, samples], as `info.input` says;
            the file is compared with Keras on these.
        representative_clips: float32 of the same form; int8 finds its scales on these, and int8
            and float16 the best rounding of the first convolution.
        twin: for int8_qat, folder of the simulated network (`FineTuned.twin`); the model is then
            its float32 counterpart (`FineTuned.model`).
        parity_labels: {0, 1} [clips, classes] of the parity clips, uint8 or float32; without
            them the task's figure is not compared.
        max_figure_drop: how far the task's figure (mAP or accuracy) on the parity clips may fall
            below Keras' in a quantisation whose scores have no bound (`parity.MAX_ABS_ERROR`).
    """

    path: Path
    info: ModelInfo
    parity_clips: np.ndarray
    representative_clips: np.ndarray | None = None
    twin: Path | None = None
    parity_labels: np.ndarray | None = None
    max_figure_drop: float = math.inf


@dataclass(frozen=True)
class Conversion:
    """A TFLite file that was made.

    Attributes:
        file: where it is.
        bytes: its size, model card included.
        max_abs_error: the largest difference of any score from Keras on the parity clips.
        quantization: as in the request.
        input: as in the request.
        figure: what `parity_drop` is a drop of: the task's figure, "mAP" or "accuracy".
        parity_drop: Keras' figure minus the file's on the parity clips; None where the labels do
            not define it (`parity.figure_of`).
        io_type: as in the request.
    """

    file: str
    bytes: int
    max_abs_error: float
    quantization: str
    input: str
    figure: str
    parity_drop: float | None = None
    io_type: str = "float32"


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned, once in float32 and once with its quantisation simulated.

    Attributes:
        steps: steps of Adam; the learning rate falls to 0 along a cosine.
        learning_rate: learning rate of the first step.
        batch_size: clips of a step.
        seed: seed of the order of the clips.

    Raises:
        ValueError: a number is not positive, or the seed is negative.
    """

    steps: int = 300
    learning_rate: float = 1e-4
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        positive = min(self.steps, self.batch_size) >= 1 and self.learning_rate > 0
        if not positive or self.seed < 0:
            raise ValueError(
                "fine-tuning takes at least one step of one clip, a positive learning rate and a "
                f"seed from 0, received {self}"
            )


def check_requests(work: Sequence[tuple[keras.Model, ConversionRequest]]) -> None:
    """Rejects invalid requests before any work is done.

    Raises:
        ValueError: there is no request, two do not share clip length and front end, two of one
            folder do not share labels, or one is invalid or does not fit its model.
    """
    if not work:
        raise ValueError("nothing to convert: no requests")
    first = work[0][1].info
    labels: dict[Path, tuple[str, ...]] = {}
    for model, request in work:
        info, name = request.info, Path(request.path).name
        if (info.clip_samples, info.front_end) != (first.clip_samples, first.front_end):
            raise ValueError(f"{name}: files made together share clip length and front end")
        if labels.setdefault(Path(request.path).parent, info.labels) != info.labels:
            raise ValueError(f"{name}: files in one folder share their labels and labels.txt")
        _check_quantization(request, name)
        _check_shapes(model, request, name)
        _check_activation(model, request, name)
        _check_labels(request, name)


def check_kind(input_kind: str, quantization: str, io_type: str = "float32") -> None:
    """Rejects combinations of input, quantisation and type of tensors that cannot be converted.

    Raises:
        ValueError: one is unknown, the front end could not stay float32, or integer tensors are
            requested at the ends of a network that does not compute in integers.
    """
    if input_kind not in INPUTS or quantization not in QUANTIZATIONS or io_type not in IO_TYPES:
        raise ValueError(
            f"inputs are {', '.join(INPUTS)}, quantisations {', '.join(QUANTIZATIONS)} and types "
            f"{', '.join(IO_TYPES)}, received {input_kind!r}, {quantization!r} and {io_type!r}"
        )
    if io_type == "int8" and (input_kind == "waveform" or quantization not in _INTEGER):
        why, remedy = (
            ("a waveform goes into a float32 front end", "log_mel as input")
            if input_kind == "waveform"
            else (f"only {' and '.join(_INTEGER)} networks compute in integers", "one of them")
        )
        raise ValueError(
            f"a {input_kind}-in {quantization} file cannot have int8 tensors at its ends: {why}. "
            f"Use {remedy}, or io_type=float32"
        )
    if input_kind == "waveform" and quantization in _REFUSED:
        raise ValueError(
            f"a waveform-in model cannot be {quantization}, because TensorFlow's converter "
            f"would quantise the front end too: {_REFUSED[quantization]}. Use float32, int8 or "
            "int8_qat, whose front end stays float32, or log_mel as input"
        )


def _check_quantization(request: ConversionRequest, name: str) -> None:
    quantization = request.info.quantization
    try:
        check_kind(request.info.input, quantization, request.info.io_type)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if quantization == "int8" and request.representative_clips is None:
        raise ValueError(f"{name}: int8 needs representative_clips to find its scales")
    if (quantization == "int8_qat") != (request.twin is not None):
        raise ValueError(
            f"{name}: int8_qat files, and no others, are made from a network that fine_tune has "
            f"trained for int8: give its twin, received twin={request.twin} for {quantization}"
        )


def _check_shapes(model: keras.Model, request: ConversionRequest, name: str) -> None:
    info = request.info
    config = info.front_end
    if info.clip_samples % config.hop_samples:
        raise ValueError(
            f"{name}: clip_samples is a multiple of {config.hop_samples}, received "
            f"{info.clip_samples}"
        )
    log_mel = (info.clip_samples // config.hop_samples, config.mel_bins)
    if model.input_shape[1:] != log_mel or model.output_shape[1:] != (len(info.labels),):
        raise ValueError(
            f"{name}: the model maps {model.input_shape[1:]} to {model.output_shape[1:]}, but its "
            f"card names log-mel {log_mel} and {len(info.labels)} labels"
        )
    clip = (info.clip_samples,) if info.input == "waveform" else log_mel
    for clips in (request.parity_clips, request.representative_clips):
        if clips is not None and (len(clips) < 1 or clips.shape[1:] != clip):
            raise ValueError(
                f"{name}: expected at least one {info.input} clip of shape {clip}, received "
                f"an array of shape {clips.shape}"
            )


def _check_activation(model: keras.Model, request: ConversionRequest, name: str) -> None:
    """Logits are allowed; the scores of another task are not."""
    task = get_task(request.info.task)
    last = model.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__)
    others = {get_task(other).activation for other in TASKS} - {task.activation}
    if activation.lower() in others:
        raise ValueError(
            f"{name}: the scores of a {task.name} model are a {task.activation} of its logits, "
            f"received a model that ends in {activation}; set task in its card, or build the model "
            f"with {task.activation}"
        )


def _check_labels(request: ConversionRequest, name: str) -> None:
    labels, shape = request.parity_labels, (len(request.parity_clips), len(request.info.labels))
    if labels is not None and labels.shape != shape:
        raise ValueError(
            f"{name}: the labels of the parity clips are [clips, classes] {shape}, received an "
            f"array of shape {labels.shape}"
        )
    # Written so that a NaN fails too.
    if not request.max_figure_drop >= 0:
        raise ValueError(
            f"{name}: max_figure_drop is 0 or more, received {request.max_figure_drop}"
        )
