"""The suite `tflite`: latency, memory, size and front-end error of converted files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from absl import logging

from aec_ofa_tf.reporting.machine import describe_machine
from pipelines.benchmarks.front_end_error import require_librosa, worst_front_end
from pipelines.benchmarks.measuring import OtherLoad, rounded, warned
from pipelines.benchmarks.settings import TFLiteSettings
from pipelines.benchmarks.tag_startup import tag_startup
from pipelines.benchmarks.tflite_files import ModelFile, describe_files, over_handwritten
from pipelines.benchmarks.tflite_models import prepare_files


def run_tflite_suite(settings: TFLiteSettings) -> dict[str, object]:
    """Measures every file, one after another.

    Returns:
        The figures of the suite, then the measurements that they are computed from. A figure is
        None if no measured file has it.

    Raises:
        ValueError: a file is not one that `pipelines.convert` wrote, or librosa is missing.
        RuntimeError: a conversion or `pipelines.tag` failed.
    """
    require_librosa()
    machine, others = describe_machine().as_dict(), OtherLoad()
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(settings, Path(folder))
    machine["share_of_other_programs"] = warned(others.share())
    return rounded({**result, "machine": machine, "settings": _describe_settings(settings)})


def _measure(settings: TFLiteSettings, folder: Path) -> dict[str, object]:
    logging.info("part 1 of 5: files and their hand-written counterparts")
    files, twins = prepare_files(settings, folder)
    logging.info("part 2 of 5: latency over hand-written, %d subnets", len(twins))
    handwritten = [over_handwritten(file, twin, settings) for file, twin in twins.items()]
    logging.info("part 3 of 5: latency, load time and memory of %d files", len(files))
    rows = describe_files(files, settings)
    logging.info("part 4 of 5: front ends against librosa")
    front_end = worst_front_end(files)
    logging.info("part 5 of 5: start of pipelines.tag")
    startup = tag_startup(files, settings.threads)
    return {
        "latency_over_handwritten": _farthest_from_1([row.ratio for row in handwritten]),
        "bytes_over_weights": _bytes_over_weights(files),
        "front_end_error_db": front_end["error_db"],
        "tag_startup_secs": startup["secs"],
        "files": rows,
        "handwritten": [asdict(row) for row in handwritten],
        "front_end": front_end,
        "tag_startup": startup,
    }


def _farthest_from_1(ratios: Sequence[float]) -> float | None:
    return max(ratios, key=lambda ratio: abs(ratio - 1)) if ratios else None


def _bytes_over_weights(files: Sequence[ModelFile]) -> float | None:
    """`bytes_over_weights` of the float32 file with log-mel input and the most parameters.

    The labels take the smallest share of this file.
    """
    plain = [file for file in files if file.kind == ("log_mel", "float32")]
    return max(plain, key=lambda file: file.info.params).bytes_over_weights if plain else None


def _describe_settings(settings: TFLiteSettings) -> dict[str, object]:
    counts = {
        "threads": settings.threads,
        "warm_up": settings.warm_up,
        "repetitions": settings.repetitions,
    }
    if settings.models:
        return {"models": [str(path) for path in settings.models], **counts}
    return {
        "space": str(settings.space),
        "frames": settings.network.frames,
        "classes": settings.network.classes,
        **counts,
    }
