"""Reads the clips for conversions and for fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.augment import mix_power
from aec_ofa_tf.dataset import TRAIN, VALIDATION, Dataset
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.representative import choose_representative, with_silence

_POOL_PER_CLIP = 8
"""Number of training clips that are read per representative clip to choose."""


@dataclass(frozen=True, eq=False)
class ConversionClips:
    """The clips of conversions, as log-mel or as waveform.

    Attributes:
        parity_clips: clips for the comparison with Keras, float32 [clips, frames, mel_bins] or
            [clips, samples].
        parity_labels: labels of these clips, float32 [clips, classes].
        representative_clips: training clips for int8 calibration, log-mel or waveform as well.
    """

    parity_clips: np.ndarray
    parity_labels: np.ndarray
    representative_clips: np.ndarray


def conversion_clips(
    records: Dataset, config: ExportConfig, feature: str, batch_size: int
) -> ConversionClips:
    """Reads the clips of conversions.

    Args:
        records: the data; parity clips are validation clips, or training clips if there are none.
        config: numbers of clips.
        feature: "log_mel" or "waveform".
        batch_size: clips per read.
    """
    split = VALIDATION if records.clips(VALIDATION) else TRAIN
    parity = _read(records, split, config.parity_clips, feature, batch_size)
    limit = _POOL_PER_CLIP * config.representative_clips
    pool = _read(records, TRAIN, limit, "log_mel", batch_size)
    chosen = choose_representative(
        pool["log_mel"], pool["labels"], max(2, config.representative_clips), config.seed
    )
    # The waveforms of the whole pool would need a gigabyte of memory.
    representative = _read(records, TRAIN, limit, feature, batch_size, chosen)[feature]
    return ConversionClips(
        parity[feature],
        parity["labels"],
        with_silence(representative, feature, records.front_end),
    )


def tuning_clips(records: Dataset, clips: int, batch_size: int) -> tuple[np.ndarray, tf.Tensor]:
    """Reads the first training clips, which are a random sample, not augmented, and their ids.

    Returns:
        float32 [clips, frames, mel_bins] and string [clips].
    """
    batches = list(records.evaluation_batches(TRAIN, batch_size, limit=clips))
    log_mel = np.concatenate([batch["log_mel"].numpy() for batch in batches])
    return log_mel, tf.concat([batch["id"] for batch in batches], axis=0)


def with_mixtures(clips: np.ndarray, floor_db: float, seed: int) -> np.ndarray:
    """Clips, and as many mixtures of two of them at equal levels (`audio.augment.mix_power`).

    Args:
        clips: float32 [clips, frames, mel_bins] log-mel in dB.
        floor_db: `FrontEndConfig.floor_db` of their front end.
        seed: of the pairs, and of the weights, which are uniform in [0, 1).

    Returns:
        float32 [2 * clips, frames, mel_bins].
    """
    generator = np.random.default_rng(seed)
    mixed = [
        mix_power(tf.constant(clips[pair]), tf.constant([weight], tf.float32), floor_db).numpy()
        for pair, weight in zip(
            generator.integers(len(clips), size=(len(clips), 2)),
            generator.random(len(clips)),
            strict=True,
        )
    ]
    return np.concatenate([clips, *mixed])


def _read(
    records: Dataset,
    split: str,
    limit: int,
    feature: str,
    batch_size: int,
    chosen: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Reads a feature and the labels of the first clips of a split, or of some of these clips."""
    found: dict[str, list[np.ndarray]] = {feature: [], "labels": []}
    start = 0
    for batch in records.evaluation_batches(split, batch_size, (feature,), limit):
        count = len(batch["labels"])
        rows = np.arange(count) if chosen is None else np.sort(chosen - start)
        rows = rows[(rows >= 0) & (rows < count)]
        for name, arrays in found.items():
            arrays.append(batch[name].numpy()[rows])
        start += count
    return {name: np.concatenate(arrays) for name, arrays in found.items()}
