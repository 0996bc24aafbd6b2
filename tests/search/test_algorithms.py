"""Propose, evaluate, choose."""

import numpy as np
import pytest
from optuna.storages import InMemoryStorage

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.costs.members import ListedMembers
from aec_ofa_tf.models.cnn10 import Cnn10Network, blocks_of, cnn10_space
from aec_ofa_tf.search import algorithms
from aec_ofa_tf.search.algorithms import search
from aec_ofa_tf.search.evolutionary import EvolutionarySearch, EvolutionSettings

NETWORK = Cnn10Network(classes=527, frames=1000)
SPACE = cnn10_space("[2,2,X]")
SUBNETS = SPACE.subnets()
BUDGET = Budget.parse("params<=2M")
MEMBERS = BUDGET.members(SUBNETS, NETWORK)


def score(spec) -> float:
    """A made-up mAP that rises with every width."""
    return sum(width**0.5 for block in blocks_of(spec) for width in block) / 1000


def depth(spec) -> int:
    """Of the last block."""
    return len(blocks_of(spec)[-1])


def size(spec) -> int:
    return params(spec, NETWORK)


def metrics(specs, evaluate=score) -> dict:
    return {spec: {"mAP": evaluate(spec), "clips": 3} for spec in specs}


def run(algorithm, evaluate=score) -> dict:
    """The mAP of every candidate, best first."""
    found = search({BUDGET: algorithm}, lambda specs: metrics(specs, evaluate), size)[BUDGET]
    return {spec: values["mAP"] for spec, values in found.items()}


def evolutionary(
    storage: str | None = None, members=MEMBERS, space=SPACE, **changes
) -> EvolutionarySearch:
    """Without a database, Optuna keeps its trials in Python; what it proposes is the same."""
    arguments = {"population": 8, "generations": 4, "seed": 0, "searcher": "one", **changes}
    settings = EvolutionSettings(storage=storage or InMemoryStorage(), name="test", **arguments)
    return EvolutionarySearch(space, listed(members), settings)


def listed(subnets) -> ListedMembers:
    return ListedMembers(BUDGET, lambda spec: {"params": size(spec)}, subnets)


