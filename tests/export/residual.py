"""A small depthwise-separable residual network of built-in Keras layers, for tests of export."""

from __future__ import annotations

import keras

layers = keras.layers


def build_residual(
    clip: tuple[int, int],
    classes: int,
    activation: str | None = "softmax",
    *,
    swish: bool = True,
    excitation: bool = True,
) -> keras.Model:
    """Log-mel [batch, *clip] to scores [batch, classes].

    A 5x5 convolution with stride 2, an inverted residual unit with an added branch, a
    depthwise-separable unit with kernel 5 and stride 2 whose shortcut is a 1x1 convolution, and a
    head of global pooling and dense layers.

    Args:
        clip: frames and mel bins.
        classes: number of outputs.
        activation: of the output; None for logits.
        swish: whether hard_swish follows some of the convolutions instead of ReLU.
        excitation: whether a unit has a squeeze-and-excitation branch.
    """
    log_mel = keras.Input(clip, name="log_mel")
    x = layers.BatchNormalization(name="input_norm")(log_mel)
    x = layers.Reshape((*clip, 1), name="image")(x)
    x = layers.Conv2D(8, 5, 2, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.Activation("hard_swish" if swish else "relu", name="stem_act")(x)
    inner = _norm(layers.Conv2D(16, 1, name="expand"), x, relu=True)
    inner = _norm(layers.DepthwiseConv2D(3, padding="same", name="depth3"), inner, relu=True)
    if excitation:
        inner = _excited(inner)
    inner = _norm(layers.Conv2D(8, 1, use_bias=False, name="project"), inner)
    x = layers.Add(name="residual")([x, inner])
    inner = layers.ZeroPadding2D(((1, 2), (1, 2)), name="padding")(x)
    inner = _norm(layers.DepthwiseConv2D(5, 2, use_bias=False, name="depth5"), inner)
    inner = layers.ReLU(6.0, name="relu6")(inner)
    inner = _norm(layers.Conv2D(12, 1, use_bias=False, name="pointwise"), inner)
    short = layers.AveragePooling2D(2, name="short_pool")(x)
    short = layers.Conv2D(12, 1, name="shortcut")(short)
    x = layers.Add(name="sum")([short, inner])
    x = layers.ReLU(name="sum_relu")(x)
    x = layers.MaxPooling2D(2, name="max_pool")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(16, "relu", name="embedding")(x)
    return keras.Model(log_mel, layers.Dense(classes, activation, name="classifier")(x))


def _norm(layer: keras.layers.Layer, x: keras.KerasTensor, relu: bool = False) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{layer.name}_norm")(layer(x))
    return layers.ReLU(name=f"{layer.name}_relu")(x) if relu else x


def _excited(x: keras.KerasTensor) -> keras.KerasTensor:
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    squeezed = layers.Conv2D(4, 1, activation="relu", name="reduce")(squeezed)
    gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name="gate")(squeezed)
    return layers.Multiply(name="excite")([x, gate])
