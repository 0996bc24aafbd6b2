"""Standalone networks from the subnets of a supernet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from aec_ofa_tf.layers.batch_norm import Moments
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.models.checks import as_member
from aec_ofa_tf.models.network import INPUT_NORM, NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import TASK, Supernet
from aec_ofa_tf.pinned_keras import keras

_Arrays = list[np.ndarray]


def build_plain(
    subnet: Subnet,
    network: NetworkConfig,
    classifier_activation: str | None = TASK,
    name: str | None = None,
) -> keras.Model:
    """A standalone network of a subnet's shape, from built-in Keras layers only.

    `keras.models.load_model(safe_mode=True)` opens it without this project.

    Args:
        subnet: a choice for every unit.
        network: the static parts of the network.
        classifier_activation: "task" for the activation of the network's task, None for logits,
            or the Keras name of an activation.
        name: the model's name; by default the name of the network's family.

    Returns:
        A model from float32 [batch, frames, mel_bins] log-mel in dB to float32 [batch, classes].
    """
    if classifier_activation == TASK:
        classifier_activation = network.get_task().activation
    log_mel = keras.Input((network.frames, network.mel_bins), name="log_mel", dtype="float32")
    x = log_mel
    for part in network.parts(subnet, classifier_activation):
        x = part.plain(x)
    return keras.Model(log_mel, x, name=name or network.family or "network")


def materialise(
    supernet: Supernet,
    subnet: Subnet | str,
    statistics: Statistics,
    classifier_activation: str | None = TASK,
) -> keras.Model:
    """A standalone Keras model with a subnet's weights and batch-norm statistics.

    Args:
        supernet: the source of the weights; it is not changed.
        subnet: a member of the supernet, or its text.
        statistics: the subnet's own recalibrated moments (`SubnetEvaluator.recalibrate`).
        classifier_activation: as for `build_plain`.

    Returns:
        The model of `build_plain`; it computes what the supernet computes for the subnet.

    Raises:
        ValueError: the subnet is not in the supernet, or the statistics are a smaller subnet's.
    """
    subnet = as_member(supernet.space, subnet)
    model = build_plain(subnet, supernet.network, classifier_activation)
    if INPUT_NORM in statistics:
        moments = list(map(np.asarray, statistics[INPUT_NORM]))
        model.get_layer(INPUT_NORM).set_weights([*_arrays(supernet.input_norm), *moments])
    for index, weights in _cut_units(supernet, subnet):
        names = supernet.unit_layers[index].norms
        layers = supernet.units[index].twin_layers(subnet.choices[index])
        _fill(model, layers, weights, [statistics[name] for name in names])
    head = supernet.head.cut(_arrays(supernet.head_layer), _channels_out(subnet))
    _fill(model, supernet.head.twin_layers(), head, [])
    _check_statistics(model, subnet)
    return model


def copy_subnet(supernet: Supernet, subnet: Subnet, dtype: str = "float32") -> Supernet:
    """A supernet of one subnet, with the weights that the subnet has in `supernet`.

    Args:
        supernet: the source of the weights; it is not changed.
        subnet: the subnet.
        dtype: Keras dtype policy of the copy.
    """
    single = Supernet([subnet], supernet.network, dtype=dtype)
    single.input_norm.set_weights(_arrays(supernet.input_norm))
    for index, weights in _cut_units(supernet, subnet):
        single.unit_layers[index].set_weights(weights)
    head = supernet.head.cut(_arrays(supernet.head_layer), _channels_out(subnet))
    single.head_layer.set_weights(head)
    return single


def load_plain(supernet: Supernet, model: keras.Model, with_head: bool = True) -> Statistics:
    """Takes over the weights of a plain model of a supernet's largest subnet: the way back.

    Args:
        supernet: changed in place.
        model: as `build_plain` makes it, of the largest subnet; one of other classes needs
            `with_head=False`.
        with_head: whether the head is taken over too.

    Returns:
        The batch-norm statistics of the model.

    Raises:
        ValueError: the model lacks a layer, or a layer has other shapes.
    """
    largest, statistics = supernet.space.largest, {}
    if supernet.network.input_scaling is None:
        weights, input_moments = _of_layers(model, [INPUT_NORM])
        supernet.input_norm.set_weights(weights)
        statistics[INPUT_NORM] = input_moments[0]
    units = zip(supernet.units, supernet.unit_layers, largest.choices, strict=True)
    for unit, layer, choice in units:
        weights, moments = _of_layers(model, unit.twin_layers(choice))
        _set_weights(layer, weights)
        statistics |= dict(zip(layer.norms, moments, strict=True))
    if with_head:
        _set_weights(supernet.head_layer, _of_layers(model, supernet.head.twin_layers())[0])
    return statistics


def _of_layers(model: keras.Model, names: Sequence[str]) -> tuple[_Arrays, list[Moments]]:
    """Trainable weights of some layers of a plain model, and their batch norms' statistics."""
    weights: _Arrays = []
    moments: list[Moments] = []
    known = {layer.name: layer for layer in model.layers}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"the model has no layer {missing[0]}: it is not of the largest subnet")
    for layer in map(known.__getitem__, names):
        weights += _arrays(layer)
        if isinstance(layer, keras.layers.BatchNormalization):
            moments.append(Moments(layer.moving_mean.value, layer.moving_variance.value))
    return weights, moments


