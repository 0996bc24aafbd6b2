"""The arena that a subnet needs on a microcontroller, from its layer rows. No TensorFlow here."""

from __future__ import annotations

from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow, Operator
from aec_ofa_tf.models.space import Subnet

_ALIGNMENT = 16

# Bytes that persist, on a 64-bit machine: of a file (the interpreter's own structures, input and
# output), of an operator with a matrix (its node, its parameters, three tensors), of another
# operator, and of a column of a matrix (a 32-bit multiplier and a shift). Measured by the recorder
# on 85 CNN10s and MobileNets of 19 to 129 operators.
_FILE_BYTES = 1470
_MATRIX_BYTES = 250
_OTHER_BYTES = 125
_COLUMN_BYTES = 8

_PERSISTENT = "persistent"
_KIB = 1024


def reserved_bytes(arena: int) -> int:
    """What the C files reserve for an arena of some bytes: a sixteenth more, in whole KiB."""
    return -(-(arena * 17 // 16) // _KIB) * _KIB


def arena_within(reserved: int) -> int:
    """The largest arena for which the C files reserve at most some bytes."""
    return max((16 * (reserved // _KIB * _KIB + 1) - 1) // 17, 0)


def arena_bytes(subnet: Subnet, network: NetworkConfig) -> int:
    """Bytes of the arena of the int8 file with log-mel input, both ends int8, for one clip.

    The arena of TFLite's micro interpreter has a head, in which activations share memory, and a
    tail that persists. The head is the peak over the operators of the bytes that an operator reads
    and writes and of those that must stay in memory meanwhile: the interpreter's planner reached
    this bound for every network that was measured. The tail is a constant per file, per operator
    and per output channel.

    This is what the recorder of `tflite_micro` reports on a 64-bit machine, within 1.5 %. Pointers
    of 32 bits make the tail about a third smaller. It holds for the reference kernels: optimised
    ones (CMSIS-NN, ESP-NN) ask for scratch memory besides. TensorFlow 2.16's converter gives dense
    layers one scale each, and the tail is then up to 8 bytes per unit smaller. A head of less than
    about 100 bytes per operator does not suffice the planner while it works: conversion tries the
    arena that it states.

    Args:
        subnet: the subnet.
        network: the static parts of the network.
    """
    rows = network.rows(subnet)
    head = max(row.peak_elements for row in rows)
    return -(-head // _ALIGNMENT) * _ALIGNMENT + _FILE_BYTES + sum(map(_row_bytes, rows))


def _row_bytes(row: LayerRow) -> int:
    """Cached in the row, which many subnets share."""
    known = row.known_bytes
    if _PERSISTENT not in known:
        known[_PERSISTENT] = sum(map(_operator_bytes, row.operators))
    return known[_PERSISTENT]


def _operator_bytes(operator: Operator) -> int:
    """What persists of one operator."""
    matrix = operator.matrix
    return _MATRIX_BYTES + _COLUMN_BYTES * matrix.columns if matrix else _OTHER_BYTES
