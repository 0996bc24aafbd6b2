"""Multiply-adds that a step computes, and the rate at which it does. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from aec_ofa_tf.costs.costs import macs, shared_macs
from aec_ofa_tf.models.space import SearchSpace, Subnet, unit_sizes
from aec_ofa_tf.models.unit import stem_length
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.timing import Seconds

# Forward, by the weights and by the inputs. The first convolution's inputs are no exception:
# through them the input norm's scale and shift are trained.
_PASSES = 3
_FLOP_PER_MULTIPLY_ADD = 2


def forward_macs(settings: TrainStepSettings, draw: Sequence[Subnet]) -> dict[str, int]:
    """Multiply-adds of a forward pass over one clip, by contestant."""
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
    """Median over the draws of 1e9 floating-point operations per second, by contestant in rows."""
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
    """What the ratios would be if multiply-adds were all that takes time."""
    counts = [forward_macs(settings, draw) for draw in draws]
    shared = median(count["shared_slices"] for count in counts)
    return {
        f"ratio_over_{name}": shared / median(count[name] for count in counts)
        for name in ("standalone", "masks")
    }


def _unmasked(space: SearchSpace, spec: Subnet) -> Subnet:
    """What masks compute of a subnet: its units at full width."""
    full = zip(spec.choices, unit_sizes(space), strict=True)
    choices = tuple(sizes.choices[-1] if any(choice) else choice for choice, sizes in full)
    return Subnet(choices, f"unmasked {spec}")