def _set_weights(layer: keras.Layer, weights: _Arrays) -> None:
    own = layer.trainable_weights
    sizes = [tuple(weight.shape) for weight in own]
    if [array.size for array in weights] != [int(np.prod(size)) for size in sizes]:
        raise ValueError(
            f"{layer.name} has weights of shapes {sizes}, the model has "
            f"{[array.shape for array in weights]}: it is not of the largest subnet"
        )
    layer.set_weights([np.reshape(array, size) for array, size in zip(weights, sizes, strict=True)])


def _cut_units(supernet: Supernet, subnet: Subnet) -> Iterator[tuple[int, _Arrays]]:
    """Index and weights, at the subnet's choice, of every unit that the subnet has."""
    channels = 1
    for index, choice in enumerate(subnet.choices):
        if not any(choice):
            continue
        arrays = _arrays(supernet.unit_layers[index])
        yield index, supernet.units[index].cut(arrays, choice, channels)
        channels = choice[0]


def _fill(
    model: keras.Model, layers: Sequence[str], weights: _Arrays, moments: Sequence[Sequence]
) -> None:
    """Sets the weights of these layers of a plain model, and the statistics of batch norms."""
    remaining, statistics = list(weights), iter(moments)
    for name in layers:
        layer = model.get_layer(name)
        shapes = [weight.shape for weight in layer.trainable_weights]
        # A dense layer may be a 1x1 convolution in the plain model.
        own = [np.reshape(w, shape) for w, shape in zip(remaining, shapes, strict=False)]
        remaining = remaining[len(shapes) :]
        if isinstance(layer, keras.layers.BatchNormalization):
            own += [np.asarray(vector)[: len(own[0])] for vector in next(statistics)]
        layer.set_weights(own)


def _check_statistics(model: keras.Model, subnet: Subnet) -> None:
    """Checks that every channel has moments: those that a smaller subnet lacks are 0.

    After a depthwise convolution they are 0 too where the channel before it is never above 0. The
    batch norm before it, which has as many channels, tells.
    """
    depthwise = [
        layer.output for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)
    ]
    for layer in model.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        if any(layer.input is output for output in depthwise):
            continue
        computed = np.asarray(layer.moving_mean) != 0
        computed |= np.asarray(layer.moving_variance) != 0
        channels = np.flatnonzero(computed)
        if len(channels) and channels[-1] + 1 < len(computed):
            raise ValueError(
                f"the statistics have {channels[-1] + 1} channels in {layer.name}, where {subnet} "
                f"has {len(computed)}: they are another subnet's; recalibrate this one"
            )


def _channels_out(subnet: Subnet) -> int:
    return next(choice[0] for choice in reversed(subnet.choices) if choice[0])


def _arrays(layer: keras.Layer) -> _Arrays:
    return [np.asarray(weight) for weight in layer.trainable_weights]
