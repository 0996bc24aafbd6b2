"""Groups of built-in Keras layers of which plain MobileNets consist."""

from __future__ import annotations

from aec_ofa_tf.models.mobilenet.architecture import BATCH_NORM_EPSILON
from aec_ofa_tf.models.network import plain_batch_norm
from aec_ofa_tf.pinned_keras import keras


def conv(
    x: keras.KerasTensor, width: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    """A convolution without bias, padded evenly like PyTorch."""
    x, padding = _padded(x, kernel, stride, name)
    layer = keras.layers.Conv2D(
        width, kernel, strides=stride, padding=padding, use_bias=False, name=name
    )
    return layer(x)


def depthwise(x: keras.KerasTensor, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    """A depthwise convolution without bias, padded evenly."""
    x, padding = _padded(x, kernel, stride, name)
    layer = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding=padding, use_bias=False, name=name
    )
    return layer(x)


def _padded(
    x: keras.KerasTensor, kernel: int, stride: int, name: str
) -> tuple[keras.KerasTensor, str]:
    """As `layers.convolution.pad_evenly`; the padded input and the convolution's own padding."""
    if stride == 1:
        return x, "same"
    return keras.layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x), "valid"


def normed(x: keras.KerasTensor, name: str, activation: str | None = None) -> keras.KerasTensor:
    """Batch norm and activation, named after the layer before them."""
    x = plain_batch_norm(f"{name}_norm", BATCH_NORM_EPSILON)(x)
    return keras.layers.Activation(activation, name=f"{name}_act")(x) if activation else x


def squeeze_excitation(x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
    """1x1 Conv2Ds rather than Dense layers: their int8 weights have a scale per unit."""
    gates = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_means")(x)
    gates = keras.layers.Conv2D(units, 1, activation="relu", name=f"{name}_squeeze")(gates)
    gates = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_excite")(gates)
    gates = keras.layers.Activation("sigmoid", name=f"{name}_gates")(gates)
    return keras.layers.Multiply(name=f"{name}_scaled")([x, gates])
