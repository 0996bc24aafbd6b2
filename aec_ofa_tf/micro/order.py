"""The order of a file's operators: where one may run earlier, the arena may be smaller.

TFLite's planner of activations keeps the order of the file, places large tensors first, and leaves
gaps. An operator that runs later than it could keeps its input waiting meanwhile. What is computed
stays the same, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from aec_ofa_tf.micro.graph import dependencies, with_order
from aec_ofa_tf.micro.interpreter import recorded_arenas


def least_arena_order(tflite_bytes: bytes, folder: Path) -> list[int]:
    """The order of a file's operators that takes the smallest recorded arena.

    Every operator that may run earlier is tried at every earlier place, one at a time.

    Args:
        tflite_bytes: a flatbuffer for the micro interpreter.
        folder: folder for temporary files.

    Returns:
        Numbers of the operators; the order of the file where none is better.

    Raises:
        RuntimeError: the interpreter cannot open the file.
    """
    needed = dependencies(tflite_bytes)
    orders = [list(range(len(needed))), *earlier_orders(needed)]
    if len(orders) == 1:
        return orders[0]
    arenas = recorded_arenas([with_order(tflite_bytes, order) for order in orders], folder)
    return orders[arenas.index(min(arenas))]


def earlier_orders(needed: Sequence[set[int]]) -> Iterator[list[int]]:
    """The orders in which one operator runs earlier, after all that it needs.

    Args:
        needed: the operators whose outputs each operator takes, by number.
    """
    for operator, before in enumerate(needed):
        for place in range(max(before, default=-1) + 1, operator):
            order = list(range(len(needed)))
            order.insert(place, order.pop(operator))
            yield order
