"""The registry of network families: `config.json` and saved models store a family's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError, used_fields
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace

Registered = TypeVar("Registered", bound=type[SearchSpace] | type[NetworkConfig])

_BUILT_IN = {
    "cnn10": "aec_ofa_tf.models.cnn10",
    "mobilenet": "aec_ofa_tf.models.mobilenet",
}
_DEFAULT = "cnn10"
"""The family of configurations without a name, which are older than the registry."""

_SPACES: dict[str, type[SearchSpace]] = {}
_NETWORKS: dict[str, type[NetworkConfig]] = {}


def search_space(
    name: str,
    base_channels: int | None = None,
    width_per: str | None = None,
    width_multiple: int | None = None,
    width_ratios: tuple[float, ...] | None = None,
) -> SearchSpace:
    """The search space called `name`; the other arguments have the family's defaults.

    Args:
        name: CNN10s by the depths of their blocks, such as [2,2,X], or EW for elastic width only;
            MobileNets by their width multiplier times 10, such as mn04, and restrictions
            (`models.mobilenet.mobilenet_space`).
        base_channels: channels of a CNN10's first block, by default 64.
        width_per: whether each "block" of a CNN10 has a width, or each "layer".
        width_multiple: widths are rounded to a multiple of this, by default 1 for CNN10s and 8
            for MobileNets.
        width_ratios: widths relative to the full one.

    Raises:
        ConfigError: a MobileNet was given an argument that is for CNN10s.
        ValueError: there is no such space, or another argument is invalid.

    Example:
        >>> print(ofa.search_space("EW", base_channels=16).largest)
        16x2-32x2-64x2-128x2
        >>> ofa.search_space("mn04").size
        668860416
    """
    shared = {"width_multiple": width_multiple, "width_ratios": width_ratios}
    of_cnn10 = {"base_channels": base_channels, "width_per": width_per}
    if isinstance(name, str) and name.strip().startswith("mn"):
        return _mobilenet_space(name, _given(shared), _given(of_cnn10))
    from aec_ofa_tf.models.cnn10 import cnn10_space

    return cnn10_space(name, **_given({**shared, **of_cnn10}))


def _mobilenet_space(
    name: str, changes: Mapping[str, Any], foreign: Mapping[str, Any]
) -> SearchSpace:
    from aec_ofa_tf.models.mobilenet import mobilenet_space

    if foreign:
        raise ConfigError(
            f"{' and '.join(foreign)} are for CNN10s; the name of a space of MobileNets gives its "
            f"size, received {name!r}",
            *foreign,
        )
    return replace(mobilenet_space(name), **changes)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


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
    """A space or network as JSON values: its fields, and the name of its family.

    A field that was added later is left out at its default, so that runs from before it still have
    the same configuration.
    """
    return {"family": value.family, **used_fields(value)}


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


def experiment_config(
    space: SearchSpace,
    network: NetworkConfig,
    labels: Sequence[str],
    front_end: FrontEndConfig,
    clip_secs: float,
    whole_clip_secs: float | None = None,
) -> dict[str, object]:
    """The content of a run directory's `config.json`, which identifies the experiment.

    Args:
        space: the search space.
        network: the static parts of its networks.
        labels: names of the classes.
        front_end: the front end.
        clip_secs: what a network hears at once.
        whole_clip_secs: length of the clips whose windows these are; None where they are clips.
    """
    windows = {} if whole_clip_secs is None else {"whole_clip_secs": whole_clip_secs}
    return {
        "space": to_config(space),
        "network": to_config(network),
        "labels": list(labels),
        "front_end": asdict(front_end),
        "clip_secs": clip_secs,
        **windows,
    }
