"""Fields of configuration dataclasses: bounds, choices, checks and resume keys. No TensorFlow."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import math
import numbers
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Config = TypeVar("Config")


class ConfigError(ValueError):
    """A configuration has an invalid value. The message uses the names of its fields.

    Args:
        message: the received value, the expected values and the remedy.
        parameters: the names of fields in the message; a program replaces them by its flags.
        owner: the dataclass that has these fields.
    """

    def __init__(self, message: str, *parameters: str, owner: type | None = None) -> None:
        super().__init__(message)
        self.parameters = parameters
        self.owner = owner


def number(
    default: object,
    least: float | None = None,
    most: float | None = None,
    changes_outcome: bool = True,
    below: float | None = None,
    is_later: bool = False,
) -> Any:
    """A dataclass field for a number.

    Args:
        default: the default value.
        least: the smallest value that is allowed.
        most: the greatest value that is allowed.
        changes_outcome: False if results do not depend on the field, except for rounding.
        below: a bound that the number must not reach.
        is_later: whether the field was added later, with a default that changes nothing: results
            from before it are still those of the default.
    """
    bounds = {"least": least, "most": most, "below": below}
    bounds |= {"changes_outcome": changes_outcome, "is_later": is_later}
    return dataclasses.field(default=default, metadata=bounds)


def choice(
    default: str, choices: Sequence[str], changes_outcome: bool = True, is_later: bool = False
) -> Any:
    """A dataclass field for one of several strings; `is_later` as for `number`."""
    metadata = {"choices": tuple(choices), "changes_outcome": changes_outcome, "is_later": is_later}
    return dataclasses.field(default=default, metadata=metadata)


def text(default: str | None, is_later: bool = False) -> Any:
    """A dataclass field for any string; `is_later` as for `number`."""
    return dataclasses.field(default=default, metadata={"is_later": is_later})


def switch(default: bool, changes_outcome: bool = True, is_later: bool = False) -> Any:
    """A dataclass field for a bool; `is_later` as for `number`."""
    metadata = {"changes_outcome": changes_outcome, "is_later": is_later}
    return dataclasses.field(default=default, metadata=metadata)


def check_fields(config: Any) -> None:
    """Checks every field of a configuration against its type, bounds and choices.

    Numbers of NumPy become Python's, which JSON can hold, and the text of a path becomes a path.

    Raises:
        ConfigError: a value is invalid; the message names the field.
    """
    hints = _hints(type(config))  # type: ignore[arg-type]
    for field in dataclasses.fields(config):
        value = _as_python(getattr(config, field.name), hints[field.name])
        problem = _problem(value, hints[field.name], field.metadata)
        if problem:
            raise ConfigError(
                f"{field.name} is {problem}, received {value!r}", field.name, owner=type(config)
            )
        object.__setattr__(config, field.name, value)


def is_number(value: object) -> bool:
    """Whether a value is a real number. True and False are no numbers here."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def is_float(value: Any) -> bool:
    """Whether a value is a number within the range of floats, which whole numbers can exceed."""
    try:
        return is_number(value) and isinstance(float(value), float)
    except OverflowError:
        return False


def check_count(name: str, value: object, least: int = 1) -> None:
    """Checks an argument that is a whole number.

    Raises:
        ConfigError: it is not a whole number, or less than `least`; the message names it.
    """
    if not is_number(value) or not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(f"{name} is a whole number of at least {least}, received {value!r}", name)


def outcome(config: Any) -> dict[str, Any]:
    """The fields that change the outcome of a stage: its resume key.

    Nested configurations are flattened.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            values |= outcome(value)
        elif field.metadata.get("changes_outcome", True) and not _is_unused(field, value):
            values[field.name] = value
    return values


def used_fields(config: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, without those that were added later at their defaults."""
    values = {field: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {field.name: value for field, value in values.items() if not _is_unused(field, value)}


def _is_unused(field: dataclasses.Field[Any], value: object) -> bool:
    return field.metadata.get("is_later", False) and value == field.default


def from_values(kind: type[Config], values: Mapping[str, object]) -> Config:
    """Builds a configuration from the values of `outcome`; other fields have their defaults.

    Args:
        kind: a dataclass.
        values: JSON values by field, those of nested configurations among them; fields of other
            configurations are ignored.
    """
    known: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = values.get(field.name)
        if dataclasses.is_dataclass(field.default_factory):
            known[field.name] = from_values(field.default_factory, values)
        elif field.name in values:
            known[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**known)


def require_type(name: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Checks the class of an argument.

    Args:
        name: name of the argument.
        value: its value.
        kind: the class, or several.
        expected: what the argument is, for the error, such as "a TrainConfig".

    Raises:
        TypeError: the value is of another class.
    """
    if not isinstance(value, kind):
        raise TypeError(
            f"{name} is {expected}; received {type(value).__name__}: {reprlib.repr(value)}"
        )


@functools.cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


def _as_python(value: object, hint: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    return Path(value) if isinstance(value, str) and Path in typing.get_args(hint) else value


def _problem(value: Any, hint: object, metadata: Mapping[str, Any]) -> str | None:
    """What a valid value is if this one is invalid, else None."""
    choices = metadata.get("choices")
    if choices:
        return None if value in choices else f"one of {', '.join(choices)}"
    if not _fits(value, hint):
        return _name(hint)
    bounds = [metadata.get(name) for name in ("least", "most", "below")]
    if value is None or all(bound is None for bound in bounds):
        return None
    return _size(value, *bounds)


def _fits(value: Any, hint: object) -> bool:
    """Whether a value has the type of a field. True and False are no numbers here."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is collections.abc.Mapping:
        is_mapping = isinstance(value, collections.abc.Mapping)
        pairs = value.items() if is_mapping else ()
        return is_mapping and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in pairs)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin in (collections.abc.Sequence, tuple):
        listed = isinstance(value, list | tuple | str)
        return listed and all(_fits(element, parts[0]) for element in value)
    if hint is Any or not isinstance(hint, type):
        return True
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return is_number(value) and isinstance(value, kind) and (hint is int or is_float(value))
    return isinstance(value, hint)


def _name(hint: object) -> str:
    names = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}
    wanted = [part for part in typing.get_args(hint) if part is not type(None)] or [hint]
    if typing.get_origin(hint) in (collections.abc.Sequence, tuple):
        return f"a list, each element {_name(wanted[0])}"
    return " or ".join(names.get(part, getattr(part, "__name__", str(part))) for part in wanted)


def _size(value: float, least: float | None, most: float | None, below: float | None) -> str | None:
    low, high = (-math.inf if least is None else least), (math.inf if most is None else most)
    is_finite = isinstance(value, numbers.Integral) or math.isfinite(value)
    if low <= value <= high and is_finite and (below is None or value < below):
        return None
    if below is not None:
        return f"a number from {_exact(low)} to below {_exact(below)}"
    if most is None:
        return f"at least {_exact(low)}"
    return f"a number from {_exact(low)} to {_exact(high)}"


def _exact(bound: float) -> str:
    """A bound without rounding: 2147483647, 0.5, 1e-12."""
    return str(int(bound)) if float(bound).is_integer() else repr(bound)
