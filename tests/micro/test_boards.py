"""What fits which board, in listed spaces and in huge ones."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from aec_ofa_tf.audio.front_end import PRESETS
from aec_ofa_tf.costs.arena import arena_within, reserved_bytes
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.micro.boards import BOARDS, KIB, Board, board_budget, fit_boards, searched_scores
from aec_ofa_tf.micro.front_end import ram_bytes, table_bytes
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.workdir import Workdir
from tests.programs import run_program

KEYWORD = PRESETS["keyword_16k"]
SPACE = cnn10_space("[2,2,X]", base_channels=4)
NETWORK = SPACE.network(10, 100, 40, task="single_label")
SOME = Board("some", ram_bytes=42 * KIB, flash_bytes=26 * KIB)


def needs(subnet, network=NETWORK) -> dict[str, float]:
    """The memory that a board needs, added up here."""
    cost = subnet_costs(subnet, network, metrics=["arena_bytes", "tflite_bytes_int8", "macs"])
    return {
        "ram": reserved_bytes(cost["arena_bytes"]) + ram_bytes(KEYWORD),
        "flash": cost["tflite_bytes_int8"] + table_bytes(KEYWORD),
        "macs": cost["macs"],
    }


def fits(subnet, board, network=NETWORK) -> bool:
    found = needs(subnet, network)
    return (
        found["ram"] <= board.ram_bytes
        and found["flash"] <= board.flash_bytes
        and found["macs"] <= board.macs
    )


def test_without_scores_it_is_the_largest_that_fits():
    (found,) = fit_boards(SPACE, NETWORK, KEYWORD, [SOME])
    members = [subnet for subnet in SPACE.subnets() if fits(subnet, SOME)]

    assert 0 < len(members) < SPACE.size
    best = max(members, key=lambda subnet: needs(subnet)["macs"])
    assert found.macs == needs(best)["macs"]
    assert SPACE.parse_subnet(found.subnet) in members
    assert (found.ram_bytes, found.flash_bytes) == (
        needs(SPACE.parse_subnet(found.subnet))["ram"],
        needs(SPACE.parse_subnet(found.subnet))["flash"],
    )
    assert found.score is None


def test_with_scores_it_is_the_best_candidate_that_fits():
    members = [subnet for subnet in SPACE.subnets() if fits(subnet, SOME)]
    others = [subnet for subnet in SPACE.subnets() if not fits(subnet, SOME)]
    scores = {members[0]: 0.5, members[1]: 0.75, others[0]: 0.9}
    (found,) = fit_boards(SPACE, NETWORK, KEYWORD, [SOME], scores)
    assert (found.subnet, found.score) == (str(members[1]), 0.75)

    (found,) = fit_boards(SPACE, NETWORK, KEYWORD, [SOME], {others[0]: 0.9})
    assert (SPACE.parse_subnet(found.subnet) in members, found.score) == (True, None)


def test_of_equally_good_candidates_the_smallest_is_shown():
    members = sorted((s for s in SPACE.subnets() if fits(s, SOME)), key=lambda s: needs(s)["flash"])
    (found,) = fit_boards(SPACE, NETWORK, KEYWORD, [SOME], dict.fromkeys(members, 0.5))
    params = {s: subnet_costs(s, NETWORK, metrics=["params"])["params"] for s in members}
    assert found.params == min(params.values())


def test_where_none_fits_the_longest_clip_says_what_would():
    wide = cnn10_space("[X,X,X]", base_channels=8)
    network = wide.network(10, 100, 40, task="single_label")
    (found,) = fit_boards(wide, network, KEYWORD, BOARDS[:1])

    assert (found.subnet, found.macs) == (None, None)
    frames = round(found.longest_clip_secs * 100)
    assert 16 < frames < 100
    assert fits(wide.smallest, BOARDS[0], replace(network, frames=frames))
    assert not fits(wide.smallest, BOARDS[0], replace(network, frames=frames + 1))
    (never,) = fit_boards(wide, network, KEYWORD, [Board("none", ram_bytes=1000)])
    assert (never.subnet, never.longest_clip_secs) == (None, 0.0)


def test_in_a_huge_space_no_single_change_is_larger_and_fits():
    space = mobilenet_space("mn04")
    network = space.network(10, 100, 40, task="single_label")
    (found,) = fit_boards(space, network, KEYWORD, BOARDS[:1])
    subnet = space.parse_subnet(found.subnet)

    assert fits(subnet, BOARDS[0], network)
    own = space.texts(subnet)
    for stage, options in enumerate(space.stages):
        for option in options:
            other = space.from_texts([*own[:stage], option.text, *own[stage + 1 :]])
            if fits(other, BOARDS[0], network):
                assert needs(other, network)["macs"] <= found.macs


def test_an_arena_is_reserved_with_a_sixteenth_more_in_whole_kib():
    assert [reserved_bytes(arena) for arena in (1, 963, 964, 61_920)] == [1024, 1024, 1024, 66_560]
    for reserved in (0, 1023, 1024, 5000, 64 * KIB, 640 * KIB):
        arena = arena_within(reserved)
        assert reserved_bytes(arena) <= reserved < reserved_bytes(arena + 1)


def test_a_rule_on_a_model_bounds_what_it_names():
    dcase = next(board for board in BOARDS if "DCASE" in board.name)
    budget = board_budget(dcase, KEYWORD)
    assert dict.fromkeys(budget.metrics) == {"params": None, "macs": None}
    assert (budget.greatest("params"), budget.greatest("macs")) == (128_000, 30e6)
    assert board_budget(Board("any"), KEYWORD).greatest("macs") == math.inf


def test_the_program_prints_a_row_per_board_without_a_run(tmp_path):
    flags = "--space=[X,X,X]", "--base_channels=4", "--front_end=keyword_16k", "--classes=12"
    done = run_program("boards", *flags, "--ram_kib=50", "--flash_kib=24")
    rows = done.result["boards"]

    assert [row["board"] for row in rows] == ["yours", *(board.name for board in BOARDS)]
    assert rows[0]["ram_bytes"] <= 50 * 1024
    assert rows[0]["flash_bytes"] <= 24 * 1024
    assert done.stderr.count("\n| ") >= len(rows)
    json.dumps(done.result)


def test_scores_are_those_of_the_search(trained):
    scores = searched_scores(Workdir(trained.workdir))
    rows = json.loads((trained.workdir / "search" / "candidates.json").read_text())
    assert {str(subnet): score for subnet, score in scores.items()} == {
        row["subnet"]: row["validation_mAP"] for row in rows
    }
    done = run_program("boards", f"--workdir={trained.workdir}")
    fit = {row["board"]: row for row in done.result["boards"]}["512 KiB SRAM, 2 MiB flash"]
    assert fit["score"] == max(scores.values())


GUIDE = (Path(__file__).parents[2] / "docs" / "microcontrollers.md").read_text("utf-8")


@pytest.mark.parametrize(
    "space", [mobilenet_space("mn04"), cnn10_space("[X,X,X]", base_channels=4)], ids=str
)
def test_the_guide_s_table_is_the_command_s(space):
    network = space.network(10, 100, 40, task="single_label")
    for fit in fit_boards(space, network, KEYWORD):
        sizes = (fit.params, fit.macs, fit.ram_bytes, fit.flash_bytes)
        cells = [f"`{fit.subnet}`", *(f"{size:,}" for size in sizes if size is not None)]
        cells = cells if fit.subnet else ["none", "", "", "", ""]
        row = " | ".join([fit.board, *cells, f"{fit.longest_clip_secs:.2f}"])
        assert f"| {row} |".replace("  ", " ") in GUIDE.replace("  ", " ")


@pytest.mark.parametrize("front_end", ["keyword_16k", "panns_32k", "efficientat_32k"])
@pytest.mark.parametrize("name", ["mn04", "mn04 pool=2x2", "mn04 pool=4x2"])
def test_the_guide_s_longest_clips_are_the_command_s(name, front_end):
    features, space = PRESETS[front_end], mobilenet_space(name)
    network = space.network(10, features.frames(1.0), features.mel_bins, task="single_label")
    secs = [fit.longest_clip_secs for fit in fit_boards(space, network, features, BOARDS[:4])]
    assert f"| `{name}` | `{front_end}` | {' | '.join(f'{s:.2f}' for s in secs)} |" in GUIDE


def test_a_run_that_was_not_searched_has_no_scores(tmp_path):
    assert searched_scores(Workdir(tmp_path)) == {}


@pytest.mark.parametrize("flags", [["--ram_kib=0"], ["--clip_secs=0.01"], ["--workdir=nowhere"]])
def test_what_cannot_be_is_told(flags):
    done = run_program("boards", *flags)
    assert done.code != 0
    assert "Traceback" not in done.stderr
