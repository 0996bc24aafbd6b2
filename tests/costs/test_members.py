"""Members of a budget in spaces that are listed, and in spaces that are too large for that."""

import numpy as np
import pytest
from optuna.storages import InMemoryStorage

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.costs.members import DrawnMembers, ListedMembers
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.search.algorithms import search
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.search.evolutionary import EvolutionarySearch, EvolutionSettings

SPACE = mobilenet_space("mn04")
NETWORK = SPACE.network(50, 501, 128, task="single_label")


def members_of(text: str, space=SPACE) -> DrawnMembers | ListedMembers:
    config = SearchConfig([text], algorithm="random")
    (found,) = config.members(space, NETWORK).values()
    return found


@pytest.mark.parametrize("text", ["params<=50k", "params<=131k,macs<=10M", "macs=30M+-1M"])
def test_draws_from_a_huge_space_meet_the_budget_and_are_a_function_of_the_seed(text):
    members, budget = members_of(text), Budget.parse(text)
    assert isinstance(members, DrawnMembers)
    drawn = [members.sample(20, seed) for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 20
    for subnet in drawn[0]:
        assert budget.excess(subnet_costs(subnet, NETWORK)) == 0
        assert subnet in SPACE
        assert subnet in members


def test_the_nearest_subnet_of_a_huge_space_is_named():
    with pytest.raises(UnsatisfiableBudgetError, match=f"nearest are {SPACE.smallest} "):
        members_of("params<=5k")


def test_every_subnet_of_a_huge_space_is_refused_and_of_a_part_listed():
    config = SearchConfig(["params<=1M"])
    with pytest.raises(ConfigError, match=r"668,860,416 subnets.*'evolutionary'"):
        config.members(SPACE, NETWORK)
    part = mobilenet_space("mn04 width=1 expand=1 last=0.5,1 kernel=full")
    (members,) = config.members(part, NETWORK).values()
    assert isinstance(members, ListedMembers)
    assert members.count == part.size


def test_evolution_in_a_huge_space_improves_on_its_first_generation():
    members = members_of("params<=131k")
    settings = EvolutionSettings(20, 6, 0, InMemoryStorage(), "test", "one")
    searcher = EvolutionarySearch(SPACE, members, settings)
    rounds = []

    def evaluate(subnets):
        found = {s: {"mAP": sum(c[0] for c in s.choices) / 1e4} for s in subnets}
        rounds.append(np.mean([metrics["mAP"] for metrics in found.values()]))
        return found

    def size(subnet):
        return subnet_costs(subnet, NETWORK, metrics=["params"])["params"]

    found = search({members.budget: searcher}, evaluate, size)[members.budget]
    assert len(found) == 20 * 6
    assert all(size(subnet) <= 131_000 for subnet in found)
    assert np.mean(rounds[-2:]) > rounds[0]
