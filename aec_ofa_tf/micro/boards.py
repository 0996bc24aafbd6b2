"""Which subnet of a space fits which board. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.costs.arena import arena_within, reserved_bytes
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.costs.members import ListedMembers, members_within
from aec_ofa_tf.files import read_json
from aec_ofa_tf.micro.front_end import ram_bytes, table_bytes
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Option, SearchSpace, Subnet
from aec_ofa_tf.workdir import SEARCH, Workdir

KIB = 1024
_ARENA, _FILE = "arena_bytes", "tflite_bytes_int8"
_STARTS = 12
_LEAST_FRAMES, _MOST_FRAMES = 16, 2**16


@dataclass(frozen=True)
class Board:
    """A board, or a rule for models; what is not bounded is infinite.

    Attributes:
        name: what tables call it.
        ram_bytes: RAM for the arena, as the C files reserve it, and the front end.
        flash_bytes: flash for the int8 file and the front end's tables.
        params: parameters, each of a byte.
        macs: multiply-adds of a clip.
    """

    name: str
    ram_bytes: float = math.inf
    flash_bytes: float = math.inf
    params: float = math.inf
    macs: float = math.inf


BOARDS = (
    Board("64 KiB SRAM, 256 KiB flash", 64 * KIB, 256 * KIB),
    Board("128 KiB SRAM, 512 KiB flash", 128 * KIB, 512 * KIB),
    Board("256 KiB SRAM, 1 MiB flash", 256 * KIB, 1024 * KIB),
    Board("512 KiB SRAM, 2 MiB flash", 512 * KIB, 2048 * KIB),
    Board("DCASE task 1 (128 kB, 30 M)", params=128_000, macs=30e6),
    Board("MLPerf Tiny's keyword model", 640 * KIB, 52_500, macs=2.7e6),
)
"""Sizes of microcontrollers: STM32L432, STM32F446, nRF52840, ESP32-S3; DCASE's rule of 2022 to 2024
for the parameters and multiply-adds of a model; and the file of MLPerf Tiny's DS-CNN (Banbury et
al. 2021: 52.5 kB, by its layers 2.7 million multiply-adds) on its board with 640 KiB of SRAM."""


@dataclass(frozen=True)
class BoardFit:
    """What fits a board.

    Attributes:
        board: name of the board.
        subnet: the best subnet, or without scores the largest; None if none fits.
        score: its score in the search; None if it was not scored.
        ram_bytes: the arena that the C files reserve, and the front end.
        flash_bytes: int8 file and the front end's tables.
        params: its parameters.
        macs: its multiply-adds.
        longest_clip_secs: the longest clip that the smallest subnet fits with; 0 if none.
    """

    board: str
    subnet: str | None
    score: float | None
    ram_bytes: int | None
    flash_bytes: int | None
    params: int | None
    macs: int | None
    longest_clip_secs: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def fit_boards(
    space: SearchSpace,
    network: NetworkConfig,
    front_end: FrontEndConfig,
    boards: Sequence[Board] = BOARDS,
    scores: Mapping[Subnet, float] | None = None,
) -> list[BoardFit]:
    """The subnet for every board: of those that fit it, the one with the highest score.

    Where no scored subnet fits, it is the one with most multiply-adds; in spaces of more than
    200,000 subnets, the best of several climbs.

    Args:
        space: the search space.
        network: what its subnets have in common.
        front_end: the front end in C, with int16 samples.
        boards: the boards.
        scores: scores of subnets by a search (`searched_scores`).
    """
    return [_fit(board, space, network, front_end, scores or {}) for board in boards]


def searched_scores(workdir: Workdir) -> dict[Subnet, float]:
    """The validation score of every candidate of a run's searches; empty before a search."""
    path = workdir.path / SEARCH / "candidates.json"
    if not path.is_file():
        return {}
    space, network = workdir.space_and_network()
    column = f"validation_{network.get_task().figure}"
    rows = read_json(path, list)
    return {space.parse_subnet(row["subnet"]): row[column] for row in rows}


def board_budget(board: Board, front_end: FrontEndConfig) -> Budget:
    """What a board leaves to a network, beside the front end."""
    most = {
        _ARENA: _arena_of(board.ram_bytes - ram_bytes(front_end)),
        _FILE: board.flash_bytes - table_bytes(front_end),
        "params": board.params,
        "macs": board.macs,
    }
    bounds = tuple((n, 0.0, max(high, 0.0)) for n, high in most.items() if math.isfinite(high))
    return Budget(board.name, bounds or (("macs", 0.0, math.inf),))


def _arena_of(room: float) -> float:
    return arena_within(int(room)) if math.isfinite(room) else room


def _fit(
    board: Board,
    space: SearchSpace,
    network: NetworkConfig,
    front_end: FrontEndConfig,
    scores: Mapping[Subnet, float],
) -> BoardFit:
    budget = board_budget(board, front_end)
    cost = partial(subnet_costs, network=network, metrics=(_ARENA, _FILE, "params", "macs"))
    fitting = [subnet for subnet in scores if not budget.excess(cost(subnet))]
    best = max(fitting, key=lambda s: (scores[s], -cost(s)["params"]), default=None)
    subnet = best or _largest(space, budget, network)
    longest = _most_frames(space, budget, network) * front_end.hop_samples
    secs = longest / front_end.sample_rate_hz
    if subnet is None:
        return BoardFit(board.name, None, None, None, None, None, None, secs)
    found = {name: int(value) for name, value in cost(subnet).items()}
    return BoardFit(
        board.name,
        str(subnet),
        scores.get(subnet),
        reserved_bytes(found[_ARENA]) + ram_bytes(front_end),
        found[_FILE] + table_bytes(front_end),
        found["params"],
        found["macs"],
        secs,
    )


def _largest(space: SearchSpace, budget: Budget, network: NetworkConfig) -> Subnet | None:
    """The member with most multiply-adds; None if there is no member."""
    try:
        members = members_within(space, [budget], network)[budget]
    except UnsatisfiableBudgetError:
        return None

    @cache
    def size(subnet: Subnet) -> float:
        return subnet_costs(subnet, network, metrics=["macs"])["macs"] if subnet in members else -1

    if isinstance(members, ListedMembers):
        return max(members.subnets, key=size)
    ends = []
    for subnet in members.sample(_STARTS, seed=0):
        while (larger := max(_changed(space, subnet), key=size)) and size(larger) > size(subnet):
            subnet = larger
        ends.append(subnet)
    return max(ends, key=size)


def _changed(space: SearchSpace, subnet: Subnet) -> Iterator[Subnet]:
    """The subnets that differ from one in a single stage."""
    own = [Option(*parts) for parts in zip(space.texts(subnet), space.split(subnet), strict=True)]
    for stage, options in enumerate(space.stages):
        for option in options:
            yield space.build([*own[:stage], option, *own[stage + 1 :]])


def _most_frames(space: SearchSpace, budget: Budget, network: NetworkConfig) -> int:
    """The most frames with which the smallest subnet meets a budget, by bisection; 0 if none."""

    def fits(frames: int) -> bool:
        shaped = replace(network, frames=frames)
        return not budget.excess(subnet_costs(space.smallest, shaped, metrics=budget.metrics))

    if not fits(_LEAST_FRAMES):
        return 0
    low, high = _LEAST_FRAMES, _MOST_FRAMES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
