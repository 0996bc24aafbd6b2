"""Tables of measured layers as JSON: what latency tables and NPU tables share. No TensorFlow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.rows import LayerRow

FORMAT = 1
_GREATEST = 1e12
"""No figure of a layer reaches this."""

_NETWORK_SIZES = ("frames", "mel_bins", "classes")
"""The sizes of every network; families add others in `NetworkConfig.sizes`."""

Table = TypeVar("Table")


def read_table(
    path: str | os.PathLike[str], parse: Callable[[object], Table], what: str, remedy: str
) -> Table:
    """Reads a table.

    Args:
        path: the file.
        parse: makes a table of its content.
        what: a name of such tables, for messages, such as "a latency table".
        remedy: the end of messages.

    Raises:
        ValueError: the file is damaged or not such a table.
        OSError: the file cannot be read.
    """
    try:
        return parse(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        name = what.partition(" ")[2]
        raise type(error)(f"cannot read the {name} {path}: {error.strerror}; {remedy}") from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path} is not {what}: {error}; {remedy}") from error


def checked_content(content: object) -> JsonObject:
    """The content of a file, if it is an object of this format.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'expected a JSON object with "format": {FORMAT}')
    return content


def network_sizes(content: JsonObject) -> dict[str, int]:
    """The sizes of the network to which the layers belong.

    Raises:
        ValueError: one is missing, or no integer.
    """
    network = value_of(content, "network", dict)
    sizes = dict.fromkeys([*_NETWORK_SIZES, *network])
    return {name: value_of(network, name, int) for name in sizes}


def layers_of(content: JsonObject, figures: Collection[str]) -> dict[LayerRow, dict[str, float]]:
    """The figures of every layer by name.

    Args:
        content: the file's content.
        figures: names of the figures that every layer has.

    Raises:
        ValueError: a figure or a size is missing or impossible, or a layer occurs twice.
    """
    rows = [_layer(row, figures) for row in value_of(content, "layers", list)]
    if len(dict(rows)) < len(rows):
        raise ValueError("a layer occurs twice")
    return dict(rows)


def layers_as_json(layers: Mapping[LayerRow, Mapping[str, float]]) -> list[dict[str, object]]:
    """The value of `layers` in a file."""
    return [{"kind": row.kind, **dict(row.sizes), **figures} for row, figures in layers.items()]


def check_network(
    sizes: Mapping[str, int], network: NetworkConfig, table: str, remedy: str
) -> None:
    """Checks that a table is of a network.

    Args:
        sizes: the table's sizes.
        network: the network.
        table: name of the table, for messages.
        remedy: the command that measures again.

    Raises:
        ValueError: a size differs.
    """
    for name, size in network.sizes.items():
        if sizes.get(name) != size:
            raise ValueError(
                f"{table} is of a network with {name} {sizes.get(name)}, this one has {size}: "
                f"measure again with {remedy}"
            )


def value_of(content: Mapping[str, object], name: str, kind: Any) -> Any:
    """A value of a JSON object.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = content.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind != (int, bool)):
        raise ValueError(f"{name!r} is missing or of another type, found {value!r}")
    return value


def _layer(row: object, figures: Collection[str]) -> tuple[LayerRow, dict[str, float]]:
    if not isinstance(row, dict):
        raise ValueError(f"a layer is an object with kind, sizes and figures, found {row!r}")
    found = {name: value_of(row, name, (int, float)) for name in figures}
    kind = value_of(row, "kind", str)
    names = [name for name in row if name != "kind" and name not in figures]
    sizes = {name: value_of(row, name, (int, bool)) for name in names}
    if not all(0 <= each < _GREATEST for each in (*sizes.values(), *found.values())):
        raise ValueError(f"sizes and figures of a layer are not negative, found {row!r}")
    return LayerRow.make(kind, **sizes), found
