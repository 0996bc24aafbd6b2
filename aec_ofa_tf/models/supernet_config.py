"""A supernet's arguments as JSON values, for `.keras` files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aec_ofa_tf.models.family import network_from_config, to_config
from aec_ofa_tf.models.space import Option, StagedSpace
from aec_ofa_tf.pinned_keras import keras

if TYPE_CHECKING:
    from aec_ofa_tf.models.supernet import Supernet


def describe(supernet: Supernet) -> dict[str, object]:
    """Members, network, dtype policy and execution, as JSON values."""
    return {
        "name": supernet.name,
        "dtype": keras.saving.serialize_keras_object(supernet.dtype_policy),
        "stages": [
            [[option.text, option.choices] for option in options]
            for options in supernet.space.stages
        ],
        "network": to_config(supernet.network),
        "execution": supernet.execution,
    }


def arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the supernet that `describe` described."""
    stages = tuple(
        tuple(Option(text, tuple(map(tuple, choices))) for text, choices in options)
        for options in config["stages"]
    )
    return {
        "members": StagedSpace(stages),
        "network": network_from_config(config["network"]),
        "dtype": keras.saving.deserialize_keras_object(config["dtype"]),
        **{name: config[name] for name in config if name not in ("stages", "network", "dtype")},
    }
