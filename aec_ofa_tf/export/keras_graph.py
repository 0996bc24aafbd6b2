"""The layers of a plain Keras model with their connections; scale and shift of batch norms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.pinned_keras import keras

DROPOUT = (keras.layers.Dropout, keras.layers.SpatialDropout2D)


@dataclass(frozen=True, eq=False)
class Node:
    """One layer of a model.

    Attributes:
        layer: the layer, or another Keras operation.
        inputs: names of the layers whose outputs are its inputs.
    """

    layer: keras.Operation
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name


class KerasGraph:
    """The layers of a model in topological order.

    Args:
        model: a functional or sequential model with one input and one output, which uses every
            layer once.

    Attributes:
        nodes: the layers in topological order.
        output: name of the layer that computes the model's output.

    Raises:
        ValueError: the model is not as described.
    """

    def __init__(self, model: keras.Model) -> None:
        if isinstance(model, keras.Sequential):
            model = keras.Model(model.inputs, model.outputs)
        configuration = model.get_config() if isinstance(model, keras.Model) else {}
        if not {"layers", "output_layers"} <= set(configuration):
            raise ValueError(
                f"expected a functional Keras model of built-in layers, received {model.name!r} "
                f"of class {type(model).__name__}"
            )
        operations = {operation.name: operation for operation in model.operations}
        nodes = [_node(operations[entry["name"]], entry) for entry in configuration["layers"]]
        self.nodes = tuple(nodes)
        self.output = _only_output(configuration, model)
        self._by_name = {node.name: node for node in nodes}

    def __getitem__(self, name: str) -> Node:
        """The layer with this name and its inputs."""
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is a layer with this name."""
        return name in self._by_name

    def consumers(self, name: str) -> list[Node]:
        """The layers that use a layer's output; a dropout is replaced by its own consumers."""
        found = [node for node in self.nodes if name in node.inputs]
        return [
            consumer
            for node in found
            for consumer in (
                self.consumers(node.name) if isinstance(node.layer, DROPOUT) else [node]
            )
        ]

    def norm_after(self, name: str) -> keras.layers.BatchNormalization | None:
        """The batch norm that can be folded into a convolution or dense layer, or None.

        It must be the only consumer of the layer, without an activation function between the two.
        """
        consumers = self.consumers(name)
        is_linear = self[name].layer.activation in (None, keras.activations.linear)
        if name == self.output or len(consumers) != 1 or not is_linear:
            return None
        layer = consumers[0].layer
        return layer if isinstance(layer, keras.layers.BatchNormalization) else None


def affine(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of a batch norm in inference, float64 [channels] each."""
    mean, variance = (
        weight.numpy().astype(np.float64) for weight in (norm.moving_mean, norm.moving_variance)
    )
    gamma = norm.gamma.numpy().astype(np.float64) if norm.scale else np.ones_like(mean)
    beta = norm.beta.numpy().astype(np.float64) if norm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def set_affine(norm: keras.layers.BatchNormalization, scale: np.ndarray, shift: np.ndarray) -> None:
    """Sets a batch norm so that it multiplies by `scale` and adds `shift` in inference.

    Args:
        norm: the batch norm.
        scale: [channels].
        shift: [channels].

    Raises:
        ValueError: the batch norm has no gamma, and a scale is not positive.
    """
    if not norm.scale and not (scale > 0).all():
        raise ValueError(
            f"{norm.name!r} has no gamma, so its scales must be positive, received {scale}"
        )
    variance = np.full_like(scale, 1.0) if norm.scale else 1.0 / np.square(scale)
    norm.moving_variance.assign(variance - norm.epsilon)
    norm.moving_mean.assign(np.zeros_like(scale) if norm.center else -shift / scale)
    if norm.scale:
        norm.gamma.assign(scale)
    if norm.center:
        norm.beta.assign(shift)


def _node(operation: keras.Operation, entry: JsonObject) -> Node:
    calls = entry["inbound_nodes"]
    if len(calls) > 1:
        raise ValueError(
            f"the layer {operation.name!r} is used {len(calls)} times; every layer must be used "
            "only once"
        )
    inputs = tuple(_tensors(calls[0])) if calls else ()
    return Node(operation, inputs)


def _tensors(value: object) -> Iterator[str]:
    """Names of the layers that computed the tensors in a serialised call."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield value["config"]["keras_history"][0]
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _only_output(configuration: JsonObject, model: keras.Model) -> str:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"expected a model with one input and one output, received {len(model.inputs)} and "
            f"{len(model.outputs)}"
        )
    outputs = configuration["output_layers"]
    return (outputs[0] if isinstance(outputs[0], list | tuple) else outputs)[0]
