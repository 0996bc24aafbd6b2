"""Runs TFLite files in the micro interpreter, and by LiteRT's reference kernels."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aec_ofa_tf.export.child import run_child
from aec_ofa_tf.micro import runner
from aec_ofa_tf.micro.graph import GraphOperator, logits_tensor
from aec_ofa_tf.tagging.interpreter import Tensor, interpreter_class

_FAILED_NODE = re.compile(r"Node \w+ \(number (\d+)\w?\) failed")


@dataclass(frozen=True)
class Arena:
    """The memory of a file in the micro interpreter, in bytes.

    Attributes:
        total: what the recorder counted, alignment included.
        head: the part in which activations share memory.
        tail: the part that persists.
        enough: a size with a margin, with which the interpreter was started and run.
    """

    total: int
    head: int
    tail: int
    enough: int


@dataclass(frozen=True, eq=False)
class Integers:
    """What an interpreter computed of clips.

    Attributes:
        outputs: int8 [clips, classes].
        logits: int8 [clips, classes], the outputs before the activation.
    """

    outputs: np.ndarray
    logits: np.ndarray


def run_micro(
    tflite_bytes: bytes, inputs: np.ndarray, operators: Sequence[GraphOperator], folder: Path
) -> tuple[Integers, Arena]:
    """Runs a file in the micro interpreter, in a child process.

    Args:
        tflite_bytes: a flatbuffer with one input and one output, both int8.
        inputs: int8 [clips, ...].
        operators: its operators.
        folder: folder for temporary files.

    Returns:
        What it computed, and the arena.

    Raises:
        RuntimeError: the interpreter cannot run the file; the message names the layer if it can.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        (place / runner.MODEL_FILE).write_bytes(tflite_bytes)
        np.save(place / runner.INPUTS_FILE, inputs)
        try:
            arguments = ["-m", runner.MODULE, str(logits_tensor(operators))]
            run_child(arguments, place, "running the file in the micro interpreter")
        except RuntimeError as error:
            raise RuntimeError(_with_layer(str(error), operators)) from error
        arena = json.loads((place / runner.ARENA_FILE).read_text("utf-8"))
        names = (runner.OUTPUTS_FILE, runner.LOGITS_FILE)
        return Integers(*(np.load(place / name) for name in names)), Arena(**arena)


def recorded_arenas(models: Sequence[bytes], folder: Path) -> list[int]:
    """The recorded arena of each flatbuffer, in bytes, from a child process.

    Raises:
        RuntimeError: the interpreter cannot open one of them.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        for number, content in enumerate(models):
            (place / f"{number}-{runner.MODEL_FILE}").write_bytes(content)
        arguments = ["-m", runner.MODULE, runner.ARENAS, str(len(models))]
        run_child(arguments, place, "planning the file's arena")
        return json.loads((place / runner.ARENA_FILE).read_text("utf-8"))


class ReferenceModel:
    """A file in LiteRT by the reference kernels, which the micro interpreter's were made from.

    LiteRT's other kernels round intermediate values otherwise, and their scores differ by many
    steps after tens of layers.

    Args:
        tflite_bytes: a flatbuffer with one input and one output.
        operators: its operators.

    Attributes:
        input: the input.
        output: the output.
    """

    def __init__(self, tflite_bytes: bytes, operators: Sequence[GraphOperator]) -> None:
        new_interpreter: Any = interpreter_class()
        kinds = sys.modules[new_interpreter.__module__].OpResolverType
        self._interpreter = new_interpreter(
            model_content=tflite_bytes,
            experimental_op_resolver_type=kinds.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        (taken,), (given,) = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self.input, self.output = Tensor.of(taken), Tensor.of(given)
        self._logits = logits_tensor(operators)

    def run(self, inputs: np.ndarray) -> Integers:
        """Runs clips, int8 [clips, ...], one at a time."""
        outputs, logits = zip(*(self._run(clip[None]) for clip in inputs), strict=True)
        return Integers(np.concatenate(outputs), np.concatenate(logits))

    def _run(self, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._interpreter.set_tensor(self.input.index, clip)
        self._interpreter.invoke()
        tensors = (self.output.index, self._logits)
        return tuple(self._interpreter.get_tensor(index) for index in tensors)


def _with_layer(message: str, operators: Sequence[GraphOperator]) -> str:
    failed = _FAILED_NODE.search(message)
    if failed is None or int(failed.group(1)) >= len(operators):
        return message
    return f"the micro interpreter refuses {operators[int(failed.group(1))]}; {message}"
