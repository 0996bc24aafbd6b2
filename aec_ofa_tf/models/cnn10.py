"""A standalone CNN10 of any width and depth, from built-in Keras layers only."""

from __future__ import annotations

import keras

from aec_ofa_tf.models.network import BATCH_NORM_EPSILON, NetworkConfig
from aec_ofa_tf.models.space import Subnet

BATCH_NORM_MOMENTUM = 0.9


def build_cnn10(
    spec: Subnet,
    network: NetworkConfig,
    classifier_activation: str | None = "sigmoid",
    name: str = "cnn10",
) -> keras.Model:
    """PANNs' CNN10 with the widths and depths of `spec` (PANNs `models.py`; paper figure 2).

    log-mel -> batch norm over mel bins -> blocks of (3x3 convolution, batch norm, ReLU) with
    average pools -> mean over mel, max + mean over time -> dense, ReLU -> classifier. It holds
    nothing but built-in layers, so `keras.models.load_model(safe_mode=True)` opens it anywhere.

    Args:
        spec: output channels of every convolution.
        network: what is static.
        classifier_activation: "sigmoid" for scores, None for logits.
        name: the model's name.

    Returns:
        A model from float32 [batch, frames, mel_bins] log-mel in dB to float32 [batch, classes].
    """
    log_mel = keras.Input((network.frames, network.mel_bins), name="log_mel", dtype="float32")
    x = normalised_image(log_mel)
    last = len(spec.blocks)
    for block, widths in enumerate(spec.blocks, start=1):
        for layer, width in enumerate(widths, start=1):
            x = convolution(x, width, f"block{block}_conv{layer}")
        if block < last or network.pool_last:
            x = pool(x, f"block{block}_pool")
        x = keras.layers.Dropout(network.block_dropout, name=f"block{block}_dropout")(x)
    scores = head(x, network, classifier_activation)
    return keras.Model(log_mel, scores, name=name)


def normalised_image(log_mel: keras.KerasTensor) -> keras.KerasTensor:
    """Batch norm over mel bins; [batch, frames, mel_bins] to [batch, frames, mel_bins, 1]."""
    x = _batch_norm("input_norm")(log_mel)
    return keras.layers.Reshape((*log_mel.shape[1:], 1), name="image")(x)


def convolution(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    """3x3 convolution, batch norm, ReLU; [batch, frames, mel_bins, channels], same frames."""
    x = keras.layers.Conv2D(
        width, 3, padding="same", use_bias=False, kernel_initializer="glorot_uniform", name=name
    )(x)
    x = _batch_norm(name.replace("conv", "norm"))(x)
    return keras.layers.ReLU(name=name.replace("conv", "relu"))(x)


def pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """2x2 average pool between blocks; an odd last frame or bin is dropped."""
    return keras.layers.AveragePooling2D(2, name=name)(x)


def head(
    x: keras.KerasTensor, network: NetworkConfig, classifier_activation: str | None = "sigmoid"
) -> keras.KerasTensor:
    """From the last block's output [batch, frames, mel_bins, channels] to [batch, classes]."""
    x = _global_pool(x)
    x = keras.layers.Dropout(network.embedding_dropout, name="embedding_dropout")(x)
    x = _dense(network.embedding_units, "embedding", "relu")(x)
    return _dense(network.classes, "classifier", classifier_activation)(x)


def _global_pool(x: keras.KerasTensor) -> keras.KerasTensor:
    """Mean over mel bins, then maximum plus mean over time.

    Pools rather than reductions, for which XNNPACK has kernels. The ReLU changes no value, since
    what is pooled is not negative, and is fused into the addition; without it TFLite's converter
    spreads the dense layer that follows over both summands, which int8 kernels refuse.
    """
    _, frames, mel_bins, channels = x.shape
    x = keras.layers.AveragePooling2D((1, mel_bins), name="mel_mean")(x)
    time_max = keras.layers.MaxPooling2D((frames, 1), name="time_max")(x)
    time_mean = keras.layers.AveragePooling2D((frames, 1), name="time_mean")(x)
    pooled = keras.layers.Add(name="pooled_sum")([time_max, time_mean])
    pooled = keras.layers.ReLU(name="pooled")(pooled)
    return keras.layers.Reshape((channels,), name="features")(pooled)


def _batch_norm(name: str) -> keras.layers.Layer:
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=name
    )


def _dense(units: int, name: str, activation: str | None) -> keras.layers.Layer:
    return keras.layers.Dense(
        units, activation=activation, kernel_initializer="glorot_uniform", name=name
    )
