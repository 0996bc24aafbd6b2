"""Rounds the first convolution by what it hears; to the nearest is best only for white noise.

Most of int8's error comes from here, and of float16's: a filter has 9 weights, neighbouring bins of
a spectrogram are much alike, and so the rounding errors of one filter add up instead of averaging
out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from aec_ofa_tf.export.folded import affine, set_affine

_INPUT_NORM, _CONVOLUTION, _NORM = "input_norm", "block1_conv1", "block1_norm1"
_LARGEST = 127
"""TFLite's int8 weights lie in [-127, 127], with a scale per output channel."""


def round_first_convolution(
    model: keras.Model, log_mel_batches: Iterable[tf.Tensor], quantization: str = "int8"
) -> keras.Model:
    """A copy whose first convolution loses as little as it can when its weights are rounded.

    Of all ways to round the weights of a filter up or down, the one that changes its output the
    least on the clips (the objective of AdaRound, Nagel et al. 2020, here solved by trying all
    512). What is left of the output's mean goes into the batch norm (bias correction, Nagel et
    al. 2019). The weights of the copy are numbers that TFLite's file can hold, so that the
    converter has nothing to round.

    Args:
        model: of `build_cnn10`; it is not changed. A model without its layers is returned as is.
        log_mel_batches: float32 [batch, frames, mel_bins] in dB, clips such as will be heard.
        quantization: one of `ROUNDED`.

    Returns:
        A model with the same layers, float32.
    """
    if not {_INPUT_NORM, _CONVOLUTION, _NORM} <= {layer.name for layer in model.layers}:
        return model
    mean, covariance = _patch_moments(model.get_layer(_INPUT_NORM), log_mel_batches)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    norm = copy.get_layer(_NORM)
    kernel = model.get_layer(_CONVOLUTION).get_weights()[0]
    filters = kernel.reshape(-1, kernel.shape[-1]).T.astype(np.float64)
    if quantization == "float16":
        # The converter multiplies a batch norm into the weights before it rounds them; int8's
        # scales take that in.
        scale, shift = affine(norm)
        filters *= scale[:, None]
        set_affine(norm, np.ones_like(scale), shift)
    neighbours = _NEIGHBOURS[quantization]
    rounded = np.array([_rounded(weights, neighbours(weights), covariance) for weights in filters])
    copy.get_layer(_CONVOLUTION).set_weights([rounded.T.reshape(kernel.shape)])
    norm.moving_mean.assign(norm.moving_mean.numpy() + (rounded - filters) @ mean)
    return copy


def _patch_moments(
    input_norm: keras.layers.Layer, log_mel_batches: Iterable[tf.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [9] and covariance [9, 9] of the 3x3 patches that the first convolution sees."""
    total, products, count = np.zeros(9), np.zeros((9, 9)), 0
    for batch in log_mel_batches:
        image = input_norm(batch, training=False)[..., None]
        patches = tf.image.extract_patches(image, [1, 3, 3, 1], [1] * 4, [1] * 4, "SAME")
        patches = patches.numpy().reshape(-1, 9).astype(np.float64)
        total += patches.sum(0)
        products += patches.T @ patches
        count += len(patches)
    mean = total / count
    return mean, products / count - np.outer(mean, mean)


def _rounded(weights: np.ndarray, neighbours: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """A filter's nine weights, each as one of its two neighbours [9, 2]."""
    candidates = np.array(list(itertools.product(*neighbours)))
    errors = candidates - weights
    variances = np.einsum("ci,ij,cj->c", errors, covariance, errors)
    return candidates[np.argmin(variances)]


def _int8_neighbours(weights: np.ndarray) -> np.ndarray:
    """The multiples of the filter's scale below and above each weight, the largest as it is."""
    scale = np.max(np.abs(weights)) / _LARGEST
    if scale == 0.0:
        return np.stack([weights, weights], axis=-1)
    steps = weights / scale
    # What lies on a multiple already, as the largest weight does, stays there.
    return np.stack([np.floor(steps + 1e-9), np.ceil(steps - 1e-9)], axis=-1) * scale


def _float16_neighbours(weights: np.ndarray) -> np.ndarray:
    """The float16 nearest to each weight, and the one on the weight's other side."""
    near = weights.astype(np.float16)
    side = np.sign(weights - near.astype(np.float64))
    other = np.nextafter(near, (side * np.inf).astype(np.float16), dtype=np.float16)
    return np.stack([near, np.where(side == 0.0, near, other)], axis=-1).astype(np.float64)


_NEIGHBOURS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "int8": _int8_neighbours,
    "float16": _float16_neighbours,
}
ROUNDED = tuple(_NEIGHBOURS)
"""Quantisations whose first convolution is rounded so."""
