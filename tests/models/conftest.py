"""A thin supernet whose weights, batch norm's included, are all random."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import Moments
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Statistics, Supernet

FRAMES = 40


def randomised(supernet: Supernet, seed: int = 0) -> Supernet:
    """Scales kernels to keep activations alive, and moves every scale and shift."""
    generator = np.random.default_rng(seed)
    for weight in supernet.weights:
        if weight.name == "gamma":
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "bias"):
            weight.assign(generator.normal(0, 0.3, weight.shape))
    return supernet


def random_statistics(supernet: Supernet, seed: int = 1) -> Statistics:
    generator = np.random.default_rng(seed)
    layers = [("input_norm", supernet.network.mel_bins)]
    for layer in supernet.unit_layers:
        layers += [(name, norm.channels) for name, norm in layer.norms.items()]
    return {
        name: Moments(
            tf.constant(generator.normal(0, 0.5, size), tf.float32),
            tf.constant(generator.uniform(0.5, 2.0, size), tf.float32),
        )
        for name, size in layers
    }


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return cnn10_space("[X,X,X]", base_channels=4, width_per="layer")


@pytest.fixture(scope="session")
def network() -> Cnn10Network:
    return Cnn10Network(classes=5, frames=FRAMES, embedding_units=32)


@pytest.fixture(scope="session")
def supernet(space, network) -> Supernet:
    return randomised(Supernet(space.subnets(), network))


@pytest.fixture(scope="session")
def clips() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 1, (3, FRAMES, 64)).astype(np.float32)
