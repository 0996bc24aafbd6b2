"""The graph of jobs: their order, what each needs, and what arms leave out."""

import pytest

from aec_ofa_tf.reproduction.config import ARMS
from aec_ofa_tf.reproduction.graph import jobs_of, needs_of
from tests.reproduction.made import BUDGETS, config


def names(**changes) -> list[str]:
    return [job.name for job in jobs_of(config(**changes))]


def needs(made) -> dict[str, list[str]]:
    return {job.name: [one.name for one in needs_of(job, made)] for job in jobs_of(made)}


@pytest.mark.parametrize("arms", [ARMS, *([arm] for arm in ARMS), ["exact", "tuned"]], ids=str)
def test_a_job_comes_after_what_it_needs(arms):
    made = config(arms=arms)
    jobs = jobs_of(made)

    seen: set[str] = set()
    for job in jobs:
        assert {one.name for one in needs_of(job, made)} <= seen
        seen.add(job.name)
    assert len(seen) == len(jobs)
    assert {job.kind for job in jobs} >= set(arms)


def test_the_main_comparison_comes_first_and_has_every_seed():
    found = names()

    assert found[:2] == ["seed0.2-2-X.teacher", "seed0.2-2-X.soft_labels"]
    last = max(
        found.index(f"seed{seed}.2-2-X.{arm}")
        for seed in (0, 1)
        for arm in ("ofa", "kd-0.8-100000")
    )
    ablations = [n for n in found if "tuned" in n or "init" in n or "2-2-X" not in n]
    assert last < min(map(found.index, ablations))
    assert all(name.startswith("seed0.") for name in ablations)
    assert len(found) == 2 * (2 + 2 * 2 + 3) + len(BUDGETS) * (2 + 1) + 2 * 4


def test_scratch_needs_no_teacher():
    assert names(arms=["scratch"], seeds=1) == [
        "seed0.2-2-X.scratch-0.4-100000",
        "seed0.2-2-X.scratch-0.8-100000",
    ]


def test_fine_tuning_brings_the_search_that_it_follows():
    assert names(arms=["tuned"], seeds=1)[:4] == [
        *("seed0.2-2-X.teacher", "seed0.2-2-X.soft_labels", "seed0.2-2-X.supernet"),
        "seed0.2-2-X.ofa",
    ]
    after = needs(config(arms=["exact", "init"], seeds=1))
    assert after["seed0.2-2-X.init-params_max_60k-100000"] == ["seed0.2-2-X.exact"]


def test_other_spaces_learn_from_the_same_teacher():
    after = needs(config())

    assert after["seed0.EW.soft_labels"] == ["seed0.2-2-X.teacher"]
    assert after["seed0.EW.supernet"] == ["seed0.EW.soft_labels"]


def test_without_ablation_seeds_there_is_the_main_comparison_alone():
    found = names(ablation_seeds=0, arms=["scratch", "kd", "ofa", "exact"])

    assert {name.split(".")[1] for name in found} == {"2-2-X"}


def test_every_job_has_a_record_of_its_own():
    found = names(seeds=3, ablation_seeds=3)
    assert len(set(found)) == len(found)
