"""Data-aware rounding of the first convolution, for int8 and float16.

Most of the error of int8 and of float16 comes from this layer. A filter has few weights, and
neighbouring bins of a spectrogram have similar values, so the rounding errors of a filter add up
instead of averaging out. Rounding to nearest is optimal only for white noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from aec_ofa_tf.export.keras_graph import DROPOUT, KerasGraph, affine, set_affine
from aec_ofa_tf.pinned_keras import keras

_LARGEST = 127
"""TFLite's int8 weights lie in [-127, 127], with a scale per output channel."""

_MAX_ENUMERATED = 12
"""Filters with at most this number of weights are rounded by trying all combinations."""

_BEFORE = (
    keras.layers.InputLayer,
    keras.layers.BatchNormalization,
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,
    keras.layers.AveragePooling2D,
    *DROPOUT,
)
"""Layers that are allowed between the input and the first convolution."""


def round_first_convolution(
    model: keras.Model, log_mel_batches: Iterable[tf.Tensor], quantization: str = "int8"
) -> keras.Model:
    """Rounds the weights of the first convolution so that its output changes the least.

    Every weight is rounded up or down, in the combination that changes the filter's output the
    least on the clips (the objective of AdaRound, Nagel et al. 2020). Filters of up to
    `_MAX_ENUMERATED` weights are solved exactly, larger ones by local search. The change of the
    output's mean is corrected in the batch norm or the bias (bias correction, Nagel et al. 2019).
    A TFLite file can represent the rounded weights exactly, so the converter does not round them
    again.

    Args:
        model: a plain Keras model; it is not changed. The first convolution is the first Conv2D
            after the input's normalisation; it must have one input channel. A model without such a
            convolution is returned unchanged.
        log_mel_batches: float32 [batch, frames, mel_bins] in dB, clips like those of the device.
        quantization: one of `ROUNDED`.

    Returns:
        A copy of the model, in float32.
    """
    name = first_convolution(model)
    if not name:
        return model
    mean, covariance = _patch_moments(model, model.get_layer(name), log_mel_batches)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    convolution, norm = copy.get_layer(name), KerasGraph(copy).norm_after(name)
    kernel = convolution.kernel.numpy()
    filters = kernel.reshape(-1, kernel.shape[-1]).T.astype(np.float64)
    if quantization == "float16" and norm is not None:
        # The converter multiplies a batch norm into the weights before it rounds them to float16;
        # the scales of int8 absorb that factor.
        filters *= _take_scale(convolution, norm)[:, None]
    neighbours = _NEIGHBOURS[quantization]
    rounded = np.array([_rounded(weights, neighbours(weights), covariance) for weights in filters])
    convolution.kernel.assign(rounded.T.reshape(kernel.shape))
    change = (rounded - filters) @ mean
    if norm is not None:
        norm.moving_mean.assign(norm.moving_mean.numpy() + change)
    elif convolution.use_bias:
        convolution.bias.assign(convolution.bias.numpy() - change)
    return copy


def first_convolution(model: keras.Model) -> str:
    """Name of the first convolution, if it has one input channel; "" if there is none."""
    try:
        graph = KerasGraph(model)
    except ValueError:  # not a functional model
        return ""
    node = next((node for node in graph.nodes if not isinstance(node.layer, _BEFORE)), None)
    if node is None or type(node.layer) is not keras.layers.Conv2D:
        return ""
    has_one_channel = node.layer.kernel.shape[2] == 1 and node.layer.groups == 1
    return node.name if has_one_channel and node.layer.data_format == "channels_last" else ""


def _take_scale(
    convolution: keras.layers.Conv2D, norm: keras.layers.BatchNormalization
) -> np.ndarray:
    """Returns the batch norm's scale [channels] and sets it to 1, so that it only adds."""
    scale, shift = affine(norm)
    if convolution.use_bias:
        shift = shift + convolution.bias.numpy() * scale
        convolution.bias.assign(np.zeros_like(shift))
    set_affine(norm, np.ones_like(scale), shift)
    return scale


