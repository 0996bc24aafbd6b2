"""From a subnet of a supernet to a network of its own."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from aec_ofa_tf.models.cnn10 import build_cnn10
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Statistics, Supernet


def materialise(
    supernet: Supernet,
    spec: Subnet,
    statistics: Statistics,
    classifier_activation: str | None = "sigmoid",
) -> keras.Model:
    """A standalone Keras model with a subnet's weights and batch-norm statistics.

    Args:
        supernet: the source of the weights; it is not changed.
        spec: the subnet.
        statistics: the subnet's recalibrated moments, without which it would be wrong.
        classifier_activation: "sigmoid" for scores, None for logits.

    Returns:
        `build_cnn10` of the spec, which computes what the supernet computes at the spec.
    """
    model = build_cnn10(spec, supernet.network, classifier_activation)
    model.get_layer("input_norm").set_weights(
        [*_arrays(supernet.input_norm), *statistics["input_norm"]]
    )
    for name, (kernel, gamma, beta) in _convolutions(supernet, spec):
        moments = (np.asarray(vector)[: len(gamma)] for vector in statistics[name])
        model.get_layer(name).set_weights([kernel])
        model.get_layer(name.replace("conv", "norm")).set_weights([gamma, beta, *moments])
    rows = spec.blocks[-1][-1]
    kernel, bias = _arrays(supernet.embedding)
    model.get_layer("embedding").set_weights([kernel[:rows], bias])
    model.get_layer("classifier").set_weights(_arrays(supernet.classifier))
    return model


def copy_subnet(supernet: Supernet, spec: Subnet, dtype: str = "float32") -> Supernet:
    """A supernet of the one subnet `spec` that starts from the weights it has in `supernet`.

    Args:
        supernet: the source of the weights; it is not changed.
        spec: the subnet.
        dtype: Keras dtype policy of the copy.
    """
    single = Supernet([spec], supernet.network, dtype=dtype)
    single.input_norm.set_weights(_arrays(supernet.input_norm))
    for name, weights in _convolutions(supernet, spec):
        single.get_unit(name).set_weights(weights)
    rows = spec.blocks[-1][-1]
    kernel, bias = _arrays(supernet.embedding)
    single.embedding.set_weights([kernel[:rows], bias])
    single.classifier.set_weights(_arrays(supernet.classifier))
    return single


def _convolutions(
    supernet: Supernet, spec: Subnet
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """(name, (kernel, gamma, beta)) of every convolution, cut to the spec."""
    channels_in = 1
    for block, (units, widths) in enumerate(zip(supernet.units, spec.blocks, strict=True), 1):
        for layer, (unit, width) in enumerate(zip(units, widths, strict=False), 1):
            kernel, gamma, beta = _arrays(unit)
            cut = kernel[:, :, :channels_in, :width], gamma[:width], beta[:width]
            yield f"block{block}_conv{layer}", cut
            channels_in = width


def _arrays(layer: keras.Layer) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in layer.trainable_weights]
