"""Splits a first convolution whose channels have very unequal ranges, for int8.

A scale is that of a whole tensor: a channel whose values span a hundredth of it has two or three
steps of int8, and the depthwise convolution that follows may amplify it fifty times.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aec_ofa_tf.export.keras_graph import KerasGraph
from aec_ofa_tf.export.rounding import first_convolution
from aec_ofa_tf.pinned_keras import keras

SMALL = 0.1
"""A channel is small if its range is less than this share of the widest channel's."""

_PER_CHANNEL = (
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.ZeroPadding2D,
    keras.layers.DepthwiseConv2D,
)


def split_first_channels(model: keras.Model, log_mel_batches: Iterable[tf.Tensor]) -> keras.Model:
    """Computes small channels of the first convolution apart, up to the depthwise one after it.

    The scores stay as they are. Runs of neighbouring channels that are all small, or all not, get
    a convolution, an activation and a depthwise convolution each, and are joined after these.

    Args:
        model: a plain Keras model; it is not changed. One whose first convolution is not followed
            by a depthwise one, or has no small channels, is returned as it is.
        log_mel_batches: float32 [batch, frames, mel_bins] in dB, clips like those of the device.
    """
    first = first_convolution(model)
    chain = _chain(KerasGraph(model), first) if first else []
    depthwise = [n for n, layer in enumerate(chain) if _is_depthwise(layer)]
    if not depthwise:
        return model
    ranges = _ranges(model, chain[depthwise[0] - 1], log_mel_batches)
    runs = _runs(ranges < SMALL * ranges.max())
    if len(runs) < 2:
        return model
    kept: dict[str, keras.KerasTensor] = {}

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if layer.name == first:
            kept[first] = args[0]
        if layer.name != chain[-1].name:
            return layer(*args, **kwargs)
        branches = [_branch(chain, run, part, kept[first]) for part, run in enumerate(runs)]
        return keras.layers.Concatenate(name=f"{first}_joined")(branches)

    split = keras.models.clone_model(model, call_function=call)
    whole = {layer.name for layer in split.layers} & {layer.name for layer in model.layers}
    for name in whole:
        split.get_layer(name).set_weights(model.get_layer(name).get_weights())
    for (part, run), layer in itertools.product(enumerate(runs), chain):
        if layer.weights:
            split.get_layer(_name(layer, part)).set_weights(_weights(layer, run))
    return split


def _chain(graph: KerasGraph, first: str) -> list[keras.Layer]:
    """The first convolution and what follows it channel by channel, with one depthwise one."""
    chain: list[keras.Layer] = [graph[first].layer]
    while True:
        followers = [node.layer for node in graph.consumers(chain[-1].name)]
        nexts = [layer for layer in followers if isinstance(layer, _PER_CHANNEL)]
        has_passed = any(map(_is_depthwise, chain))
        # After the depthwise convolution nobody else may need what lies between.
        if len(nexts) != 1 or (has_passed and (len(followers) > 1 or _is_depthwise(nexts[0]))):
            return chain
        chain.append(nexts[0])


def _is_depthwise(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D) and layer.depth_multiplier == 1


def _ranges(
    model: keras.Model, layer: keras.Layer, log_mel_batches: Iterable[tf.Tensor]
) -> np.ndarray:
    """Greatest less smallest value of every channel of a layer's output, [channels]."""
    probe = keras.Model(model.inputs, layer.output)
    ends = []
    for batch in log_mel_batches:
        values = probe(batch, training=False).numpy()
        ends.append((values.min(axis=(0, 1, 2)), values.max(axis=(0, 1, 2))))
    lowest, highest = zip(*ends, strict=True)
    return np.max(highest, axis=0) - np.min(lowest, axis=0)


def _runs(is_small: np.ndarray) -> list[slice]:
    """Neighbouring channels of one kind, in order."""
    ends = [0, *(np.flatnonzero(np.diff(is_small)) + 1).tolist(), len(is_small)]
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def _branch(
    chain: Sequence[keras.Layer], run: slice, part: int, x: keras.KerasTensor
) -> keras.KerasTensor:
    """The layers of the chain for some channels."""
    for layer in chain:
        config = {**layer.get_config(), "name": _name(layer, part)}
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = run.stop - run.start
        x = type(layer).from_config(config)(x)
    return x


def _name(layer: keras.Layer, part: int) -> str:
    return f"{layer.name}_{part}"


def _weights(layer: keras.Layer, run: slice) -> list[np.ndarray]:
    """A layer's weights for some channels: of its last axis, a depthwise kernel's last but one."""
    return [
        values[..., run, :] if values.ndim == 4 and _is_depthwise(layer) else values[..., run]
        for values in layer.get_weights()
    ]
