"""Measures the latency of TFLite files on this machine. No TensorFlow here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from aec_ofa_tf.tagging.interpreter import TFLiteModel

ROUNDS = 4
"""How often a file is loaded: the location of a model's memory affects its latency too."""

_INVOCATIONS = 5


def measure_latency_ms(paths: Sequence[Path], threads: int = 1) -> dict[Path, float]:
    """The median time of an invocation of every file. The files take turns; one is open at a time.

    Raises:
        ValueError: TFLite cannot run a file.
    """
    taken: dict[Path, list[float]] = {path: [] for path in paths}
    order = list(paths)
    for _ in range(ROUNDS):
        for path in order:
            model = load_with_clip(path, threads)
            for _ in range(_INVOCATIONS):
                began = time.perf_counter()
                model.invoke()
                taken[path].append(time.perf_counter() - began)
        order.reverse()
    return {path: 1e3 * median(seconds) for path, seconds in taken.items()}


def load_with_clip(path: str | Path, threads: int) -> TFLiteModel:
    """Loads a file and runs it once on a clip of noise."""
    model = TFLiteModel(path, threads)
    rng = np.random.default_rng(0)
    level, spread = (0.0, 0.1) if model.info.input == "waveform" else (-40.0, 10.0)
    model.scores(rng.normal(level, spread, model.input_shape).astype(np.float32))
    return model
