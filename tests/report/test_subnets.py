"""The subnets of a report: what earlier versions did not write, and what a chart cannot hold."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.family import to_config
from aec_ofa_tf.report import subnets
from aec_ofa_tf.report.subnets import read_subnets, read_winners
from aec_ofa_tf.search.analyses import pareto_front
from aec_ofa_tf.search.results import BudgetResult, SearchResult, SubnetScores
from aec_ofa_tf.workdir import Workdir

SPACE = cnn10_space("[2,2,X]", 16)
NETWORK = SPACE.network(classes=3, frames=100, mel_bins=64, task="multi_label")
SUBNETS = list(SPACE.subnets())
EVALUATION = {"mAP": 0.4, "interval": (0.3, 0.5)}


def score(number: int) -> float:
    return (number * 7919 % 1000) / 1000


@pytest.fixture
def workdir(tmp_path) -> Workdir:
    """With candidates as an earlier version wrote them, which knew no arena."""
    workdir = Workdir(tmp_path / "run")
    workdir.claim(
        {
            "space": to_config(SPACE),
            "network": to_config(NETWORK),
            "labels": ["a", "b", "c"],
            "front_end": asdict(FrontEndConfig()),
            "clip_secs": 1.0,
        }
    )
    rows = [
        {
            "budget": "params<=1M",
            "subnet": str(subnet),
            **subnet_costs(subnet, NETWORK, metrics=("params", "macs")),
            "validation_mAP": score(number),
            "validation_d_prime": float("inf") if number % 2 else 1.5,
            "validation_log_loss": None,
        }
        for number, subnet in enumerate(SUBNETS)
    ]
    path = workdir.path / "search" / "candidates.json"
    path.parent.mkdir()
    path.write_text(json.dumps(rows))
    return workdir


@pytest.fixture
def result() -> SearchResult:
    def scores(subnet) -> SubnetScores:
        costs = subnet_costs(subnet, NETWORK, metrics=("params", "macs"))
        return SubnetScores(str(subnet), costs, {"mAP": 0.5}, EVALUATION)

    best = scores(SUBNETS[5])
    rows = [
        BudgetResult(budget, "random", str(SPACE), best, "mAP", 0.5, 0.1, 9, None, 9)
        for budget in ("params<=1M", "macs<=9M")
    ]
    return SearchResult(tuple(rows), scores(SPACE.largest), {}, {})


def test_costs_that_an_earlier_version_did_not_know_are_computed(workdir, result):
    found = read_subnets(workdir, result)

    assert found.evaluated == len(SUBNETS) == len(found.names)
    expected = subnet_costs(SUBNETS[3], NETWORK, metrics=("arena_bytes",))["arena_bytes"]
    assert found.columns["arena_bytes"][3] == expected
    assert [axis.lower_is_better for axis in found.axes[:2]] == [True, True]
    assert not next(axis for axis in found.axes if axis.name == "validation_mAP").lower_is_better
    assert "latency_ms" not in found.columns


def test_what_json_cannot_hold_is_unknown_and_what_nobody_knows_is_no_axis(workdir, result):
    columns = read_subnets(workdir, result).columns

    assert set(columns["validation_d_prime"]) == {None, 1.5}
    assert "validation_log_loss" not in columns


def test_a_subnet_may_win_several_budgets(workdir, result):
    found = read_subnets(workdir, result)

    assert found.roles[5] == ("params<=1M", "macs<=9M")
    assert found.roles[found.names.index(str(SPACE.largest))] == ("largest",)
    rows = read_winners(result)
    assert [row.budget for row in rows] == ["params<=1M", "macs<=9M", ""]
    assert rows[0].interval == (0.3, 0.5)
    assert rows[0].gap == 0.1
    assert rows[-1].gap is None


def test_of_too_many_subnets_the_fronts_and_the_winners_remain(workdir, result, monkeypatch):
    every = read_subnets(workdir, result)
    monkeypatch.setattr(subnets, "MOST_DRAWN", 30)

    found = read_subnets(workdir, result)

    assert found.evaluated == len(SUBNETS)
    assert len(found.names) < 60 < len(SUBNETS)
    points = zip(every.columns["macs"], every.columns["validation_mAP"], strict=True)
    front = pareto_front(dict(zip(every.names, points, strict=True)))
    assert {*front, str(SUBNETS[5]), str(SPACE.largest)} <= set(found.names)


def test_candidates_of_another_space_are_named(workdir, result):
    Path(workdir.path, "search", "candidates.json").write_text('[{"subnet": "9x9"}]')

    with pytest.raises(ValueError, match="9x9"):
        read_subnets(workdir, result)
