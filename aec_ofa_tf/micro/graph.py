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


def without_first_reshape(tflite_bytes: bytes) -> bytes:
    """A flatbuffer whose input has the shape that a first RESHAPE would give it.

    The micro interpreter copies what it reshapes, and the arena would hold the input twice. The
    bytes of the input are the same.

    Returns:
        The same flatbuffer where no RESHAPE of the input comes first.
    """
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    (graph,) = model.subgraphs
    first = graph.operators[0]
    (taken,), (given, *_) = graph.inputs, first.outputs
    readers = [operator for operator in graph.operators if taken in operator.inputs]
    if _name(model.operatorCodes[first.opcodeIndex]) != "RESHAPE" or readers != [first]:
        return tflite_bytes
    graph.tensors[taken].shape = graph.tensors[given].shape
    graph.tensors[taken].shapeSignature = None
    graph.operators = graph.operators[1:]
    for operator in graph.operators:
        operator.inputs = [taken if index == given else index for index in operator.inputs]
    _keep_used_tensors(graph)
    return _packed(model, len(tflite_bytes))


def _keep_used_tensors(graph: schema.SubGraphT) -> None:
    """Drops tensors that no operator has, which the micro interpreter would keep structures for."""
    ends = [*graph.inputs, *graph.outputs]
    used = {i for o in graph.operators for i in (*o.inputs, *o.outputs)} | set(ends)
    numbers = {old: new for new, old in enumerate(sorted(used - {-1}))} | {-1: -1}
    graph.tensors = [graph.tensors[old] for old in numbers if old >= 0]
    graph.inputs = [numbers[old] for old in graph.inputs]
    graph.outputs = [numbers[old] for old in graph.outputs]
    for operator in graph.operators:
        operator.inputs = [numbers[old] for old in operator.inputs]
        operator.outputs = [numbers[old] for old in operator.outputs]


def dependencies(tflite_bytes: bytes) -> list[set[int]]:
    """The operators whose outputs each operator of a flatbuffer takes, by number."""
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    (graph,) = model.subgraphs
    makers = {int(i): n for n, o in enumerate(graph.operators) for i in o.outputs}
    return [{makers[i] for i in map(int, o.inputs) if i in makers} for o in graph.operators]


def with_order(tflite_bytes: bytes, order: Sequence[int]) -> bytes:
    """A flatbuffer whose operators run in another order.

    Args:
        tflite_bytes: the flatbuffer.
        order: numbers of its operators, each after those that it depends on.
    """
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    (graph,) = model.subgraphs
    graph.operators = [graph.operators[number] for number in order]
    return _packed(model, len(tflite_bytes))


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
    return _packed(model, len(tflite_bytes))


def _packed(model: schema.ModelT, size: int) -> bytes:
    builder = AlignedBuilder(size)
    builder.Finish(model.Pack(builder), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def _name(code: schema.OperatorCodeT) -> str:
    if code.customCode:
        return _text(code.customCode)
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name or ""