def _patch_moments(
    model: keras.Model, convolution: keras.layers.Conv2D, log_mel_batches: Iterable[tf.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [weights] and covariance [weights, weights] of the patches under the kernel."""
    image_of = keras.Model(model.inputs[0], convolution.input)
    height, width = convolution.kernel_size
    size = height * width
    total, products, count = np.zeros(size), np.zeros((size, size)), 0
    for batch in log_mel_batches:
        patches = tf.image.extract_patches(
            image_of(batch, training=False),
            [1, height, width, 1],
            [1, *convolution.strides, 1],
            [1, *convolution.dilation_rate, 1],
            convolution.padding.upper(),
        )
        patches = patches.numpy().reshape(-1, size).astype(np.float64)
        total += patches.sum(0)
        products += patches.T @ patches
        count += len(patches)
    mean = total / count
    return mean, products / count - np.outer(mean, mean)


def _rounded(weights: np.ndarray, neighbours: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Rounds each weight of a filter to one of its two neighbours, [weights, 2]."""
    if len(weights) > _MAX_ENUMERATED:
        return _rounded_by_search(weights, neighbours, covariance)
    candidates = np.array(list(itertools.product(*neighbours)))
    errors = candidates - weights
    variances = np.einsum("ci,ij,cj->c", errors, covariance, errors)
    return candidates[np.argmin(variances)]


def _rounded_by_search(
    weights: np.ndarray, neighbours: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Local search: starts with the nearest neighbours and changes one or two weights at a time.

    Changing weight i by d_i changes the variance e'Ce by 2 d_i (Ce)_i + d_i^2 C_ii; changing the
    weights i and j changes it by the sum of both terms and 2 d_i d_j C_ij. The best change is made
    as long as it reduces the variance.
    """
    rows = np.arange(len(weights))
    sides = np.argmin(np.abs(neighbours - weights[:, None]), axis=1)
    diagonal = np.diag(covariance)
    while True:
        chosen = neighbours[rows, sides]
        steps = neighbours[rows, 1 - sides] - chosen
        single = 2 * steps * (covariance @ (chosen - weights)) + steps**2 * diagonal
        change = single[:, None] + single + 2 * np.outer(steps, steps) * covariance
        np.fill_diagonal(change, single)
        first, second = np.unravel_index(np.argmin(change), change.shape)
        # The threshold is far above the rounding errors of the sums, so that the search ends.
        if change[first, second] >= -1e-9 * np.sum(np.outer(weights, weights) * covariance):
            return chosen
        flipped = list({int(first), int(second)})
        sides[flipped] = 1 - sides[flipped]


def _int8_neighbours(weights: np.ndarray) -> np.ndarray:
    """The multiples of the filter's scale below and above each weight: [weights, 2]."""
    scale = np.max(np.abs(weights)) / _LARGEST
    if scale == 0.0:
        return np.stack([weights, weights], axis=-1)
    steps = weights / scale
    # A weight that is a multiple already, such as the largest one, is not changed.
    return np.stack([np.floor(steps + 1e-9), np.ceil(steps - 1e-9)], axis=-1) * scale


def _float16_neighbours(weights: np.ndarray) -> np.ndarray:
    """The nearest float16 of each weight, and the next one on the other side: [weights, 2]."""
    near = weights.astype(np.float16)
    side = np.sign(weights - near.astype(np.float64))
    other = np.nextafter(near, (side * np.inf).astype(np.float16), dtype=np.float16)
    return np.stack([near, np.where(side == 0.0, near, other)], axis=-1).astype(np.float64)


_NEIGHBOURS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "int8": _int8_neighbours,
    "float16": _float16_neighbours,
}
ROUNDED = tuple(_NEIGHBOURS)
"""Quantisations whose first convolution is rounded by `round_first_convolution`."""
