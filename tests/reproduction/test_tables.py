"""Tables, figures and costs from arms whose results are made by hand."""

import math

import pytest

from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.reproduction import paper
from aec_ofa_tf.reproduction.figures import Line, draw_candidates, draw_roads, draw_sizes
from aec_ofa_tf.reproduction.report import means_of
from aec_ofa_tf.reproduction.roads import roads, totals
from aec_ofa_tf.reproduction.tables import Tables
from tests.reproduction.made import BUDGETS, SPACES, arm, config, network

NETWORK = SPACES[0].network(classes=50, frames=250, mel_bins=64, task="multi_label")
STEPS = config().subnet.steps
SMALL, LARGE = 50_000, 208_000


def searched(seed: int, *scores: float, kind: str = "ofa"):
    found = zip(scores, BUDGETS, (SMALL, LARGE), strict=True)
    networks = (network(s, size, budget=b) for s, b, size in found)
    return arm(kind, seed, *networks, evaluated=50, scoring_secs=0.2)


ARMS = [
    arm("teacher", 0, network(0.5)),
    arm("teacher", 1, network(0.4)),
    arm("scratch", 0, network(0.2, 62_331), ratio=0.4, steps=STEPS),
    arm("scratch", 1, network(0.3, 62_331), ratio=0.4, steps=STEPS),
    arm("kd", 0, network(0.25, 62_331), ratio=0.4, steps=STEPS),
    searched(0, 0.3, 0.4),
    searched(1, 0.36, 0.38),
    arm("supernet", 0, network(0.4)),
    arm("tuned", 0, network(0.35), budget=BUDGETS[0], steps=10),
    arm("init", 0, network(0.28), budget=BUDGETS[0], steps=STEPS),
    # Of another call, with other steps.
    arm("scratch", 0, network(0.9, 62_331), ratio=0.4, steps=7),
]


def tables(arms=ARMS, **changes) -> Tables:
    return Tables(config(**changes), NETWORK, "mAP", arms)


def row(rows, **which):
    (found,) = [one for one in rows if all(one[name] == value for name, value in which.items())]
    return found


def test_table_1_has_mean_spread_and_share_of_the_seed_s_own_teacher():
    rows = tables().table_1()

    scratch = row(rows, model="scratch", size="width 0.4")
    assert scratch["mAP %"] == pytest.approx(25)
    assert scratch["+-"] == pytest.approx(100 * math.sqrt(0.005))
    assert scratch["% of teacher"] == pytest.approx(100 * (0.2 / 0.5 + 0.3 / 0.4) / 2)
    assert scratch["by seed"] == {0: 0.2, 1: 0.3}
    assert (scratch["seeds"], scratch["steps"]) == (2, STEPS)
    assert scratch["parameters"] == params(SPACES[0].fixed_ratio(0.4), NETWORK)
    assert row(rows, model="teacher")["paper mAP %"] == 29.6


def test_table_1_puts_the_paper_s_row_of_the_same_share_beside_ours():
    rows = tables().table_1()

    assert row(rows, model="scratch", size="width 0.4")["paper mAP %"] == 21.2
    assert row(rows, model="KD", size="width 0.8")["paper mAP %"] == 28.3
    assert row(rows, model="OFA", size=BUDGETS[0])["paper mAP %"] == 26.6
    assert row(rows, model="OFA", size=BUDGETS[1])["paper mAP %"] == 27.9


def test_an_arm_that_is_not_done_is_an_empty_cell():
    kd = row(tables().table_1(), model="KD", size="width 0.8")
    assert (kd["mAP %"], kd["+-"], kd["seeds"]) == (None, None, 0)
    one = row(tables().table_1(), model="KD", size="width 0.4")
    assert (one["mAP %"], one["+-"], one["seeds"]) == (25, None, 1)
    exact = row(tables().table_1(), model="OFA, exact search", size=BUDGETS[0])
    assert (exact["parameters"], exact["mAP %"]) == (None, None)


def test_arms_that_are_not_asked_for_have_no_rows():
    asked = Tables(config(arms=["kd"]), NETWORK, "mAP", ARMS)
    models = {one["model"] for one in asked.table_1()}
    assert models == {"teacher", "KD"}


def test_rows_are_ordered_by_size():
    sizes = [one["parameters"] for one in tables().table_1()[1:]]
    known = [size for size in sizes if size is not None]
    assert known == sorted(known)
    assert sizes[: len(known)] == known


def test_table_2_is_of_the_seeds_that_are_fine_tuned():
    first, second = tables().table_2()

    assert (first["OFA"], first["+10"], first["Init+100K"]) == pytest.approx((30, 35, 28))
    assert first["+100"] is None
    assert (first["seeds"], first["OFA +-"]) == (1, None)
    assert (first["paper +10K"], first["paper +100K"], first["paper Init+100K"]) == (
        26.7,
        26.7,
        24.8,
    )
    assert (second["OFA"], second["+10"]) == (40, None)
    assert set(tables().columns_2) >= {"OFA", "+10", "+100", "Init+100K", "paper OFA"}


def test_table_2_without_ablation_seeds_is_of_the_search_alone():
    first, _ = Tables(config(ablation_seeds=0, arms=["ofa"]), NETWORK, "mAP", ARMS).table_2()

    assert first["OFA"] == pytest.approx(33)
    assert (first["seeds"], first["+10"], first["Init+100K"]) == (2, None, None)


