"""What configuration dataclasses share: bounds, choices, errors and resume keys. No TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Config = TypeVar("Config")


class ConfigError(ValueError):
    """An impossible value of a configuration; the message names its parameters as Python does.

    Args:
        message: what was received, what is expected and the remedy.
        parameters: the names of parameters in the message, so that a program can show its flags.
        owner: the dataclass whose fields they are.
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
) -> Any:
    """A dataclass field that holds a number.

    Args:
        default: its default.
        least: the smallest value that is allowed.
        most: the greatest value that is allowed.
        changes_outcome: False for what a result does not depend on, rounding aside.
    """
    bounds = {"least": least, "most": most, "changes_outcome": changes_outcome}
    return dataclasses.field(default=default, metadata=bounds)


def choice(default: str, choices: Sequence[str], changes_outcome: bool = True) -> Any:
    """A dataclass field that holds one of a few words."""
    metadata = {"choices": tuple(choices), "changes_outcome": changes_outcome}
    return dataclasses.field(default=default, metadata=metadata)


def switch(default: bool, changes_outcome: bool = True) -> Any:
    """A dataclass field that is true or false."""
    return dataclasses.field(default=default, metadata={"changes_outcome": changes_outcome})


def check_fields(config: Any) -> None:
    """Checks every field of a configuration against its bounds and choices.

    Raises:
        ConfigError: a value is outside; the message names the field.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        problem = None if value is None else _problem(value, field)
        if problem:
            raise ConfigError(
                f"{field.name} is {problem}, received {value!r}", field.name, owner=type(config)
            )


def outcome(config: Any) -> dict[str, Any]:
    """The fields that change what a stage computes: its resume key.

    Configurations within the configuration are flattened.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            values |= outcome(value)
        elif field.metadata.get("changes_outcome", True):
            values[field.name] = value
    return values


def from_values(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The configuration that `outcome` described; fields that it leaves out have their defaults.

    Args:
        kind: a dataclass.
        values: JSON values by field, those of other configurations among them.
    """
    known = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = values.get(field.name)
        if field.name in values:
            known[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**known)


def _problem(value: Any, field: dataclasses.Field[Any]) -> str | None:
    """What is expected instead of a value, or None."""
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
