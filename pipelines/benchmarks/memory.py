"""Peak memory of training steps, measured in separate processes."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from pipelines.benchmarks.peak import peak_mib
from pipelines.benchmarks.settings import TrainStepSettings

SHARED, SHARED_WITH_LARGEST, LARGEST = "shared", "shared_with_largest", "largest"
_STEPS = 3


def measure_memory(settings: TrainStepSettings) -> dict[str, object]:
    """Peak resident memory in MiB, minus the memory before the first step.

    Weights, optimiser and batch exist before the first step; tracing is included. glibc keeps freed
    tensors, in some processes more than in others, so the peaks are medians over `repetitions`
    processes. For `freed_at_once` glibc returns freed tensors to the system at once, so only the
    memory that the steps need is measured.

    Returns:
        `shared_mib`: steps of all the draws; `largest_mib`: the largest subnet alone; their ratio;
        `processes_mib`: the peak of every process. The draws may lack the largest subnet, so
        `freed_at_once` also contains `shared_with_largest`: a draw with the largest subnet as its
        first.

    Raises:
        OSError: this system does not report the peak of a process (Linux does).
    """
    peaks: dict[str, list[float]] = {SHARED: [], LARGEST: []}
    for _ in range(settings.repetitions):
        for kind, values in peaks.items():
            values.append(_in_child(settings, kind, freed_at_once=False))
    kinds = (SHARED, SHARED_WITH_LARGEST, LARGEST)
    exact = {kind: _in_child(settings, kind, freed_at_once=True) for kind in kinds}
    return {
        **_over_largest({kind: median(values) for kind, values in peaks.items()}),
        "processes_mib": peaks,
        "freed_at_once": _over_largest(exact),
    }


def _over_largest(peaks: dict[str, float]) -> dict[str, float]:
    ratios = {
        f"{kind}_over_largest": peak / peaks[LARGEST]
        for kind, peak in peaks.items()
        if kind != LARGEST
    }
    return {**{f"{kind}_mib": peak for kind, peak in peaks.items()}, **ratios}


def _in_child(settings: TrainStepSettings, kind: str, freed_at_once: bool) -> float:
    return peak_mib(_prepare, settings, kind, freed_at_once=freed_at_once)


def _prepare(settings: TrainStepSettings, kind: str) -> Callable[[], None]:
    return _largest_alone(settings) if kind == LARGEST else _shared(settings, kind)


def _shared(settings: TrainStepSettings, kind: str) -> Callable[[], None]:
    from pipelines.benchmarks.workload import SupernetStep, draw_subnets, random_batch

    draws = draw_subnets(settings)
    if kind == SHARED_WITH_LARGEST:
        draws = [(settings.space.largest, *draws[0][1:])] * _STEPS
    step, batch = SupernetStep(settings), random_batch(settings)

    def run() -> None:
        for draw in draws:
            step.choose(draw)
            step.run(batch)

    return run


def _largest_alone(settings: TrainStepSettings) -> Callable[[], None]:
    import tensorflow as tf

    from aec_ofa_tf.training.sampler import constant_sampler
    from pipelines.benchmarks.workload import new_trainer, random_batch

    trainer = new_trainer(settings, constant_sampler(settings.space.largest))
    step, batch = tf.function(trainer.step, autograph=False), random_batch(settings)

    def run() -> None:
        for _ in range(_STEPS):
            float(step(batch))

    return run
