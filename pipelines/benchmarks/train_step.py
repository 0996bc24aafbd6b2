"""The suite `train_step`: time and memory of a step on K subnets and of other ways to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from absl import logging

from aec_ofa_tf.reporting.machine import describe_machine, has_bfloat16_units
from pipelines.benchmarks.comparison import compare_bfloat16, compare_float32
from pipelines.benchmarks.loop_overhead import measure_loop
from pipelines.benchmarks.measuring import OtherLoad, Seconds, ratio, rounded, typical, warned
from pipelines.benchmarks.memory import measure_memory
from pipelines.benchmarks.operations import achieved_gflops, counted_ratios
from pipelines.benchmarks.settings import BFLOAT16, FLOAT32, TrainStepSettings
from pipelines.benchmarks.workload import Draw, draw_subnets


def run_train_step(settings: TrainStepSettings) -> dict[str, object]:
    """Runs every measurement of the suite, one after another.

    Returns:
        The figures of the suite, then the measurements that they are computed from. A figure that
        compares two ways of training is the ratio of their medians over the draws. A figure that
        was not measured is None.
    """
    machine, others = describe_machine().as_dict(), OtherLoad()
    logging.info("train_step on %s", machine)
    draws = draw_subnets(settings)
    logging.info("part 1 of 4: peak memory, in child processes")
    memory = measure_memory(settings)
    logging.info("part 2 of 4: %d draws in float32", len(draws))
    rows = compare_float32(settings, draws)
    logging.info("part 3 of 4: bfloat16")
    bfloat16 = _bfloat16(settings, draws)
    logging.info("part 4 of 4: %d steps in the loop, and as many without", settings.loop_steps)
    loop = measure_loop(settings)
    result = {
        **_figures(rows, bfloat16, memory, loop),
        "achieved_gflops": {
            FLOAT32: achieved_gflops(settings, draws, rows),
            BFLOAT16: bfloat16["achieved_gflops"],
        },
        "counted": counted_ratios(settings, draws),
        "memory": memory,
        "loop": loop,
        "bfloat16": bfloat16,
        "draws": [_describe(draw, row) for draw, row in zip(draws, rows, strict=True)],
        "machine": {**machine, "share_of_other_programs": warned(others.share())},
        "settings": _describe_settings(settings),
    }
    return rounded(result)


def _figures(
    rows: Sequence[Seconds],
    bfloat16: Mapping[str, object],
    memory: Mapping[str, object],
    loop: dict[str, float],
) -> dict[str, object]:
    """The figures that have targets, and steps per second."""
    return {
        "ratio_over_standalone": ratio(rows, "shared_slices", "standalone"),
        "ratio_over_standalone_bf16": bfloat16["ratio_over_standalone"],
        "ratio_over_masks": ratio(rows, "shared_slices", "masks"),
        "ratio_over_separate_slices": ratio(rows, "shared_slices", "separate_slices"),
        "bf16_over_float32": bfloat16["over_float32"],
        "memory_over_largest": memory["shared_over_largest"],
        "traces": loop["traces"],
        "loop_overhead": loop["overhead"],
        "loop_summaries": loop["summaries"],
        "loop_summaries_cpu": loop["summaries_cpu"],
        "steps_per_second": {
            FLOAT32: 1 / typical(rows, "shared_slices"),
            BFLOAT16: bfloat16["steps_per_second"],
        },
    }


def _bfloat16(settings: TrainStepSettings, draws: Sequence[Draw]) -> dict[str, object]:
    """The figures of bfloat16 and how they were measured; None and 0 if it was not measured."""
    names = ("ratio_over_standalone", "over_float32", "steps_per_second", "achieved_gflops")
    if BFLOAT16 not in settings.precisions:
        return {**dict.fromkeys(names), "draws": 0, "repetitions": 0}
    count, repetitions = settings.bfloat16_draws, settings.repetitions
    if count is None and not has_bfloat16_units():
        logging.warning("this CPU emulates bfloat16, so only one draw is measured, once")
        count, repetitions = 1, 1
    rows = compare_bfloat16(settings, draws[:count], repetitions)
    values = (
        ratio(rows, "shared_slices", "standalone"),
        ratio(rows, "shared_slices", FLOAT32),
        1 / typical(rows, "shared_slices"),
        achieved_gflops(settings, draws[:count], rows),
    )
    figures = dict(zip(names, values, strict=True))
    return {**figures, "draws": len(rows), "repetitions": repetitions, "seconds": rows}


def _describe(draw: Draw, seconds: Seconds) -> dict[str, object]:
    return {
        "subnets": " ".join(str(spec) for spec in draw),
        "seconds": seconds,
        "ratio_over_standalone": seconds["shared_slices"] / seconds["standalone"],
        "ratio_over_masks": seconds["shared_slices"] / seconds["masks"],
    }


def _describe_settings(settings: TrainStepSettings) -> dict[str, object]:
    return {
        "space": str(settings.space),
        "frames": settings.network.frames,
        "classes": settings.network.classes,
        "batch_size": settings.batch_size,
        "subnets_per_step": settings.subnets_per_step,
        "repetitions": settings.repetitions,
    }