def test_random_candidates_are_distinct_members_and_a_function_of_the_seed():
    drawn = [algorithms.random(listed(MEMBERS), 25, seed).propose() for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 25
    assert set(drawn[0]) <= set(MEMBERS)


def test_every_member_is_drawn_equally_often():
    counts = dict.fromkeys(SUBNETS[:10], 0)
    for seed in range(2000):
        for spec in algorithms.random(listed(SUBNETS[:10]), 3, seed).propose():
            counts[spec] += 1

    # 600 expected each, standard deviation 20.
    assert all(500 < count < 700 for count in counts.values())


def test_fewer_members_than_the_population_are_all_taken():
    members = Budget.around(0.8e6, 0.2e6).members(SUBNETS, NETWORK)

    assert set(run(algorithms.random(listed(members), 25, 0))) == set(members)


def test_a_population_below_one_is_refused():
    with pytest.raises(ValueError, match="positive"):
        algorithms.random(listed(SUBNETS), 0, 0)


def test_exhaustive_search_finds_the_best_there_is_and_of_equals_the_smaller():
    found = run(algorithms.exhaustive(listed(MEMBERS)))
    assert list(found.values()) == sorted((score(spec) for spec in MEMBERS), reverse=True)

    by_depth = run(algorithms.exhaustive(listed(MEMBERS)), depth)
    deep = [spec for spec in MEMBERS if depth(spec) == 2]
    assert next(iter(by_depth)) == min(deep, key=size)


def test_budgets_are_searched_side_by_side_and_share_evaluations():
    rounds = []

    def evaluate(specs):
        rounds.append(list(specs))
        return metrics(specs)

    other = Budget.parse("params<=1M")
    members = other.members(SUBNETS, NETWORK)
    found = search(
        {
            BUDGET: algorithms.exhaustive(listed(MEMBERS)),
            other: algorithms.exhaustive(listed(members)),
        },
        evaluate,
        size,
    )
    assert rounds == [sorted(MEMBERS)]
    assert set(found[other]) == set(members)


def test_evolution_evaluates_members_alone_and_each_once():
    evaluated = []
    found = run(evolutionary(), lambda spec: evaluated.append(spec) or score(spec))

    assert len(evaluated) == len(found) == 8 * 4
    assert set(found) <= set(MEMBERS)


def test_later_generations_are_better_than_the_first():
    space = cnn10_space("[X,X,X]")
    members = BUDGET.members(space.subnets(), NETWORK)
    gains = []
    for seed in range(3):
        searched = evolutionary(
            members=members, space=space, seed=seed, population=10, generations=8
        )
        generations = []
        while candidates := searched.propose():
            searched.learn(metrics(candidates))
            generations.append(np.mean([score(spec) for spec in candidates]))
        assert len(generations) == 8
        gains.append(generations[-1] - generations[0])

    assert np.mean(gains) > 0.005  # of scores around 0.085


def test_evolution_ends_when_no_member_is_left():
    assert len(run(evolutionary(members=MEMBERS[:5]))) == 5


def test_searchers_at_work_at_the_same_time_share_the_evaluations(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    searchers = [evolutionary(storage, searcher=name) for name in ("one", "two")]
    evaluated = []
    while rounds := [candidates for one in searchers if (candidates := one.propose())]:
        evaluated += [spec for candidates in rounds for spec in candidates]
        for one in searchers:
            one.learn(metrics(spec for candidates in rounds for spec in candidates))

    assert len(evaluated) == len(set(evaluated)) == 32
    # Each ends with what both have found, in the words of the one who found it.
    assert run(searchers[0]) == run(searchers[1])
    assert all(found["clips"] == 3 for found in searchers[0].evaluated().values())


@pytest.mark.parametrize("members", [MEMBERS[:5], MEMBERS])
def test_a_searcher_finds_something_while_another_works_on_all_that_is_wanted(tmp_path, members):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    arguments = {"members": members, "generations": 1}
    first, second = (evolutionary(storage, searcher=s, **arguments) for s in ("one", "two"))
    at_work = first.propose()
    assert run(second)
    first.learn(metrics(at_work))
    assert set(at_work) <= set(first.evaluated())


def test_a_generation_that_a_kill_cut_short_is_proposed_again(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    evolutionary(storage, seed=1, searcher="another").propose()
    killed = evolutionary(storage)
    interrupted = list(killed.propose())
    resumed = evolutionary(storage, seed=2)
    assert list(resumed.propose()) == interrupted

    resumed.learn(metrics(interrupted))
    killed_again = list(resumed.propose())
    assert not set(killed_again) & set(interrupted)
    assert list(evolutionary(storage, seed=3).propose()) == killed_again


def test_a_run_that_resumes_or_repeats_a_search_counts_what_was_found(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    killed = evolutionary(storage)
    first = list(killed.propose())
    killed.learn(metrics(first))
    resumed = run(evolutionary(storage))
    assert len(resumed) == 32
    assert set(first) <= set(resumed)
    assert run(evolutionary(storage)) == resumed


def test_a_storage_that_cannot_be_opened_is_told_with_an_example():
    with pytest.raises(ValueError, match="sqlite:////absolute"):
        evolutionary("sqlite:////nowhere/at/all/search.db")
    with pytest.raises(ValueError, match="storage"):
        evolutionary("nonsense")


def test_of_equally_accurate_candidates_the_one_of_less_log_loss_is_first_and_then_the_smaller():
    small, middle, large = sorted(MEMBERS[:3], key=size)
    figures = {small: (0.9, 0.7), middle: (0.9, 0.2), large: (0.9, 0.2)}
    found = {s: {"accuracy": accuracy, "log_loss": loss} for s, (accuracy, loss) in figures.items()}

    assert list(algorithms.choose(found, size, "accuracy")) == [middle, large, small]
    del found[middle]["log_loss"]  # as earlier versions stored it
    assert list(algorithms.choose(found, size, "accuracy")) == [large, small, middle]


@pytest.mark.parametrize("clips", [1, 32, 2000])
def test_fitness_orders_by_accuracy_first_and_then_by_log_loss(clips):
    right = clips // 2
    pairs = [(right, 9.0), (right, 0.1), (right, 0.0), (right + 1, 16.2), (right + 1, 0.0)]
    values = [
        algorithms.fitness({"accuracy": n / clips, "log_loss": loss, "clips": clips}, "accuracy")
        for n, loss in pairs
    ]
    assert values == sorted(values)
    assert len(set(values)) == len(values)
    assert algorithms.fitness({"mAP": 0.5, "log_loss": None}, "mAP") == 0.5
