"""A network without batch norms as data, for the fine-tuning process. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INPUT, SCALE, SHIFT = "Input", "Scale", "Shift"
"""Kinds of layers that are no Keras classes of the same name: the input, and the two halves of a
batch norm that no layer could take in, which multiply and add one number per channel."""


@dataclass(frozen=True)
class FoldedLayer:
    """One layer.

    Attributes:
        name: its name, which its weights carry too.
        kind: name of its Keras class, or `INPUT`, `SCALE` or `SHIFT`.
        inputs: names of the layers whose outputs it takes.
        settings: arguments of the class's constructor, of JSON types only.
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
    """A network of one input and one output, whose last layer gives logits or scores.

    Attributes:
        layers: every layer after those whose outputs it takes; the input first.
        output: name of the layer whose output is the network's.
    """

    layers: tuple[FoldedLayer, ...]
    output: str

    def __getitem__(self, name: str) -> FoldedLayer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one clip, without the batch axis."""
        return tuple(self.layers[0].settings["shape"])

    @property
    def activation(self) -> str:
        """The function from logits to scores, or "linear" where the output is logits."""
        layer = self[self.output]
        return layer.activation if layer.kind == "Activation" else "linear"

    @property
    def logits(self) -> str:
        """Name of the layer whose output is the logits."""
        layer = self[self.output]
        return layer.inputs[0] if layer.kind == "Activation" else layer.name

    def consumers(self, name: str) -> list[FoldedLayer]:
        """The layers that take the output of the layer of that name."""
        return [layer for layer in self.layers if name in layer.inputs]


def graph_from_json(value: dict[str, Any]) -> FoldedGraph:
    """The graph of which `value` is the `asdict`, read back from JSON."""
    layers = (
        FoldedLayer(**{**layer, "inputs": tuple(layer["inputs"])}) for layer in value["layers"]
    )
    return FoldedGraph(tuple(layers), value["output"])
