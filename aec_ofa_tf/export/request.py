"""The request and the result of a TFLite conversion, and checks of requests.

No TensorFlow here, so that invalid requests fail before anything is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.micro.report import PortReport
from aec_ofa_tf.micro.targets import TARGETS, TFLITE
from aec_ofa_tf.tagging.model_file import INPUTS, IO_TYPES, QUANTIZATIONS, ModelInfo
from aec_ofa_tf.tasks import TASKS, get_task

if TYPE_CHECKING:
    import keras

_INTEGER = ("int8", "int8_qat")
"""Quantisations in which a network computes in integers throughout."""

# Measured against log_mel in TensorFlow: float16 on 20 ESC-10 clips of 5 s and a 1 kHz tone,
# dynamic on noise and tones with windows of 8192 samples (tests/export/test_refused.py).
_REFUSED = {
    "float16": "the power floor of 1e-10 underflows, so that digital silence becomes -inf dB, and "
    "a pure tone's log-mel has errors up to 27 dB",
    "dynamic": "mel filters of 1024 values and more, which long windows have, would get 8 bits, "
    "and the log-mel errors up to 0.55 dB where 0.001 dB are allowed",
}


@dataclass(frozen=True, eq=False)
class ConversionRequest:
    """One TFLite file to make from a Keras model.

    Attributes:
        path: the file's final path.
        info: the model card; its `input`, `quantization` and `io_type` determine the conversion.
        parity_clips: float32 [clips, frames, mel_bins] or [clips, samples], depending on
            `info.input`; the file is compared with Keras on these clips.
        representative_clips: float32, of the same kind; used to calibrate the scales of int8 and
            to round the first convolution of int8 and float16.
        twin: for int8_qat, folder of the network with simulated int8 arithmetic
            (`FineTuned.twin`); the model must then be its float32 counterpart (`FineTuned.model`).
        parity_labels: {0, 1} [clips, classes] of the parity clips, uint8 or float32; without
            labels the task's figure is not compared.
        max_map_drop: largest allowed drop of the task's figure (mAP or accuracy) from Keras' on
            the parity clips, for quantisations without a bound in `parity.MAX_ABS_ERROR`; 1 for no
            bound.
        split_channels: whether channels of an int8 network's first convolution that have far
            smaller ranges than others are computed apart (`channel_groups.split_first_channels`).
        target: what the file is for; for microcontrollers and NPUs, C files are made from it too.
    """

    path: Path
    info: ModelInfo
    parity_clips: np.ndarray
    representative_clips: np.ndarray | None = None
    twin: Path | None = None
    parity_labels: np.ndarray | None = None
    max_map_drop: float = 1.0
    split_channels: bool = False
    target: str = TFLITE


@dataclass(frozen=True)
class Conversion:
    """A TFLite file that was made.

    Attributes:
        file: path of the file.
        bytes: size of the file, including the model card.
        max_abs_error: the largest difference of any score from Keras on the parity clips.
        quantization: quantisation of the file.
        input: input of the file, "log_mel" or "waveform".
        figure: the task's figure, "mAP" or "accuracy".
        parity_drop: Keras' figure minus the file's on the parity clips; None if the labels do not
            define it (`parity.figure_of`).
        io_type: type of the input and output tensors.
        port: the C files for a microcontroller or an NPU, if they were requested.
    """

    file: str
    bytes: int
    max_abs_error: float
    quantization: str
    input: str
    figure: str
    parity_drop: float | None = None
    io_type: str = "float32"
    port: PortReport | None = None


@dataclass(frozen=True)
class FineTuning:
    """Settings of fine-tuning, in float32 as well as with simulated quantisation.

    Attributes:
        steps: number of steps of Adam; the learning rate decays to 0 along a cosine.
        learning_rate: initial learning rate.
        batch_size: clips per step.
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
                "fine-tuning needs at least one step with one clip, a positive learning rate and a "
                f"seed of at least 0, received {self}"
            )


def check_requests(work: Sequence[tuple[keras.Model, ConversionRequest]]) -> None:
    """Checks requests before any work is done.

    Raises:
        ValueError: there is no request, clip lengths or front ends differ, labels differ within a
            folder, or a request is invalid or does not match its model.
    """
    if not work:
        raise ValueError("nothing to convert: no requests")
    first = work[0][1].info
    labels: dict[Path, tuple[str, ...]] = {}
    for model, request in work:
        info, name = request.info, Path(request.path).name
        if (info.clip_samples, info.front_end) != (first.clip_samples, first.front_end):
            raise ValueError(
                f"{name}: files of one conversion must have the same clip length and front end"
            )
        if labels.setdefault(Path(request.path).parent, info.labels) != info.labels:
            raise ValueError(
                f"{name}: files in one folder must have the same labels, because they share "
                "labels.txt"
            )
        _check_quantization(request, name)
        _check_shapes(model, request, name)
        _check_activation(model, request, name)
        _check_labels(request, name)


