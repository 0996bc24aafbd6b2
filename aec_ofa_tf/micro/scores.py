"""Scores of clips by TFLite's micro interpreter, as microcontrollers compute them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aec_ofa_tf.micro.graph import graph_operators, slim, without_first_reshape
from aec_ofa_tf.micro.interpreter import ReferenceModel, run_micro
from aec_ofa_tf.micro.targets import MICRO, require_packages


def micro_scores(path: Path, clips: Iterable[np.ndarray]) -> np.ndarray:
    """Runs a file on clips in the micro interpreter.

    Args:
        path: a TFLite file with int8 input and output.
        clips: float32 [frames, mel_bins] each.

    Returns:
        float32 [clips, classes].

    Raises:
        ValueError: the file has no int8 input and output.
        RuntimeError: the package tflite-micro is not installed, or it cannot run the file.
    """
    require_packages(MICRO)
    content = Path(path).read_bytes()
    reference = ReferenceModel(slim(content), graph_operators(content))
    if reference.input.dtype != np.int8 or reference.output.dtype != np.int8:
        raise ValueError(
            f"{path} has float input or output, which the micro interpreter is not given: make it "
            "by `python -m pipelines.convert --io_type=int8`"
        )
    lean = without_first_reshape(content)
    inputs = reference.input.from_floats(np.stack(list(clips)))
    with tempfile.TemporaryDirectory() as folder:
        found, _ = run_micro(slim(lean), inputs, graph_operators(lean), Path(folder))
    return reference.output.to_floats(found.outputs)
