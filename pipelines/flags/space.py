"""Flags of search spaces. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable

from absl import flags

from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import SearchSpace
from pipelines.flags import define, naming

FLAGS = flags.FLAGS


def define_space_flags(leave_out: Iterable[str] = ()) -> None:
    """Defines the flags of the search space and of the static parts of the network.

    Args:
        leave_out: fields of `NetworkOptions` without a flag.
    """
    flags.DEFINE_string(
        "space",
        "[2,2,X]",
        "Search space. CNN10s: depths of blocks 2 to 4, X where elastic ([2,2,X], [X,X,X], ...), "
        "or EW for elastic width only with the added ratio 0.2. MobileNets: mn and the width "
        "multiplier times 10 (mn04, mn10), then any of width=, expand=, last=, hidden= with "
        "ratios, kernel=full, depth=full and pool=FRAMESxMELS.",
    )
    flags.DEFINE_list("width_ratios", None, "Width ratios; default: those of --space.")
    define_size_flags(leave_out)


def define_size_flags(leave_out: Iterable[str] = ()) -> None:
    """Defines the flags of the sizes of a space's networks and of their static parts.

    Args:
        leave_out: fields of `NetworkOptions` without a flag.
    """
    flags.DEFINE_enum(
        "width_per",
        None,
        ["block", "layer"],
        "CNN10s: whether each block or each layer has a width; default: block.",
    )
    flags.DEFINE_integer(
        "width_multiple",
        None,
        "Round widths to a multiple of this; default: 1 for CNN10s (8 is better for int8), 8 for "
        "MobileNets.",
        1,
    )
    flags.DEFINE_integer(
        "base_channels",
        None,
        "CNN10s: channels of the first block; each next doubles; default: 64.",
        1,
    )
    define(NetworkOptions, leave_out)


def define_subspace_flags() -> None:
    """Defines the flags of the part of a trained space to search."""
    flags.DEFINE_string(
        "space", None, "Part of the trained space to search, such as [2,2,2]; default: all."
    )
    flags.DEFINE_list("width_ratios", None, "Width ratios to search; default: the trained ones.")


def space_from_flags() -> SearchSpace:
    """The search space that the flags describe.

    Raises:
        ValueError: the flags do not describe a search space.
    """
    sizes = FLAGS.base_channels, FLAGS.width_per, FLAGS.width_multiple
    with naming("space"):
        return search_space(FLAGS.space, *sizes, width_ratios())


def width_ratios() -> tuple[float, ...] | None:
    """The ratios of --width_ratios, or None without the flag.

    Raises:
        ValueError: a ratio is not a number.
    """
    if FLAGS.width_ratios is None:
        return None
    try:
        return tuple(float(ratio) for ratio in FLAGS.width_ratios)
    except ValueError as error:
        raise ValueError(f"--width_ratios takes numbers, received {FLAGS.width_ratios}") from error
