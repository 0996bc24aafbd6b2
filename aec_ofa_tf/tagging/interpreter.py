"""Runs a TFLite file on clips. No TensorFlow needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aec_ofa_tf.config import check_count
from aec_ofa_tf.tagging.model_file import read_bundle

# Packages with the same interface; the smallest one comes first.
_RUNTIMES = (
    ("tflite_runtime.interpreter", "Interpreter"),
    ("ai_edge_litert.interpreter", "Interpreter"),
    ("tensorflow", "lite.Interpreter"),
)


@dataclass(frozen=True, eq=False)
class Tensor:
    """An input or output of a model.

    Attributes:
        index: number of the tensor in the interpreter.
        shape: shape with the batch axis.
        dtype: type of its values.
        scale: real values are (integers - zero_point) * scale; 0 for a tensor of floats.
        zero_point: the integer that stands for 0.
    """

    index: int
    shape: tuple[int, ...]
    dtype: type[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Tensor:
        """A tensor from the interpreter's details."""
        shape = tuple(int(size) for size in details["shape"])
        return cls(details["index"], shape, details["dtype"], *details["quantization"])

    def from_floats(self, values: np.ndarray) -> np.ndarray:
        """Converts floats to the tensor's type; rounds and clips them for integers."""
        if not np.issubdtype(self.dtype, np.integer):
            return values.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        steps = np.round(values / self.scale) + self.zero_point
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)

    def to_floats(self, values: np.ndarray) -> np.ndarray:
        """Converts values of the tensor to float32."""
        if not np.issubdtype(values.dtype, np.integer):
            return values.astype(np.float32)
        steps = values.astype(np.float32) - self.zero_point
        return (steps * self.scale).astype(np.float32)


class TFLiteModel:
    """A TFLite model with one input and one output that processes one clip at a time.

    Args:
        path: a file that `write_bundle` wrote.
        threads: threads of the interpreter. Idle threads spin. On a busy machine, or for a small
            network, two threads can be twenty times slower than one: measure before raising it.

    Attributes:
        info: the model card.
        input: the input tensor.
        output: the output tensor.
        input_shape: shape of one clip, without the batch axis.
        output_shape: shape of the scores of a clip, without the batch axis.

    Raises:
        ValueError: the file is damaged, the model has several inputs or outputs, or `threads` is
            not a positive whole number.
        OSError: the file cannot be opened.
        RuntimeError: no TFLite interpreter is installed.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        check_count("threads", threads)
        content, self.info = read_bundle(path)
        new_interpreter = interpreter_class()
        try:
            self._interpreter = new_interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            (input_details,) = self._interpreter.get_input_details()
            (output_details,) = self._interpreter.get_output_details()
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(f"{path} is not a model that TFLite can run: {error}") from error
        self.input, self.output = Tensor.of(input_details), Tensor.of(output_details)
        self.input_shape = self.input.shape[1:]
        self.output_shape = self.output.shape[1:]

    def scores(self, clip: np.ndarray) -> np.ndarray:
        """Runs the model on one clip.

        Args:
            clip: float32 `input_shape`, or the same with a batch axis of 1 before it: log-mel in
                dB or a waveform, depending on `info.input`.

        Returns:
            float32, the output without the batch axis; for a classifier [classes].

        Raises:
            ValueError: the clip has another shape.
        """
        clip = np.asarray(clip, np.float32)
        if clip.shape not in (self.input_shape, (1, *self.input_shape)):
            raise ValueError(
                f"the model takes one {self.info.input} clip of shape {self.input_shape}, "
                f"received {clip.shape}"
            )
        batch = clip.reshape(1, *self.input_shape)
        self._interpreter.set_tensor(self.input.index, self.input.from_floats(batch))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self.output.index)
        return self.output.to_floats(output)[0]

    def invoke(self) -> None:
        """Runs the model on the last clip again, without copying data, for measurements."""
        self._interpreter.invoke()

    def batch_scores(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """Runs the model on clips one after another.

        Args:
            clips: float32 [clips, *input_shape], or any iterable of single clips.

        Returns:
            float32 [clips, ...], one output per clip.
        """
        return np.stack([self.scores(clip) for clip in clips])


def runtime_version() -> str:
    """Package and version of the interpreter, for example `tflite_runtime 2.14.0`.

    Raises:
        RuntimeError: no TFLite interpreter is installed.
    """
    package = _find_interpreter()[0].partition(".")[0]
    return f"{package} {importlib.metadata.version(package)}"


def interpreter_class() -> Callable[..., Any]:
    """The `Interpreter` class of the installed runtime.

    Raises:
        RuntimeError: no TFLite interpreter is installed.
    """
    return _find_interpreter()[1]


def _find_interpreter() -> tuple[str, Callable[..., Any]]:
    """Module name and `Interpreter` class of the first runtime that is installed."""
    reasons = []
    for module, attribute in _RUNTIMES:
        try:
            return module, operator.attrgetter(attribute)(importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            reasons.append(f"{module}: {error}")
    raise RuntimeError(
        "no TFLite interpreter is installed; install tflite-runtime or ai-edge-litert "
        f"({'; '.join(reasons)})"
    )
