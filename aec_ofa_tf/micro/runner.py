"""The process that runs a file in TFLite's micro interpreter; see `micro.interpreter`.

The interpreter ends its process where a file breaks an assumption of a kernel, and its recorder
writes to standard error only. No TensorFlow here.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aec_ofa_tf.costs.arena import reserved_bytes

MODULE = "aec_ofa_tf.micro.runner"
MODEL_FILE = "model.flatbuffer"
INPUTS_FILE = "inputs.npy"
OUTPUTS_FILE = "outputs.npy"
LOGITS_FILE = "logits.npy"
ARENA_FILE = "arena.json"
ARENAS = "arenas"

_LARGE_ARENA = 2**29
"""Pages of memory are taken only when they are touched."""

_STEP_BYTES = 1024
_RECORD = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_RECORD_FILE = "record.txt"


def main() -> None:
    """Runs `MODEL_FILE` on `INPUTS_FILE`; writes outputs, logits and the arena.

    The number of the tensor of logits is the one argument. With `ARENAS` and a count, it writes the
    arenas of so many files.
    """
    if sys.argv[1] == ARENAS:
        _write_arenas(int(sys.argv[2]))
        return
    content, inputs = Path(MODEL_FILE).read_bytes(), np.load(INPUTS_FILE)
    outputs, logits = _scores(content, inputs, int(sys.argv[1]))
    np.save(OUTPUTS_FILE, outputs)
    np.save(LOGITS_FILE, logits)
    interpreter = _open(content, _LARGE_ARENA)
    _run(interpreter, inputs[:1])
    arena = _recorded(interpreter)
    arena["enough"] = _enough(content, inputs[:1], arena["total"])
    Path(ARENA_FILE).write_text(json.dumps(arena), encoding="utf-8")


def _write_arenas(count: int) -> None:
    files = [Path(f"{number}-{MODEL_FILE}") for number in range(count)]
    found = [_recorded(_open(file.read_bytes(), _LARGE_ARENA))["total"] for file in files]
    Path(ARENA_FILE).write_text(json.dumps(found), encoding="utf-8")


def _scores(content: bytes, inputs: np.ndarray, tensor: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and another tensor of every clip; the arena keeps all tensors meanwhile."""
    interpreter = _open(content, _LARGE_ARENA, keeps_tensors=True)
    outputs, others = [], []
    for clip in inputs:
        outputs.append(_run(interpreter, clip[None]))
        others.append(np.array(interpreter.GetTensor(tensor, 0)["tensor_data"]))
    return np.concatenate(outputs), np.concatenate(others)


def _open(content: bytes, arena_size: int, keeps_tensors: bool = False) -> Any:
    from tflite_micro.python.tflite_micro.runtime import Interpreter, InterpreterConfig

    names = {True: "kPreserveAllTensors", False: "kAllocationRecording"}
    return Interpreter.from_bytes(
        content,
        arena_size=arena_size,
        intrepreter_config=InterpreterConfig[names[keeps_tensors]],
    )


def _run(interpreter: Any, clip: np.ndarray) -> np.ndarray:
    # The file may take a clip with an axis of channels.
    interpreter.set_input(clip.reshape(interpreter.get_input_details(0)["shape"]), 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0))


def _recorded(interpreter: Any) -> dict[str, int]:
    """The recorder's bytes of head, tail and both, from what it writes to standard error."""
    sys.stderr.flush()
    usual = os.dup(2)
    with Path(_RECORD_FILE).open("wb") as file:
        os.dup2(file.fileno(), 2)
        interpreter.print_allocations()
        os.dup2(usual, 2)
    os.close(usual)
    text = Path(_RECORD_FILE).read_text(encoding="utf-8")
    found = {name: int(size) for name, size in _RECORD.findall(text)}
    if set(found) != {"total", "head", "tail"}:
        raise RuntimeError(f"the recorder of tflite_micro wrote no arena: {text!r}")
    return found


def _enough(content: bytes, clip: np.ndarray, recorded: int) -> int:
    """The least multiple of 1,024 bytes, from `reserved_bytes` on, that does."""
    size = reserved_bytes(recorded)
    while True:
        try:
            _run(_open(content, size), clip)
        except RuntimeError:  # where the head is small, planning it takes more
            size += _STEP_BYTES
            if size > 2 * recorded + 2**20:
                raise
        else:
            return size


if __name__ == "__main__":
    main()
