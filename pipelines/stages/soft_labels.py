"""Stage `soft_labels`: the teacher's scores of the clean training clips, computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from pipelines.experiment import Experiment
from pipelines.stages.models import load_model, model_fingerprint
from pipelines.stages.teacher import teacher_path
from tfrecords.soft_labels import write_soft_labels

NAME = "soft_labels"


def run_soft_labels(experiment: Experiment) -> dict[str, Any]:
    """Writes the scores, keyed by the teacher's fingerprint; whole shards are kept."""
    experiment.workdir.require_stage("teacher")
    teacher = load_model(teacher_path(experiment))
    fingerprint = model_fingerprint(teacher)
    experiment.workdir.stage_result(NAME, {"teacher": fingerprint}, begun=True)
    predict = tf.function(lambda log_mel: teacher(log_mel, training=False))
    written = write_soft_labels(
        experiment.records,
        predict,
        soft_labels_path(experiment),
        fingerprint,
        batch_size=experiment.batch_size,
    )
    result = {"teacher": fingerprint, "clips": written["clips"]}
    experiment.workdir.finish_stage(NAME, result)
    return result


def soft_labels_path(experiment: Experiment) -> Path:
    """Where the scores are."""
    return experiment.workdir.path / "soft_labels"
