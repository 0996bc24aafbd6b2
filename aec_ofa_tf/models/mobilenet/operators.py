"""The TFLite operators of MobileNet's parts, with their sizes. No TensorFlow here."""

from __future__ import annotations

from aec_ofa_tf.models.rows import LayerRow, Matrix, Operator
from aec_ofa_tf.models.unit import Shape


def strided(shape: Shape, stride: int, width: int) -> Shape:
    """The shape after a convolution: frames and mel bins divided by the stride, rounded up."""
    return -(-shape[0] // stride), -(-shape[1] // stride), width


def elements(shape: Shape) -> int:
    """The number of values of one clip."""
    return shape[0] * shape[1] * shape[2]


def convolution(name: str, before: Shape, after: Shape, rows: int, held: int = 0) -> Operator:
    """A convolution with a batch norm folded in; `rows` are the weights per output channel."""
    matrix = Matrix(rows, after[2], vectors=2, per_channel=True)
    touched = elements(before) + elements(after)
    return Operator(name, touched, matrix, after[0] * after[1], held=held)


def padding(
    name: str, shape: Shape, kernel: int, stride: int, held: int = 0
) -> tuple[Operator, ...]:
    """The padding before a convolution with a stride, as `plain.conv` adds it."""
    if stride == 1:
        return ()
    padded = (shape[0] + kernel - 1, shape[1] + kernel - 1, shape[2])
    return (Operator(f"{name}_pad", elements(shape) + elements(padded), held=held),)


def squeeze_excitation(name: str, shape: Shape, units: int, held: int) -> tuple[Operator, ...]:
    """Mean, two layers with `units` between them, sigmoid and product; none without units."""
    if not units:
        return ()
    channels, alive = shape[2], held + elements(shape)
    squeeze = Matrix(channels, units, vectors=1, per_channel=True)
    excite = Matrix(units, channels, vectors=1, per_channel=True)
    return (
        Operator(f"{name}_means", elements(shape) + channels, held=held),
        Operator(f"{name}_squeeze", channels + units, squeeze, held=alive),
        Operator(f"{name}_excite", units + channels, excite, held=alive),
        Operator(f"{name}_gates", 2 * channels, held=alive),
        Operator(f"{name}_scaled", 2 * elements(shape) + channels, held=held),
    )


def layer_row(kind: str, operators: tuple[Operator, ...], shape: Shape, **sizes: int) -> LayerRow:
    """A row on an input of this shape."""
    return LayerRow.make(kind, operators, frames=shape[0], mel_bins=shape[1], **sizes)
