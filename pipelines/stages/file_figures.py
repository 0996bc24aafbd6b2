"""What is told of converted files: their scores beside Keras', and their latency here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aec_ofa_tf.tasks import MULTI_LABEL
from pipelines.benchmarks.tflite_files import latency_ms
from pipelines.experiment import Experiment
from pipelines.scoring import evaluate_keras, evaluate_tflite
from pipelines.stages.fine_tuning import FINE_TUNED_FILE, QUANTIZATION
from tfrecords.clip import EVALUATION

KERAS_FILE = "model.keras"
FileRow = Mapping[str, Any]
"""What is known of a file; `file` is its path, `quantization` its kind."""


def reference_file(file: FileRow) -> Path:
    """The Keras model that a file was made of and is compared with."""
    is_tuned = file["quantization"] == QUANTIZATION
    return Path(file["file"]).with_name(FINE_TUNED_FILE if is_tuned else KERAS_FILE)


def with_scores(experiment: Experiment, files: Sequence[FileRow]) -> list[dict[str, Any]]:
    """Adds what the file itself scores on the evaluation split.

    Returns:
        The rows with `mAP`, `keras_mAP` of the model it was made of, and `map_drop`, the second
        minus the first; as they were if there are no evaluation clips.
    """
    records = experiment.records
    if not records.clips(EVALUATION):
        return [dict(file) for file in files]
    keras_map = {
        path: MULTI_LABEL.figure_of(
            evaluate_keras(path, records, EVALUATION, experiment.batch_size)
        )
        for path in dict.fromkeys(map(reference_file, files))
    }
    rows = []
    for file in files:
        score = MULTI_LABEL.figure_of(evaluate_tflite(Path(file["file"]), records, EVALUATION))
        reference = keras_map[reference_file(file)]
        rows.append({**file, "mAP": score, "keras_mAP": reference, "map_drop": reference - score})
    return rows


def with_latency(files: Sequence[FileRow]) -> list[dict[str, Any]]:
    """Adds `latency_ms`, the median of an invocation on one thread of this machine."""
    taken = latency_ms([Path(file["file"]) for file in files])
    return [{**file, "latency_ms": taken[Path(file["file"])]} for file in files]
