import json

import pytest

from aec_ofa_tf.search.candidates import random_candidates
from aec_ofa_tf.search.random_search import random_search
from aec_ofa_tf.search.store import EvaluationStore
from aec_ofa_tf.spec import NetworkConfig, search_space
from aec_ofa_tf.spec.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.spec.cost import params

NETWORK = NetworkConfig(classes=527, frames=1000)
SUBNETS = search_space("[2,2,X]").subnets()


def test_candidates_are_distinct_members_and_a_function_of_the_seed():
    drawn = [random_candidates(SUBNETS, 25, seed) for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 25
    assert set(drawn[0]) <= set(SUBNETS)


def test_every_member_is_drawn_equally_often():
    counts = dict.fromkeys(SUBNETS[:10], 0)
    for seed in range(2000):
        for spec in random_candidates(SUBNETS[:10], 3, seed):
            counts[spec] += 1

    # 600 expected each, standard deviation 20.
    assert all(500 < count < 700 for count in counts.values())


def test_fewer_members_than_the_population_are_all_taken():
    result = random_search(SUBNETS, NETWORK, Budget.around(0.8e6, 0.2e6), lambda spec: 0.5, 25)

    assert result.in_budget == len(result.candidates) == 4


def test_the_best_candidate_wins_and_of_equals_the_smaller():
    budget = Budget.around(1.8e6, 0.2e6)
    members = budget.members(SUBNETS, NETWORK)
    by_depth = random_search(SUBNETS, NETWORK, budget, lambda spec: spec.depths[-1] / 10)
    assert by_depth.best.mAP == 0.2
    deep = [spec for spec in members if spec.depths[-1] == 2]
    assert by_depth.best.params == min(params(spec, NETWORK) for spec in deep)
    assert [c.mAP for c in by_depth.candidates] == sorted(
        (c.mAP for c in by_depth.candidates), reverse=True
    )


def test_an_empty_budget_is_told_before_anything_is_evaluated():
    def evaluate(spec):
        raise AssertionError("evaluated")

    with pytest.raises(UnsatisfiableBudgetError, match="nearest"):
        random_search(SUBNETS, NETWORK, Budget.parse("params<=1k"), evaluate)


def test_a_population_below_one_is_refused():
    with pytest.raises(ValueError, match="positive"):
        random_candidates(SUBNETS, 0, 0)


def test_a_search_that_was_killed_evaluates_only_what_is_missing(tmp_path):
    path = tmp_path / "store.jsonl"
    first = EvaluationStore(path, "weights-1").remembered(lambda spec: {"mAP": 0.25})
    assert [first(spec)["mAP"] for spec in SUBNETS[:3]] == [0.25] * 3
    path.write_text(path.read_text()[:-7])  # the kill cut the last line short

    asked = []
    again = EvaluationStore(path, "weights-1").remembered(
        lambda spec: asked.append(spec) or {"mAP": 0.75}
    )
    assert [again(spec)["mAP"] for spec in SUBNETS[:4]] == [0.25, 0.25, 0.75, 0.75]
    assert asked == SUBNETS[2:4]
    complete = [
        json.loads(line)["subnet"] for line in path.read_text().splitlines() if "}}" in line
    ]
    assert complete == [str(spec) for spec in SUBNETS[:4]]


def test_evaluations_of_other_weights_are_not_reused(tmp_path):
    path = tmp_path / "store.jsonl"
    EvaluationStore(path, "old").remembered(lambda spec: {"mAP": 0.25})(SUBNETS[0])

    again = EvaluationStore(path, "new").remembered(lambda spec: {"mAP": 0.5})
    assert again(SUBNETS[0]) == {"mAP": 0.5}
