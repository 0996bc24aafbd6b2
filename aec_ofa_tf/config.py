"""Fields of configuration dataclasses: bounds, choices, checks and resume keys. No TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

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
    default: Any,
    least: float | None = None,
    most: float | None = None,
    changes_outcome: bool = True,
    is_later: bool = False,
) -> Any:
    """A dataclass field for a number.

    Args:
        default: the default value.
        least: the smallest value that is allowed.
        most: the greatest value that is allowed.
        changes_outcome: False if results do not depend on the field, except for rounding.
        is_later: whether the field was added later, with a default that changes nothing: results
            from before it are still those of the default.
    """
    bounds = {"least": least, "most": most}
    bounds |= {"changes_outcome": changes_outcome, "is_later": is_later}
    return dataclasses.field(default=default, metadata=bounds)


def choice(default: str, choices: Sequence[str], changes_outcome: bool = True) -> Any:
    """A dataclass field for one of several strings."""
    metadata = {"choices": tuple(choices), "changes_outcome": changes_outcome}
    return dataclasses.field(default=default, metadata=metadata)


def switch(default: bool, changes_outcome: bool = True) -> Any:
    """A dataclass field for a bool."""
    return dataclasses.field(default=default, metadata={"changes_outcome": changes_outcome})


def check_fields(config: Any) -> None:
    """Checks every field of a configuration against its bounds and choices.

    Raises:
        ConfigError: a value is outside its bounds or choices; the message names the field.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        problem = None if value is None else _problem(value, field)
        if problem:
            raise ConfigError(
                f"{field.name} is {problem}, received {value!r}", field.name, owner=type(config)
            )


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


def _is_unused(field: dataclasses.Field[Any], value: object) -> bool:
    return field.metadata.get("is_later", False) and value == field.default


def from_values(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Builds a configuration from the values of `outcome`; other fields have their defaults.

    Args:
        kind: a dataclass.
        values: JSON values by field; fields of other configurations are ignored.
    """
    known = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = values.get(field.name)
        if field.name in values:
            known[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**known)


def _problem(value: Any, field: dataclasses.Field[Any]) -> str | None:
    """The expected values if a value is invalid, else None."""
    choices = field.metadata.get("choices")
    if choices:
        return None if value in choices else f"one of {', '.join(choices)}"
    if not {"least", "most"} & field.metadata.keys():
        return None
    if str(field.type).startswith("int") and not isinstance(value, int):
        return "a whole number"
    least, most = field.metadata["least"], field.metadata["most"]
    low, high = (-math.inf if least is None else least), (math.inf if most is None else most)
    if low <= value <= high:  # False for NaN too
        return None
    return f"at least {least:g}" if most is None else f"a number from {least:g} to {most:g}"
