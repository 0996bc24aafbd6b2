"""A description of a network without batch norms, for fine-tuning. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aec_ofa_tf.files import JsonObject

INPUT, SCALE, SHIFT = "Input", "Scale", "Shift"
"""Kinds of layers that are not Keras classes: the input, and the two halves of a batch norm that
could not be folded, which multiply by a number per channel and add a number per channel."""
FIXED = "fixed"
"""Setting of the last two for one number that is not trained, that of a `Rescaling`."""


@dataclass(frozen=True)
class FoldedLayer:
    """One layer.

    Attributes:
        name: name of the layer, and prefix of the names of its weights.
        kind: name of its Keras class, or `INPUT`, `SCALE` or `SHIFT`.
        inputs: names of the layers whose outputs are its inputs.
        settings: arguments of the constructor, as JSON values.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def activation(self) -> str:
        """The activation that the layer applies to its output; "linear" if none."""
        return self.settings.get("activation") or "linear"


@dataclass(frozen=True)
class FoldedGraph:
    """A network with one input and one output, whose last layer computes logits or scores.

    Attributes:
        layers: the layers in topological order, the input first.
        output: name of the layer that computes the network's output.
    """

    layers: tuple[FoldedLayer, ...]
    output: str

    def __getitem__(self, name: str) -> FoldedLayer:
        """The layer with this name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one clip, without the batch axis."""
        return tuple(self.layers[0].settings["shape"])

    @property
    def activation(self) -> str:
        """The function from logits to scores, or "linear" if the outputs are logits."""
        layer = self[self.output]
        return layer.activation if layer.kind == "Activation" else "linear"

    @property
    def logits(self) -> str:
        """Name of the layer that computes the logits."""
        layer = self[self.output]
        return layer.inputs[0] if layer.kind == "Activation" else layer.name

    def consumers(self, name: str) -> list[FoldedLayer]:
        """The layers that use the output of the layer with this name."""
        return [layer for layer in self.layers if name in layer.inputs]


def graph_from_json(value: JsonObject) -> FoldedGraph:
    """Builds a graph from its `asdict` after a round trip through JSON."""
    layers = (
        FoldedLayer(**{**layer, "inputs": tuple(layer["inputs"])}) for layer in value["layers"]
    )
    return FoldedGraph(tuple(layers), value["output"])
