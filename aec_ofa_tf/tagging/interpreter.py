"""A TFLite file as a function from clips to scores. No TensorFlow needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from aec_ofa_tf.tagging.model_file import read_bundle

# One interface under three names; the smallest package comes first.
_RUNTIMES = (
    ("tflite_runtime.interpreter", "Interpreter"),
    ("ai_edge_litert.interpreter", "Interpreter"),
    ("tensorflow", "lite.Interpreter"),
)


class TFLiteModel:
    """A model with one input and one output that computes one clip at a time.

    Args:
        path: a file that `write_bundle` wrote.
        threads: threads of the interpreter. Idle ones spin, so that on a busy machine, or for a
            thin network, a second one can slow it down twentyfold: measure before raising it.

    Attributes:
        info: the model card.
        input_shape: shape of one clip, without the batch axis.

    Raises:
        ValueError: the file is damaged or not such a model.
        OSError: the file cannot be opened.
        RuntimeError: no TFLite interpreter is installed.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        content, self.info = read_bundle(path)
        new_interpreter = interpreter_class()
        try:
            self._interpreter = new_interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(f"{path} is not a model that TFLite can run: {error}") from error
        self.input_shape = tuple(int(size) for size in self._input["shape"][1:])

    def scores(self, clip: np.ndarray) -> np.ndarray:
        """Runs the model on one clip.

        Args:
            clip: float32 `input_shape`, or the same with a batch axis of 1 before it: log-mel in
                dB or a waveform, as `info.input` says.

        Returns:
            float32, the output of that clip without batch axis; for a classifier [classes].

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
        self._interpreter.set_tensor(self._input["index"], _quantize(batch, self._input))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])
        return _dequantize(output, self._output)[0]

    def invoke(self) -> None:
        """Computes the clip that `scores` was last given once more, and nothing else.

        What a measurement repeats: no copies in or out.
        """
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
    """The package that interprets and its version, for example `tflite_runtime 2.14.0`.

    Raises:
        RuntimeError: no TFLite interpreter is installed.
    """
    package = _find_interpreter()[0].partition(".")[0]
    return f"{package} {importlib.metadata.version(package)}"


def interpreter_class() -> Callable[..., Any]:
    """The interpreter's class of the runtime that is installed.

    Raises:
        RuntimeError: no TFLite interpreter is installed.
    """
    return _find_interpreter()[1]


def _find_interpreter() -> tuple[str, Callable[..., Any]]:
    """The first runtime that is installed: its module's name and its class."""
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


def _quantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    dtype = tensor["dtype"]
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    steps = np.round(values / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def _dequantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)
