"""The disturbances of a training configuration, for the clips of a step and for recalibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.augment import Part
from aec_ofa_tf.audio.disturbances import DisturbanceConfig, disturbed
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.training.background import read_backgrounds
from aec_ofa_tf.training.config import TrainConfig
from aec_ofa_tf.training.windowed import windows_of


def crop_frames(records: Dataset, train: TrainConfig) -> int:
    """Frames of the crops that are trained on; 0 for whole clips.

    Raises:
        ConfigError: networks hear windows, and crops have another length.
    """
    is_windowed = windows_of(records) > 1
    if not train.crop_secs:
        return records.frames if is_windowed else 0
    front_end = records.front_end
    frames = round(train.crop_secs * front_end.sample_rate_hz / front_end.hop_samples)
    if is_windowed and frames != records.frames:
        raise ConfigError(
            f"crop_secs is the length of a window, {records.clip_secs:g} s, where networks hear "
            f"windows, received {train.crop_secs:g} s",
            "crop_secs",
        )
    return max(frames, 1)


def disturbances(records: Dataset, train: TrainConfig) -> DisturbanceConfig:
    """What a training configuration does to clips after all other augmentation.

    Raises:
        ConfigError: there is no sound in `noise_source`.
    """
    front_end, share = records.front_end, train.background_share
    backgrounds = np.zeros([0, 0, 0], np.float32)
    if train.noise_source is not None and share:
        frames = crop_frames(records, train) or records.frames
        backgrounds = read_backgrounds(train.noise_source, front_end, frames)
    return DisturbanceConfig(
        background_share=share,
        background_snr_db=(train.background_low_snr_db, train.background_high_snr_db),
        backgrounds=backgrounds,
        low_pass_share=train.low_pass_share,
        low_pass_hz=train.low_pass_hz,
        noise_share=train.noise_share,
        noise_dbfs=(train.noise_low_dbfs, train.noise_high_dbfs),
        resample_share=train.resample_share,
        front_end=front_end,
    )


@dataclass(frozen=True, eq=False)
class DisturbedBatches:
    """Batches whose clips are disturbed, in every iteration alike.

    Attributes:
        batches: with `log_mel`; can be iterated repeatedly.
        config: the disturbances.
        seed: seed of their draws, which depend on it and on the number of the batch.
    """

    batches: Iterable[Mapping[str, Any]]
    config: DisturbanceConfig
    seed: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches."""
        for number, batch in enumerate(self.batches):
            clips = tf.convert_to_tensor(batch["log_mel"])
            seed = tf.constant([self.seed, number], tf.int32)
            seeds = [tf.random.experimental.stateless_fold_in(seed, n) for n in range(4)]
            part = Part(tf.shape(clips)[0])
            yield {**batch, "log_mel": disturbed(clips, part, self.config, seeds)}


def as_in_training(
    batches: Iterable[Mapping[str, Any]], records: Dataset, train: TrainConfig
) -> Iterable[Mapping[str, Any]]:
    """Clean batches, disturbed as clips were in training, for batch-norm statistics.

    Mel bins above the bandwidth of recordings hardly vary in clean clips. Statistics of these alone
    would make any noise there hundreds of times as large as in training.

    Args:
        batches: clean clips; can be iterated repeatedly.
        records: the data that they are of.
        train: the configuration that the network was trained with.

    Returns:
        The batches themselves if nothing is disturbed.
    """
    if not train.disturbs:
        return batches
    try:
        config = disturbances(records, train)
    except ConfigError as error:  # the run may have moved to another machine
        logging.warning("statistics are of clips without backgrounds: %s", error)
        config = disturbances(records, replace(train, noise_source=None))
    found = DisturbedBatches(batches, config, train.seed)
    return list(found) if isinstance(batches, list) else found
