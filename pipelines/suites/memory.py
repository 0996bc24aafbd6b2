"""Peak memory of steps, each kind measured in a process of its own."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from aec_ofa_tf.spec import SubnetSpec
from pipelines.suites.settings import TrainStepSettings

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"
_KIB_PER_MIB = 1024
_STEPS = 3


def measure_memory(settings: TrainStepSettings) -> dict[str, float]:
    """Peak resident memory beyond what stands when weights, optimiser and batch are there.

    The peak includes tracing and the first step. The draws may lack the largest subnet, so a step
    of K that holds it is measured too.

    Returns:
        In MiB: `shared` over all the draws, `shared_with_largest`, `largest` alone; and the first
        two over the third.

    Raises:
        OSError: this system does not tell a process's peak (Linux does).
    """
    peaks = {
        "shared_mib": _in_child(_peak_of_draws, settings),
        "shared_with_largest_mib": _in_child(_peak_with_largest, settings),
        "largest_mib": _in_child(_peak_of_largest, settings),
    }
    alone = peaks["largest_mib"]
    return {
        **peaks,
        "shared_over_largest": peaks["shared_mib"] / alone,
        "shared_with_largest_over_largest": peaks["shared_with_largest_mib"] / alone,
    }


def _in_child(measure: Callable[[TrainStepSettings], float], settings: TrainStepSettings) -> float:
    # Spawned, not forked: a fork would begin with what this process holds.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, settings).result()


def _peak_of_draws(settings: TrainStepSettings) -> float:
    from pipelines.suites.workload import draw_subnets

    return _peak_of_steps(settings, draw_subnets(settings))


def _peak_with_largest(settings: TrainStepSettings) -> float:
    from pipelines.suites.workload import draw_subnets

    first, *_ = draw_subnets(settings)
    return _peak_of_steps(settings, [(settings.space.largest, *first[1:])] * _STEPS)


def _peak_of_steps(settings: TrainStepSettings, draws: Sequence[Sequence[SubnetSpec]]) -> float:
    from pipelines.suites.workload import SupernetStep, random_batch

    step, batch = SupernetStep(settings), random_batch(settings)
    built_mib = _begin()
    for draw in draws:
        step.choose(draw)
        step.run(batch)
    return _read_mib("VmHWM") - built_mib


def _peak_of_largest(settings: TrainStepSettings) -> float:
    import tensorflow as tf

    from aec_ofa_tf.training.sampler import constant_sampler
    from pipelines.suites.workload import new_trainer, random_batch

    trainer = new_trainer(settings, constant_sampler(settings.space.largest))
    step, batch = tf.function(trainer.train_step, autograph=False), random_batch(settings)
    built_mib = _begin()
    for _ in range(_STEPS):
        float(step(batch)["loss"])
    return _read_mib("VmHWM") - built_mib


def _begin() -> float:
    """Forgets the peak of building; the memory that is resident now."""
    gc.collect()
    _CLEAR.write_text(_CLEAR_PEAK)
    return _read_mib("VmRSS")


def _read_mib(name: str) -> float:
    found = re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} does not tell {name}: memory is measured on Linux only")
    return int(found.group(1)) / _KIB_PER_MIB
