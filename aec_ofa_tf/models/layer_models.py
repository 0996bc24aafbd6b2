"""One layer of a CNN10 as a model of its own, to be measured on a device."""

from __future__ import annotations

import keras

from aec_ofa_tf.costs.layers import HEAD, INPUT, Layer
from aec_ofa_tf.models.cnn10 import convolution, head, normalised_image, pool
from aec_ofa_tf.models.network import NetworkConfig


def build_layer(layer: Layer, network: NetworkConfig) -> keras.Model:
    """What `build_cnn10` makes of a layer, with nothing before and after it.

    Args:
        layer: which.
        network: what is static.

    Returns:
        A model from float32 [batch, frames, mel_bins, channels_in] (an input layer: without
        channels) to what the next layer takes.
    """
    if layer.kind == INPUT:
        inputs = keras.Input((layer.frames, layer.mel_bins))
        return keras.Model(inputs, normalised_image(inputs))
    inputs = keras.Input((layer.frames, layer.mel_bins, layer.channels_in))
    if layer.kind == HEAD:
        return keras.Model(inputs, head(inputs, network))
    outputs = convolution(inputs, layer.channels_out, "conv")
    return keras.Model(inputs, pool(outputs, "pool") if layer.pooled else outputs)
