"""Fine-tuning of an experiment's networks before they become `int8_qat` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from absl import logging

from aec_ofa_tf.export.clips import tuning_clips
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.fine_tune import FineTuned, TuningData, fine_tune
from aec_ofa_tf.export.request import FineTuning
from aec_ofa_tf.training.run import Run

_BATCH = 32


def fine_tuned(
    run: Run,
    config: ExportConfig,
    models: Mapping[str, keras.Model],
    calibration_clips: np.ndarray,
    folder: Path,
) -> dict[str, FineTuned]:
    """Fine-tunes networks.

    They learn from the teacher's soft labels where the run has them, otherwise from the scores
    that they begin with.

    Args:
        run: the data, and perhaps soft labels.
        config: steps, learning rate, batch size and number of clips.
        models: the networks by name.
        calibration_clips: float32 [clips, frames, mel_bins].
        folder: for what conversion reads.

    Raises:
        RuntimeError: fine-tuning failed.
    """
    clips, ids = tuning_clips(run.records, config.qat_clips, _BATCH)
    soft_labels = run.records.read_soft_labels(run.soft_labels_path, ids)
    settings = FineTuning(
        config.qat_steps, config.qat_learning_rate, config.qat_batch_size, config.seed
    )
    found = {}
    for name, model in models.items():
        logging.info("fine-tuning %s on %d clips", name, len(clips))
        targets = _scores(model, clips) if soft_labels is None else soft_labels
        part = folder / name.replace(" ", "-")
        part.mkdir()
        found[name] = fine_tune(
            model, TuningData(clips, targets, calibration_clips), settings, part
        )
    return found


def _scores(model: keras.Model, clips: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(clips, batch_size=_BATCH, verbose=0))
