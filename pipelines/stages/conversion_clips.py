"""The clips that conversions look at."""

from __future__ import annotations

import numpy as np
from absl import flags

from aec_ofa_tf.export.representative import choose_representative, with_silence
from pipelines.experiment import Experiment
from tfrecords.clip import TRAIN, VALIDATION
from tfrecords.dataset import evaluation_batches
from tfrecords.records import CheckedBatches

FLAGS = flags.FLAGS
_POOL_PER_CLIP = 8
"""Training clips that representative ones are chosen from, per clip wanted."""


def conversion_clips(experiment: Experiment, feature: str) -> dict[str, np.ndarray]:
    """Clips for the comparison with Keras, and training clips that int8 is calibrated on.

    Args:
        experiment: whose records; without a validation split the first are training clips too.
        feature: what the clips should be, "log_mel" or "waveform".

    Returns:
        `parity_clips` and `representative_clips`, float32 [clips, frames, mel_bins] or [clips,
        samples], and `parity_labels` [clips, classes].
    """
    split = VALIDATION if experiment.records.clips(VALIDATION) else TRAIN
    parity = _read(experiment, split, FLAGS.parity_clips, feature)
    limit = _POOL_PER_CLIP * FLAGS.representative_clips
    pool = _read(experiment, TRAIN, limit, "log_mel")
    chosen = choose_representative(
        pool["log_mel"], pool["labels"], max(2, FLAGS.representative_clips), FLAGS.seed
    )
    # Waveforms of the whole pool would fill a gigabyte.
    representative = _read(experiment, TRAIN, limit, feature, chosen)[feature]
    front_end = experiment.records.front_end
    return {
        "parity_clips": parity[feature],
        "parity_labels": parity["labels"],
        "representative_clips": with_silence(representative, feature, front_end),
    }


def _read(
    experiment: Experiment,
    split: str,
    limit: int,
    feature: str,
    chosen: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """A feature and the labels of the first clips of a split, or of the chosen ones of them."""
    dataset = evaluation_batches(
        experiment.records, split, experiment.batch_size, (feature,), limit=limit
    )
    found: dict[str, list[np.ndarray]] = {feature: [], "labels": []}
    start = 0
    for batch in CheckedBatches(dataset):
        count = len(batch["labels"])
        rows = np.arange(count) if chosen is None else np.sort(chosen - start)
        rows = rows[(rows >= 0) & (rows < count)]
        for name, arrays in found.items():
            arrays.append(batch[name].numpy()[rows])
        start += count
    return {name: np.concatenate(arrays) for name, arrays in found.items()}
