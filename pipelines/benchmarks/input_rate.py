"""The suite `input`: clips per second from records to batches, beside what a step takes."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from statistics import median

from aec_ofa_tf.dataset import TRAIN
from aec_ofa_tf.reporting.machine import describe_machine
from pipelines.benchmarks.loop_overhead import write_random_records
from pipelines.benchmarks.measuring import OtherLoad, rounded, seconds_of, warned
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.workload import SupernetStep, draw_subnets, random_batch
from tfrecords.dataset import training_batches
from tfrecords.records import Records
from tfrecords.shards import masked_crc

_BATCHES = 400
_WARM_UP = 20


def run_input_suite(settings: TrainStepSettings) -> dict[str, object]:
    """Reads shuffled training batches, and trains steps of the same size on a fixed batch.

    Returns:
        `clips_per_second`: of the input; `clips_per_second_of_step`: that a step consumes;
        `ratio_over_step`; `share_of_checks`: share of the input's seconds that the checksums of
        the records take; and the seconds of every repetition.
    """
    load = OtherLoad()
    with tempfile.TemporaryDirectory() as folder:
        records = write_random_records(settings, Path(folder, "data"))
        batches = [_read(records, settings) for _ in range(settings.repetitions)]
        checks = [_check(records, settings) for _ in range(settings.repetitions)]
    steps = _steps(settings)
    share = warned(load.share())
    rate = settings.batch_size * _BATCHES / median(batches)
    step_rate = settings.batch_size / median(steps)
    return rounded(
        {
            "clips_per_second": rate,
            "clips_per_second_of_step": step_rate,
            "ratio_over_step": rate / step_rate,
            "share_of_checks": median(checks) / median(batches),
            "seconds": {"batches": batches, "checks": checks, "steps": steps},
            "batches": _BATCHES,
            "batch_size": settings.batch_size,
            "frames": settings.network.frames,
            "mel_bins": settings.network.mel_bins,
            "space": str(settings.space),
            "subnets_per_step": settings.subnets_per_step,
            "machine": {**describe_machine().as_dict(), "share_of_other_programs": share},
        }
    )


def _read(records: Records, settings: TrainStepSettings) -> float:
    """Seconds of `_BATCHES` batches, once the pipeline runs."""
    stream = iter(training_batches(records, settings.batch_size, seed=0))
    for _ in islice(stream, _WARM_UP):
        pass
    return seconds_of(lambda: [None for _ in islice(stream, _BATCHES)])


def _check(records: Records, settings: TrainStepSettings) -> float:
    """Seconds of the checksums of as many records."""
    reader = records.reader(TRAIN)
    data = [reader.read(number) for number in range(len(reader))]
    clips = settings.batch_size * _BATCHES
    return seconds_of(lambda: [masked_crc(data[number % len(data)]) for number in range(clips)])


def _steps(settings: TrainStepSettings) -> list[float]:
    """Seconds of a step for every draw of subnets, after one that traces it."""
    step, batch = SupernetStep(settings), random_batch(settings)
    draws = draw_subnets(settings)
    step.choose(draws[0])
    step.run(batch)
    seconds = []
    for draw in draws:
        step.choose(draw)
        seconds.append(seconds_of(lambda: step.run(batch)))
    return seconds