def check_kind(input_kind: str, quantization: str, io_type: str = "float32") -> None:
    """Checks that a combination of input, quantisation and type of tensors can be converted.

    Raises:
        ValueError: one of them is unknown, the front end could not stay float32, or int8 tensors
            are requested for a network that does not compute in integers.
    """
    for name, value, known in (
        ("input", input_kind, INPUTS),
        ("quantization", quantization, QUANTIZATIONS),
        ("io_type", io_type, IO_TYPES),
    ):
        if value not in known:
            raise ConfigError(f"{name} is one of {', '.join(known)}, received {value!r}", name)
    if io_type == "int8" and (input_kind == "waveform" or quantization not in _INTEGER):
        why, remedy = (
            ("a waveform goes into a float32 front end", "log_mel as input")
            if input_kind == "waveform"
            else (f"only {' and '.join(_INTEGER)} networks compute in integers", "one of them")
        )
        raise ValueError(
            f"a {quantization} file with {input_kind} input cannot have int8 input and output "
            f"tensors: {why}. Use {remedy}, or io_type=float32"
        )
    if input_kind == "waveform" and quantization in _REFUSED:
        raise ValueError(
            f"a model with waveform input cannot be {quantization}, because TensorFlow's converter "
            f"would quantise the front end too: {_REFUSED[quantization]}. Use float32, int8 or "
            "int8_qat, whose front end stays float32, or log_mel as input"
        )


def check_target(target: str, input_kind: str, quantization: str, io_type: str) -> None:
    """Checks that a file can be made for a target.

    Raises:
        ConfigError: the target is unknown, or it needs integers and the file does not have them.
    """
    if target not in TARGETS:
        raise ConfigError(f"target is one of {', '.join(TARGETS)}, received {target!r}", "target")
    if target != TFLITE and (input_kind, io_type) != ("log_mel", "int8"):
        raise ConfigError(
            f"target={target!r} needs a log_mel input and io_type='int8', because it computes "
            f"in integers: received {quantization} with {io_type} tensors and {input_kind} input",
            *("target", "io_type"),
        )


def _check_quantization(request: ConversionRequest, name: str) -> None:
    quantization = request.info.quantization
    try:
        check_kind(request.info.input, quantization, request.info.io_type)
        check_target(request.target, request.info.input, quantization, request.info.io_type)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if quantization == "int8" and request.representative_clips is None:
        raise ValueError(f"{name}: int8 needs representative_clips to calibrate its scales")
    if (quantization == "int8_qat") != (request.twin is not None):
        raise ValueError(
            f"{name}: int8_qat files need the twin that fine_tune returns, other files must not "
            f"have one; received twin={request.twin} for {quantization}"
        )


def _check_shapes(model: keras.Model, request: ConversionRequest, name: str) -> None:
    info = request.info
    config = info.front_end
    if info.clip_samples % config.hop_samples:
        raise ValueError(
            f"{name}: clip_samples must be a multiple of {config.hop_samples}, received "
            f"{info.clip_samples}"
        )
    log_mel = (info.clip_samples // config.hop_samples, config.mel_bins)
    if model.input_shape[1:] != log_mel or model.output_shape[1:] != (len(info.labels),):
        raise ValueError(
            f"{name}: the model maps {model.input_shape[1:]} to {model.output_shape[1:]}, but its "
            f"card has log-mel {log_mel} and {len(info.labels)} labels"
        )
    clip = (info.clip_samples,) if info.input == "waveform" else log_mel
    for clips in (request.parity_clips, request.representative_clips):
        if clips is not None and (len(clips) < 1 or clips.shape[1:] != clip):
            raise ValueError(
                f"{name}: expected at least one {info.input} clip of shape {clip}, received "
                f"an array of shape {clips.shape}"
            )


def _check_activation(model: keras.Model, request: ConversionRequest, name: str) -> None:
    """Raises a ValueError if the outputs are scores of another task; logits are allowed."""
    task = get_task(request.info.task)
    last = model.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__)
    others = {get_task(other).activation for other in TASKS} - {task.activation}
    if activation.lower() in others:
        raise ValueError(
            f"{name}: the scores of a {task.name} model are a {task.activation} of its logits, "
            f"received a model that ends with {activation}; set task in its card, or build the "
            f"model with {task.activation}"
        )


def _check_labels(request: ConversionRequest, name: str) -> None:
    labels, shape = request.parity_labels, (len(request.parity_clips), len(request.info.labels))
    if labels is not None and labels.shape != shape:
        raise ValueError(
            f"{name}: the labels of the parity clips must have the shape [clips, classes] {shape}, "
            f"received {labels.shape}"
        )
    # Written so that a NaN fails too.
    if not 0 <= request.max_map_drop <= 1:
        raise ValueError(
            f"{name}: max_map_drop is a number from 0 to 1, received {request.max_map_drop}"
        )
