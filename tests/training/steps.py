"""Thin supernets and batches on which train steps are compared."""

import keras
import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.augment import SpecAugmentConfig
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.sampler import uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer

SPACE = cnn10_space("[2,2,X]", base_channels=4)
NETWORK = Cnn10Network(classes=5, frames=40, embedding_units=32)
PLAIN = Cnn10Network(5, 40, embedding_units=32, block_dropout=0.0, embedding_dropout=0.0)
NO_STRIPES = SpecAugmentConfig(time_stripes=0, mel_stripes=0)


def batch(clips: int = 4, seed: int = 0) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(seed)
    return {
        "log_mel": tf.constant(generator.normal(0, 1, (clips, 40, 64)), tf.float32),
        "labels": tf.constant(generator.integers(0, 2, (clips, 5)), tf.float32),
        "soft_labels": tf.constant(generator.uniform(0, 1, (clips, 5)), tf.float32),
    }


def trainer(
    network: Cnn10Network = NETWORK,
    sampler=None,
    seed: int = 0,
    dtype: str = "float32",
    execution: str = "slices",
    teacher=None,
    **config,
) -> Trainer:
    keras.utils.set_random_seed(seed)
    supernet = Supernet(SPACE.subnets(), network, dtype, execution)
    result = Trainer(
        supernet, sampler or uniform_sampler(SPACE.subnets(), 4), StepConfig(**config), teacher
    )
    optimizer = keras.optimizers.Adam(1e-3)
    if dtype == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    # Keras would wrap a float16 model's optimiser by itself.
    result.compile(optimizer=optimizer, auto_scale_loss=False)
    result.optimizer.build(supernet.trainable_variables)
    return result


def four(seed: tf.Tensor) -> tf.Tensor:
    """A step with the extremes, a subnet twice, and both depths."""
    specs = [SPACE.smallest, SPACE.largest, SPACE.subnets()[37], SPACE.smallest]
    return tf.constant([spec.row() for spec in specs])


def two(seed: tf.Tensor) -> tf.Tensor:
    """A step with both ends of the space."""
    return tf.constant([spec.row() for spec in (SPACE.largest, SPACE.smallest)])
