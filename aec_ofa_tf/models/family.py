"""The registry of network families: `config.json` and saved models store a family's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace

Registered = TypeVar("Registered", bound=type[SearchSpace] | type[NetworkConfig])

_BUILT_IN = {"cnn10": "aec_ofa_tf.models.cnn10"}
_DEFAULT = "cnn10"
"""The family of configurations without a name, which are older than the registry."""

_SPACES: dict[str, type[SearchSpace]] = {}
_NETWORKS: dict[str, type[NetworkConfig]] = {}


def register_family(name: str) -> Callable[[Registered], Registered]:
    """Class decorator that registers a family's search space or its network configuration.

    Both are frozen dataclasses whose fields are numbers, strings, or tuples of these.

    Example:
        @register_family("cnn10")
        @dataclass(frozen=True)
        class Cnn10Network(NetworkConfig): ...
    """

    def register(cls: Registered) -> Registered:
        cls.family = name
        if issubclass(cls, SearchSpace):
            _SPACES[name] = cls
        else:
            _NETWORKS[name] = cls
        return cls

    return register


def to_config(value: SearchSpace | NetworkConfig) -> dict[str, Any]:
    """A space or network as JSON values: its fields, and the name of its family."""
    return {"family": value.family, **asdict(value)}


def space_from_config(config: Mapping[str, Any]) -> SearchSpace:
    """The search space that `to_config` described.

    Raises:
        ValueError: the family is not registered, or a value is invalid.
    """
    return _build(config, _SPACES)


def network_from_config(config: Mapping[str, Any]) -> NetworkConfig:
    """The network configuration that `to_config` described.

    Raises:
        ValueError: the family is not registered, or a value is invalid.
    """
    return _build(config, _NETWORKS)


def network_class(family: str) -> type[NetworkConfig]:
    """The class of a family's network configurations.

    Raises:
        ValueError: the family is not registered.
    """
    return _registered(family, _NETWORKS)


def _build(config: Mapping[str, Any], registered: Mapping[str, Any]) -> Any:
    if not isinstance(config, Mapping):
        raise ValueError(f"a configuration is an object of fields and values, received {config!r}")
    fields = {name: _as_tuple(value) for name, value in config.items() if name != "family"}
    kind = _registered(config.get("family", _DEFAULT), registered)
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"these are not the fields of a {kind.__name__}: {error}") from error


def _registered(family: str, registered: Mapping[str, Any]) -> Any:
    if not isinstance(family, str):
        raise ValueError(f"a family is named by text, received {family!r}")
    if family in _BUILT_IN:
        importlib.import_module(_BUILT_IN[family])
    if family not in registered:
        raise ValueError(
            f"no family of networks called {family!r} is registered: import the module that "
            f"defines it first; registered are {', '.join(sorted({*registered, *_BUILT_IN}))}"
        )
    return registered[family]


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value
