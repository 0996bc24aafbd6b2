"""Multiply-adds of a training step, and how many are computed per second. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from aec_ofa_tf.costs.costs import macs, shared_macs
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.models.unit import stem_length, unit_sizes
from pipelines.benchmarks.measuring import Seconds
from pipelines.benchmarks.settings import TrainStepSettings

# The forward pass, and the gradients of the weights and of the inputs. The first convolution needs
# the gradient of its inputs too, to train scale and shift of the input norm.
_PASSES = 3
_FLOP_PER_MULTIPLY_ADD = 2


def forward_macs(settings: TrainStepSettings, draw: Sequence[Subnet]) -> dict[str, int]:
    """Multiply-adds of a forward pass over one clip, by way of training."""
    network = settings.network
    units = settings.space.largest.choices
    stem = stem_length(network.units(len(units)), unit_sizes(settings.space))
    alone = sum(macs(spec, network) for spec in draw)
    full = sum(macs(_unmasked(settings.space, spec), network) for spec in draw)
    return {
        "shared_slices": shared_macs(draw, network, stem),
        "separate_slices": alone,
        "masks": full,
        "standalone": alone,
    }


def achieved_gflops(
    settings: TrainStepSettings, draws: Sequence[Sequence[Subnet]], rows: Sequence[Seconds]
) -> dict[str, float]:
    """Median of 1e9 floating-point operations per second over the draws, by way of training."""
    rates: dict[str, list[float]] = {}
    for draw, seconds in zip(draws, rows, strict=True):
        counts = forward_macs(settings, draw)
        for name, count in ((name, counts[name]) for name in seconds if name in counts):
            operations = count * settings.batch_size * _PASSES * _FLOP_PER_MULTIPLY_ADD
            rates.setdefault(name, []).append(operations / seconds[name] / 1e9)
    return {name: median(values) for name, values in rates.items()}


def counted_ratios(
    settings: TrainStepSettings, draws: Sequence[Sequence[Subnet]]
) -> Mapping[str, float]:
    """The ratios of times if only multiply-adds took time."""
    counts = [forward_macs(settings, draw) for draw in draws]
    shared = median(count["shared_slices"] for count in counts)
    return {
        f"ratio_over_{name}": shared / median(count[name] for count in counts)
        for name in ("standalone", "masks")
    }


def _unmasked(space: SearchSpace, spec: Subnet) -> Subnet:
    """The subnet that masks compute instead of `spec`: the same units at full width."""
    full = zip(spec.choices, unit_sizes(space), strict=True)
    choices = tuple(sizes.choices[-1] if any(choice) else choice for choice, sizes in full)
    return Subnet(choices, f"unmasked {spec}")