def test_the_roads_say_what_they_lead_to():
    (note,) = means_of(tables())

    assert "36.0 % of the searched subnets" in note
    assert "25.0 % of the distilled baselines" in note
    assert not list(means_of(tables(arms=ARMS[:2])))


def test_ratios_are_of_the_same_seed():
    first, second = tables().ratios()

    assert first["baseline"] == "width 0.4"
    # KD has one seed, so that all figures of the row are of that one.
    assert (first["seeds"], first["OFA / scratch"]) == (1, pytest.approx(0.3 / 0.2))
    assert first["OFA / KD"] == pytest.approx(0.3 / 0.25)
    assert first["1 - mAP, OFA / KD"] == pytest.approx(0.7 / 0.75)
    assert first["paper OFA / scratch"] == pytest.approx(paper.OFA_OVER_SCRATCH)
    assert first["paper OFA / KD"] == pytest.approx(paper.OFA_OVER_KD)
    assert (second["baseline"], second["OFA / scratch"]) == ("width 0.8", None)
    alone = [one for one in ARMS if one.job.kind != "kd"]
    both, _ = tables(alone).ratios()
    assert (both["seeds"], both["OFA / KD"]) == (2, None)
    assert both["OFA / scratch"] == pytest.approx((0.3 / 0.2 + 0.36 / 0.3) / 2)


def test_fine_tuning_brings_its_search_into_the_comparison():
    first, _ = Tables(config(arms=["kd", "tuned"]), NETWORK, "mAP", ARMS).ratios()

    assert first["OFA / KD"] == pytest.approx(0.3 / 0.25)


def test_a_share_of_the_teacher_needs_the_teacher_of_every_seed():
    rows = tables([one for one in ARMS if (one.job.kind, one.job.seed) != ("teacher", 1)]).table_1()

    scratch = row(rows, model="scratch", size="width 0.4")
    assert (scratch["seeds"], scratch["% of teacher"]) == (2, None)


def test_a_row_of_the_roads_is_arithmetic():
    kd = [arm("kd", 0, network(0.2), ratio=r, steps=STEPS, secs=s) for r, s in ((0.4, 4), (0.8, 8))]
    kd += [
        arm("kd", 0, network(0.2), ratio=r, steps=s, secs=1e6) for r, s in ((0.4, 7), (1, STEPS))
    ]
    found = roads(config(), [*kd, arm("supernet", 0, network(0.4), secs=30), searched(0, 0.3, 0.4)])

    one, *_, last = found
    assert [row["budgets"] for row in found] == list(range(1, 41))
    # 50 subnets of 0.2 s for two budgets: 25 a budget.
    assert one["supernet seconds"] == pytest.approx(30 + 25 * 0.2)
    assert one["trainings seconds"] == pytest.approx(6)
    assert one["seconds, ratio"] == pytest.approx(35 / 6)
    assert (one["supernet steps"], one["trainings steps"]) == (100, 100)
    assert last["trainings seconds"] == pytest.approx(240)
    assert last["supernet seconds"] == pytest.approx(30 + SPACES[0].size * 0.2)  # each once
    assert last["supernet multiply-adds"] == pytest.approx(1000 + SPACES[0].size * 20)


def test_a_search_that_scored_nothing_itself_tells_no_seconds():
    known = arm("ofa", 0, network(0.3, budget=BUDGETS[0]), evaluated=50)
    first = roads(config(), [arm("supernet", 0, network(0.4)), known])[0]

    assert (first["supernet seconds"], first["seconds, ratio"]) == (None, None)
    assert first["supernet multiply-adds"] == pytest.approx(1000 + 1000)


def test_roads_without_their_arms_are_empty():
    found = roads(config(), [arm("supernet", 0, network(0.4))])
    assert found[0]["supernet seconds"] is None
    assert found[0]["seconds, ratio"] is None


def test_totals_are_means_over_seeds_and_sizes():
    found = row(totals(ARMS), job="scratch, 100,000 steps")
    assert (found["jobs"], found["clips"], found["seconds"]) == (2, 400, 10)
    assert row(totals(ARMS), job="scratch, 7 steps")["jobs"] == 1
    assert row(totals(ARMS), job="supernet")["jobs"] == 1
    assert row(totals(ARMS), job="tuned, 10 steps")["jobs"] == 1


def test_figures_are_png_and_svg_and_the_same_each_time(tmp_path):
    lines = {
        "OFA": Line([(2e3, 30.0, 1.0), (1e3, 20.0, None)]),
        "KD": Line([(1e3, 10.0, 0)], False),
    }
    scores = {"a": {"OFA": [10.0, 12.0, 11.0]}, "b": {}}
    costs = roads(config(), [])
    for folder in (tmp_path / "one", tmp_path / "two"):
        draw_sizes(folder / "sizes", lines, "mAP")
        draw_candidates(folder / "candidates", scores, "mAP")
        draw_roads(folder / "roads", costs)

    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(
        f"{n}.{k}" for n in ("sizes", "candidates", "roads") for k in ("png", "svg")
    )
    for name in files:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two, name
        assert one.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
    assert b"OFA" in (tmp_path / "one" / "sizes.svg").read_bytes()


def test_the_paper_s_claim_is_that_of_its_tables():
    assert round(paper.OFA_OVER_SCRATCH, 3) == 1.255
    assert round(paper.OFA_OVER_KD, 3) == 1.073
    assert paper.nearest_budget(0.0) == paper.TABLE_2[0]
    assert paper.nearest_size(1.0) == paper.TABLE_1[-1]
