"""Checks of what callers give to networks: subnets, their choices, log-mel, and units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aec_ofa_tf.layers.elastic_unit import ElasticUnitLayer
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet


def as_member(space: SearchSpace, subnet: object) -> Subnet:
    """A member of a space, from the subnet itself or from anything that `parse_subnet` reads.

    Args:
        space: the space.
        subnet: a `Subnet`, its text, or a name such as `largest`; for CNN10s also a width ratio.

    Raises:
        TypeError: it is none of these.
        ValueError: it is not in the space, or the text cannot be read.
    """
    if isinstance(subnet, str | int | float) and not isinstance(subnet, bool):
        return space.parse_subnet(str(subnet))
    if not isinstance(subnet, Subnet):
        raise TypeError(
            f"subnet is a Subnet or its text, such as 'largest', received {type(subnet).__name__}"
        )
    if subnet not in space:
        raise ValueError(
            f"the subnet {subnet} is not in the search space {space}, which has subnets from "
            f"smallest ({space.smallest}) to largest ({space.largest})"
        )
    return subnet


def as_choices(space: SearchSpace, subnet: Any, fields: int) -> tf.Tensor:
    """The choices of a member, int32 [units, fields]; arrays are only checked for their shape.

    Args:
        space: the space.
        subnet: as for `as_member`, or choices, int32 [units, fields].
        fields: number of integers in the longest choice.

    Raises:
        TypeError: as `as_member`.
        ValueError: as `as_member`, or the choices have another shape.
    """
    if isinstance(subnet, np.ndarray):
        subnet = tf.constant(subnet, tf.int32)
    if not tf.is_tensor(subnet):
        return tf.constant(as_member(space, subnet).row(), tf.int32)
    shape = [sum(space.stage_units), fields]
    if not subnet.shape.is_compatible_with(shape):
        raise ValueError(
            f"the choices of a subnet have the shape {shape} [units, fields], received "
            f"{subnet.shape}; give a Subnet or its row()"
        )
    return subnet


def check_log_mel(log_mel: object, network: NetworkConfig, any_frames: bool = False) -> None:
    """Checks the static shape of log-mel; dimensions that are unknown in a graph pass.

    Args:
        log_mel: the log-mel.
        network: the network.
        any_frames: whether it may have any number of frames.

    Raises:
        ValueError: it is not [clips, frames, mel bins] of the network.
    """
    shape = tf.TensorShape(getattr(log_mel, "shape", None))
    frames = None if any_frames else network.frames
    if not shape.is_compatible_with([None, frames, network.mel_bins]):
        raise ValueError(
            f"the network needs log-mel of {network.frames} frames and {network.mel_bins} mel "
            f"bins, [clips, {network.frames}, {network.mel_bins}], received {shape}"
        )


def check_no_norms(pooled: Sequence[ElasticUnitLayer]) -> None:
    """Checks that units have no batch norms: those that follow the mean over frames and mel bins.

    `Supernet.classify` neither takes nor returns moments.

    Raises:
        ValueError: a unit has one.
    """
    for layer in pooled:
        if layer.norms:
            raise ValueError(f"{layer.name} follows the mean over frames and has a batch norm")
