"""Times training steps of the supernet and of standalone models on the same subnets."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from functools import partial

from aec_ofa_tf.layers.prefix import MASKS
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.gradients import separate_gradients
from pipelines.benchmarks.measuring import median_seconds
from pipelines.benchmarks.settings import BFLOAT16, FLOAT32, TrainStepSettings
from pipelines.benchmarks.standalone import StandaloneModels
from pipelines.benchmarks.workload import Draw, SupernetStep, random_batch


def compare_float32(settings: TrainStepSettings, draws: Sequence[Draw]) -> list[dict[str, float]]:
    """Seconds of each way to train the subnets of a draw, for every draw."""
    steps = {
        "shared_slices": SupernetStep(settings),
        "separate_slices": SupernetStep(settings, gradients=separate_gradients),
        "masks": SupernetStep(settings, execution=MASKS, gradients=separate_gradients),
    }
    return _compare(settings, FLOAT32, steps, draws, settings.repetitions)


def compare_bfloat16(
    settings: TrainStepSettings, draws: Sequence[Draw], repetitions: int
) -> list[dict[str, float]]:
    """As `compare_float32` in bfloat16, with shared slices in float32 (`float32`) to compare."""
    steps = {
        "shared_slices": SupernetStep(settings, precision=BFLOAT16),
        "float32": SupernetStep(settings),
    }
    return _compare(settings, BFLOAT16, steps, draws, repetitions)


def _compare(
    settings: TrainStepSettings,
    precision: str,
    steps: Mapping[str, SupernetStep],
    draws: Sequence[Draw],
    repetitions: int,
) -> list[dict[str, float]]:
    batch = random_batch(settings)
    for step in steps.values():  # traces each step once, and runs TensorFlow's optimiser
        step.choose(draws[0])
        step.run(batch)
    rows = []
    for draw in progress(draws, desc=precision, unit="draw"):
        models = StandaloneModels(settings, draw, precision)
        models.run(batch)
        for step in steps.values():
            step.choose(draw)
        runs = {name: partial(step.run, batch) for name, step in steps.items()}
        runs["standalone"] = partial(models.run, batch)
        rows.append(median_seconds(runs, repetitions))
        del models, runs
        gc.collect()  # models and their graphs refer to each other
    return rows
