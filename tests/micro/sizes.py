"""Prints the sizes in docs/microcontrollers.md, recorded and compiled: python -m tests.micro.sizes

Subnets with random weights, for ten classes; it needs the extra micro.
"""

import sys
import tempfile
from pathlib import Path

from aec_ofa_tf.audio.front_end import PRESETS, FrontEndConfig
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.micro.boards import BOARDS, fit_boards
from aec_ofa_tf.micro.report import PortReport
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from tests.micro.files import convert_all

KEYWORD = PRESETS["keyword_16k"]
NPU = "ethos-u55-128"


def main() -> None:
    """Two tables: files for a clip of a second, and arenas of clips of five seconds."""
    mn04, thin = mobilenet_space("mn04"), cnn10_space("[X,X,X]", base_channels=4)
    network = _network(mn04, KEYWORD, 1.0)
    (fit,) = fit_boards(mn04, network, KEYWORD, BOARDS[:1])
    for name, space, subnet in (
        ("smallest of `mn04`", mn04, mn04.smallest),
        ("largest of `mn04` for 64 KiB, above", mn04, mn04.parse_subnet(str(fit.subnet))),
        ("largest of `[X,X,X]`, base 4", thin, thin.largest),
    ):
        _print(name, _file_sizes(subnet, _network(space, KEYWORD, 1.0)))
    efficientat = PRESETS["efficientat_32k"]
    for mel_bins in (64, 128):
        for name in ("mn04", "mn04 pool=4x2"):
            space = mobilenet_space(name)
            sized = space.network(
                10, efficientat.frames(5.0), mel_bins=mel_bins, task="single_label"
            )
            computed = subnet_costs(space.smallest, sized, metrics=["arena_bytes"])["arena_bytes"]
            _print(
                f"smallest of `{name}`, 5 s of {mel_bins} mel bins",
                [f"{computed:,} computed", f"{_recorded(space.smallest, sized):,} recorded"],
            )


def _network(space: SearchSpace, front_end: FrontEndConfig, secs: float) -> NetworkConfig:
    return space.network(10, front_end.frames(secs), front_end.mel_bins, task="single_label")


def _file_sizes(subnet: Subnet, network: NetworkConfig) -> list[str]:
    micro, npu = _port(subnet, network, "micro"), _port(subnet, network, NPU)
    assert micro.micro is not None
    assert npu.npu is not None
    sizes = (micro.model_bytes, micro.micro.arena_bytes, micro.tensor_arena_bytes)
    memory = (npu.npu.sram_bytes, npu.npu.flash_bytes)
    return [f"{n:,}" for n in sizes] + [f"{npu.npu.ms:.2f} ms"] + [f"{n:,}" for n in memory]


def _recorded(subnet: Subnet, network: NetworkConfig) -> int:
    figures = _port(subnet, network, "micro").micro
    assert figures is not None
    return figures.arena_bytes


def _port(subnet: Subnet, network: NetworkConfig, target: str) -> PortReport:
    with tempfile.TemporaryDirectory() as folder:
        (conversion,) = convert_all([subnet], network, Path(folder), target, KEYWORD)
    assert conversion.port is not None
    return conversion.port


def _print(name: str, cells: list[str]) -> None:
    sys.stdout.write(f"| {' | '.join([name, *cells])} |\n")


if __name__ == "__main__":
    main()
