"""Folds the batch norms of a plain Keras model into the layers before them, and unfolds them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from aec_ofa_tf.export.folded_graph import FIXED, INPUT, SCALE, SHIFT, FoldedGraph, FoldedLayer
from aec_ofa_tf.export.keras_graph import DROPOUT, KerasGraph, Node, affine, set_affine
from aec_ofa_tf.pinned_keras import keras

_POOL = ("pool_size", "strides", "padding")
_CONVOLUTION = ("kernel_size", "strides", "padding", "dilation_rate")
_WEIGHTED = {
    keras.layers.Conv2D: ("filters", *_CONVOLUTION),
    keras.layers.DepthwiseConv2D: ("depth_multiplier", *_CONVOLUTION),
    keras.layers.Dense: ("units",),
}
"""Layers into which a batch norm can be folded, and the constructor arguments for the graph."""

_PLAIN = {
    keras.layers.Reshape: ("target_shape",),
    keras.layers.Flatten: (),
    keras.layers.ZeroPadding2D: ("padding",),
    keras.layers.AveragePooling2D: _POOL,
    keras.layers.MaxPooling2D: _POOL,
    keras.layers.GlobalAveragePooling2D: ("keepdims",),
    keras.layers.Add: (),
    keras.layers.Multiply: (),
}
_ACTIVATIONS = (keras.layers.ReLU, keras.layers.Activation, keras.layers.Softmax)
_FUNCTIONS = {
    "linear": "linear",
    "relu": "relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "hard_silu": "hard_swish",
}
"""Activation functions by their names in Keras and in the graph."""

_RELU_SETTINGS: dict[str, dict[str, object]] = {"relu": {}, "relu6": {"max_value": 6.0}}
_SUPPORTED = ", ".join(
    layer.__name__
    for layer in (
        keras.layers.InputLayer,
        keras.layers.BatchNormalization,
        keras.layers.Rescaling,
        *_WEIGHTED,
        *_PLAIN,
        *_ACTIVATIONS,
        *DROPOUT,
    )
)


@dataclass(frozen=True, eq=False)
class Folded:
    """A network without batch norms.

    Attributes:
        graph: the layers.
        weights: float32 arrays by `LAYER/WEIGHT`. A batch norm that cannot be folded into a layer
            before it, such as that of the input, becomes `NAME_scale/scale` and `NAME_shift/shift`
            [channels]; NAME is the name of the batch norm without the ending `_norm`.
    """

    graph: FoldedGraph
    weights: dict[str, np.ndarray]


def fold(model: keras.Model) -> Folded:
    """Removes batch norms and dropout from a plain Keras model without changing its outputs.

    BN(W x + b) = (s W) x + (s b + t), with s = gamma / sqrt(variance + epsilon) per output channel
    and t = beta - s mean.

    Args:
        model: a functional model of layers in `_SUPPORTED`, channels last.

    Returns:
        The network. A ReLU becomes part of the convolution or dense layer before it; the last
        layer's sigmoid or softmax becomes a layer `scores` of its own.

    Raises:
        ValueError: a layer, or a setting of it, is not supported; the message names it.
    """
    folding = _Folding(KerasGraph(model))
    return Folded(folding.folded_graph(), folding.weights())


def unfold(model: keras.Model, weights: dict[str, np.ndarray]) -> keras.Model:
    """The same network with other folded weights; its batch norms then only add the biases.

    Args:
        model: a model that `fold` accepts; it is not changed.
        weights: folded weights (`Folded.weights`).

    Raises:
        ValueError: as `fold`.
    """
    copy = keras.models.clone_model(model)
    folding = _Folding(KerasGraph(copy))
    for norm in folding.lone_norms:
        name = _base(norm)
        set_affine(norm, weights[f"{name}_scale/scale"], weights[f"{name}_shift/shift"])
    for layer, norm in folding.weighted:
        layer.kernel.assign(weights[_kernel_name(layer)])
        if norm is None and not layer.use_bias:
            continue
        bias = weights[f"{layer.name}/bias"]
        if norm is not None:
            set_affine(norm, np.ones_like(bias), bias)
        if layer.use_bias:
            layer.bias.assign(bias if norm is None else np.zeros_like(bias))
    return copy


class _Folding:
    """Folds the layers of a model one by one.

    Attributes:
        weighted: convolutions and dense layers, each with the batch norm folded into it, if any.
        lone_norms: the batch norms that are not folded into a layer.
    """

    def __init__(self, graph: KerasGraph) -> None:
        self.weighted: list[tuple[keras.layers.Layer, keras.layers.BatchNormalization | None]] = []
        self.lone_norms: list[keras.layers.BatchNormalization] = []
        self._graph = graph
        self._layers: list[FoldedLayer] = []
        self._sources: dict[str, str] = {}
        for node in graph.nodes:
            inputs = tuple(self._sources[name] for name in node.inputs)
            self._sources[node.name] = self._add(node, inputs)

    def folded_graph(self) -> FoldedGraph:
        """The layers after folding."""
        return _with_fused_relus(
            FoldedGraph(tuple(self._layers), self._sources[self._graph.output])
        )

    def weights(self) -> dict[str, np.ndarray]:
        """See `Folded.weights`."""
        weights: dict[str, np.ndarray] = {}
        for norm in self.lone_norms:
            scale, shift = affine(norm)
            weights |= {f"{_base(norm)}_scale/scale": scale, f"{_base(norm)}_shift/shift": shift}
        for layer, norm in self.weighted:
            kernel = layer.kernel.numpy()
            bias = layer.bias.numpy() if layer.use_bias else None
            if norm is not None:
                scale, shift = affine(norm)
                kernel = kernel * scale.reshape(_scale_shape(layer))
                bias = shift if bias is None else bias * scale + shift
            weights[_kernel_name(layer)] = kernel
            if bias is not None:
                weights[f"{layer.name}/bias"] = bias
        return {name: np.asarray(array, np.float32) for name, array in weights.items()}

    def _add(self, node: Node, inputs: tuple[str, ...]) -> str:
        """Adds a layer; returns the name of the folded layer that now computes its output."""
        layer, kind = node.layer, type(node.layer)
        if kind is keras.layers.InputLayer:
            return self._append(node.name, INPUT, (), {"shape": _json(layer.batch_shape[1:])})
        if kind in DROPOUT:
            return inputs[0]
        if kind is keras.layers.BatchNormalization:
            return self._add_norm(layer, inputs[0])
        if kind is keras.layers.Rescaling:
            scaled = self._append(f"{node.name}_scale", SCALE, inputs, {FIXED: layer.scale})
            return self._append(f"{node.name}_shift", SHIFT, (scaled,), {FIXED: layer.offset})
        if kind in _WEIGHTED:
            return self._add_weighted(layer, inputs)
        if kind in _ACTIVATIONS:
            return self._add_activation(node.name, inputs[0], _function(layer))
        if kind in _PLAIN:
            return self._append(node.name, kind.__name__, inputs, _settings(layer, _PLAIN[kind]))
        raise ValueError(
            f"the layer {node.name!r} of class {kind.__name__} cannot be trained for int8; "
            f"supported layers: {_SUPPORTED}"
        )

    def _add_norm(self, norm: keras.layers.BatchNormalization, source: str) -> str:
        if any(norm is taken for _, taken in self.weighted):
            return source
        rank = len(norm.input.shape)
        if norm.axis not in (-1, rank - 1):
            raise ValueError(
                f"the batch norm {norm.name!r} normalises axis {norm.axis}; only the last axis is "
                "supported"
            )
        self.lone_norms.append(norm)
        name = _base(norm)
        scaled = self._append(f"{name}_scale", SCALE, (source,), {})
        return self._append(f"{name}_shift", SHIFT, (scaled,), {})

    def _add_weighted(self, layer: keras.layers.Layer, inputs: tuple[str, ...]) -> str:
        if getattr(layer, "groups", 1) != 1:
            raise ValueError(f"the convolution {layer.name!r} has groups; use DepthwiseConv2D")
        norm = self._graph.norm_after(layer.name)
        self.weighted.append((layer, norm))
        settings = _settings(layer, _WEIGHTED[type(layer)])
        if norm is None and not layer.use_bias:
            settings["use_bias"] = False
        function, kind = _function(layer), type(layer).__name__
        if function in _RELU_SETTINGS:
            return self._append(layer.name, kind, inputs, {**settings, "activation": function})
        source = self._append(layer.name, kind, inputs, settings)
        is_output, is_taken = layer.name == self._graph.output, "scores" in self._graph
        name = "scores" if is_output and not is_taken else f"{layer.name}_{function}"
        return self._add_activation(name, source, function)

    def _add_activation(self, name: str, source: str, function: str) -> str:
        if function == "linear":
            return source
        if function in _RELU_SETTINGS:
            return self._append(name, "ReLU", (source,), dict(_RELU_SETTINGS[function]))
        return self._append(name, "Activation", (source,), {"activation": function})

    def _append(
        self, name: str, kind: str, inputs: tuple[str, ...], settings: dict[str, object]
    ) -> str:
        self._layers.append(FoldedLayer(name, kind, inputs, settings))
        return name


def _with_fused_relus(graph: FoldedGraph) -> FoldedGraph:
    """Fuses a ReLU with the convolution or dense layer before it, if that has no other consumer."""
    weighted = {kind.__name__ for kind in _WEIGHTED}
    functions: dict[str, str] = {}
    sources: dict[str, str] = {}
    for layer in graph.layers:
        source = graph[layer.inputs[0]] if layer.kind == "ReLU" else layer
        is_alone = graph.consumers(source.name) == [layer]
        if is_alone and source.kind in weighted and source.activation == "linear":
            functions[source.name] = "relu6" if "max_value" in layer.settings else "relu"
            sources[layer.name] = source.name
    layers = [
        dataclasses.replace(
            layer,
            inputs=tuple(sources.get(name, name) for name in layer.inputs),
            settings=layer.settings
            | ({"activation": functions[layer.name]} if layer.name in functions else {}),
        )
        for layer in graph.layers
        if layer.name not in sources
    ]
    return FoldedGraph(tuple(layers), sources.get(graph.output, graph.output))


def _settings(layer: keras.layers.Layer, names: tuple[str, ...]) -> dict[str, object]:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"the layer {layer.name!r} has its channels first; put them last")
    return {name: _json(getattr(layer, name)) for name in names}


def _function(layer: keras.layers.Layer) -> str:
    """The activation function that a layer applies."""
    if isinstance(layer, keras.layers.Softmax) and layer.axis == -1:
        return "softmax"
    if isinstance(layer, keras.layers.ReLU):
        is_plain = layer.negative_slope == 0 and layer.threshold == 0
        name = {None: "relu", 6: "relu6"}.get(layer.max_value, "") if is_plain else ""
    else:
        name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if name not in _FUNCTIONS or isinstance(layer, keras.layers.Softmax):
        raise ValueError(
            f"the activation of the layer {layer.name!r} ({layer.get_config()}) cannot be trained "
            f"for int8; supported activations: {', '.join(_FUNCTIONS.values())}"
        )
    return _FUNCTIONS[name]


def _json(value: object) -> object:
    """Replaces tuples by lists, as in JSON."""
    return [_json(part) for part in value] if isinstance(value, list | tuple) else value


def _base(norm: keras.layers.BatchNormalization) -> str:
    return norm.name.removesuffix("_norm")


def _kernel_name(layer: keras.layers.Layer) -> str:
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return f"{layer.name}/{'depthwise_kernel' if is_depthwise else 'kernel'}"


def _scale_shape(layer: keras.layers.Layer) -> tuple[int, ...]:
    """The shape to which scales of output channels are reshaped to multiply a kernel."""
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return layer.kernel.shape[-2:] if is_depthwise else (-1,)
