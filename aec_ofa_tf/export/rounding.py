"""Rounds the first convolution for int8 by what it hears; nearest is best only for white noise.

Most of int8's error comes from here: a filter has 9 weights, neighbouring bins of a spectrogram are
much alike, and so the rounding errors of one filter add up instead of averaging out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

_INPUT_NORM, _CONVOLUTION, _NORM = "input_norm", "block1_conv1", "block1_norm1"
_LARGEST = 127
"""TFLite's int8 weights lie in [-127, 127], with a scale per output channel."""


def round_first_convolution(
    model: keras.Model, log_mel_batches: Iterable[tf.Tensor]
) -> keras.Model:
    """A copy whose first convolution loses as little as it can when int8 rounds its weights.

    Of all ways to round the weights of a filter up or down, the one that changes its output the
    least on the clips (the objective of AdaRound, Nagel et al. 2020, here solved by trying all
    512). What is left of the output's mean goes into the batch norm (bias correction, Nagel et
    al. 2019). The weights of the copy are multiples of TFLite's scales, so that the converter
    has nothing to round.

    Args:
        model: of `build_cnn10`; it is not changed. A model without its layers is returned as is.
        log_mel_batches: float32 [batch, frames, mel_bins] in dB, clips such as will be heard.

    Returns:
        A model with the same layers, float32.
    """
    if not {_INPUT_NORM, _CONVOLUTION, _NORM} <= {layer.name for layer in model.layers}:
        return model
    mean, covariance = _patch_moments(model.get_layer(_INPUT_NORM), log_mel_batches)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel = model.get_layer(_CONVOLUTION).get_weights()[0]
    filters = kernel.reshape(-1, kernel.shape[-1]).T.astype(np.float64)
    rounded = np.array([_rounded(weights, covariance) for weights in filters])
    copy.get_layer(_CONVOLUTION).set_weights([rounded.T.reshape(kernel.shape)])
    norm = copy.get_layer(_NORM)
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


def _rounded(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """A filter's nine weights as multiples of its scale, the largest as it was."""
    scale = np.max(np.abs(weights)) / _LARGEST
    if scale == 0.0:
        return weights
    steps = weights / scale
    # What lies on a multiple already, as the largest weight does, stays there.
    ends = np.stack([np.floor(steps + 1e-9), np.ceil(steps - 1e-9)], axis=-1)
    candidates = np.array(list(itertools.product(*ends)))
    errors = candidates - steps
    variances = np.einsum("ci,ij,cj->c", errors, covariance, errors)
    return candidates[np.argmin(variances)] * scale
