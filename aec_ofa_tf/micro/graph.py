"""Reads the operators of a TFLite file, and leaves out what an interpreter does not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorflow.lite.python import schema_py_generated as schema

from aec_ofa_tf.export.metadata import MODEL_IDENTIFIER, AlignedBuilder

_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}
_ACTIVATIONS = ("LOGISTIC", "SOFTMAX")


@dataclass(frozen=True)
class GraphOperator:
    """An operator of a file.

    Attributes:
        name: its name in TFLite's schema, such as "CONV_2D"; a custom operator's own name.
        layer: name of its output tensor, which begins with the layer that it was made from.
        input: number of its first input tensor.
        output: number of its output tensor.
    """

    name: str
    layer: str
    input: int
    output: int

    def __str__(self) -> str:
        return f"{self.name} ({self.layer})"


def graph_operators(tflite_bytes: bytes) -> tuple[GraphOperator, ...]:
    """The operators of the one graph of a flatbuffer, in the order of execution."""
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    (graph,) = model.subgraphs
    return tuple(
        GraphOperator(
            _name(model.operatorCodes[operator.opcodeIndex]),
            _text(graph.tensors[operator.outputs[0]].name).partition(";")[0],
            int(operator.inputs[0]),
            int(operator.outputs[0]),
        )
        for operator in graph.operators
    )


def logits_tensor(operators: Sequence[GraphOperator]) -> int:
    """Number of the tensor of logits: the input of the last operator if that makes scores of them.

    Args:
        operators: the operators of a file.
    """
    last = operators[-1]
    return last.input if last.name in _ACTIVATIONS else last.output


def slim(tflite_bytes: bytes) -> bytes:
    """A flatbuffer without names, signatures and metadata, which microcontrollers do not read.

    Returns:
        The same computation; buffers are aligned to 16 bytes.
    """
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    dropped = {entry.buffer for entry in model.metadata or []}
    model.description, model.metadata, model.metadataBuffer, model.signatureDefs = None, [], [], []
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
    # Tensors name buffers by number; the last ones are those of metadata.
    while len(model.buffers) - 1 in dropped:
        model.buffers.pop()
    builder = AlignedBuilder(len(tflite_bytes))
    builder.Finish(model.Pack(builder), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def _name(code: schema.OperatorCodeT) -> str:
    if code.customCode:
        return _text(code.customCode)
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name or ""
