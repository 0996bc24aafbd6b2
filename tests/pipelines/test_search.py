"""`python -m pipelines.search` on a trained supernet."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.metadata import parse_session_end_info_plugin_data

from aec_ofa_tf.spec import SubnetSpec
from tests.pipelines.conftest import ROOT, program, run_program


@pytest.fixture(scope="module")
def searched(trained, tmp_path_factory):
    """The whole space searched at once, with every analysis; result and folder."""
    return search(trained, "--budget=params<=8k", "--budget=params<=9k,macs>=1", RANKS), (
        trained.workdir / "search"
    )


RANKS = "--rank_correlation"


def search(trained, *flags: str) -> dict:
    done = run_program(
        "search", f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}", *flags
    )
    assert done.code == 0, done.stderr
    return done.result


def test_every_subnet_in_range_is_a_candidate_with_its_costs_and_metrics(searched):
    result, folder = searched
    rows = json.loads((folder / "candidates.json").read_text())
    with (folder / "candidates.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    for found in result["budgets"]:
        own = [row for row in rows if row["budget"] == found["budget"]]
        assert found["candidates"] == found["evaluated"] == found["in_budget"] == len(own)
        assert found["gap"] == 0
        assert found["mAP"] == max(row["validation_mAP"] for row in own)
        low, high = found["evaluation"]["interval"]
        assert low <= found["evaluation"]["mAP"] <= high


def test_the_front_holds_no_subnet_that_another_beats(searched):
    _, folder = searched
    rows = json.loads((folder / "pareto.json").read_text())
    front = [row for row in rows if row["cost"] == "params"]

    assert len(front) > 1
    assert front == sorted(front, key=lambda row: row["params"])
    assert front == sorted(front, key=lambda row: row["validation_mAP"])


def test_analyses_tell_of_budgets_blocks_and_proxies(searched):
    analyses = searched[0]["analyses"]

    assert set(analyses["spread"]) == {"params<=8k", "params<=9k,macs>=1"}
    assert {(row["block"], row["choice"]) for row in analyses["sensitivity"]} >= {(4, "depth")}
    for proxy in ("without_recalibration", "fewer_clips"):
        assert -1 <= analyses["rank_correlation"][proxy]["spearman"] <= 1


def test_tensorboard_gets_finished_sessions_and_pictures(searched, trained):
    _, folder = searched
    events = trained.workdir / "events" / "search"
    sessions = [path for path in events.iterdir() if path.is_dir()]
    rows = json.loads((folder / "candidates.json").read_text())
    assert {path.name for path in sessions} >= {row["subnet"] for row in rows[-3:]}
    (log,) = sessions[0].glob("events*")
    statuses = [
        parse_session_end_info_plugin_data(value.metadata.plugin_data.content).status
        for record in tf.data.TFRecordDataset(str(log))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
        if value.tag == "_hparams_/session_end_info"
    ]
    assert statuses == [api_pb2.STATUS_SUCCESS]
    assert {path.stem for path in folder.glob("*.png")} >= {"pareto_params", "spread"}


def test_a_part_of_the_space_can_be_searched_and_another_space_cannot(trained, searched):
    budget = "--budget=params<=9k,macs>=1"
    part = run_program(
        "search",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        budget,
        "--space=[2,2,2]",
    )
    (row,) = part.result["budgets"]
    assert SubnetSpec.parse(row["subnet"]).depths == (2, 2, 2, 2)
    better = searched[0]["budgets"][1]["mAP"] > row["mAP"]
    assert ("an earlier search found" in part.stderr) == better
    done = run_program(
        "search",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--budget=params<=9k",
        "--space=[X,2,2]",
    )
    assert done.code == 1
    assert "were not trained" in done.stderr.splitlines()[-1]


def test_evolution_proposes_within_the_budget(trained):
    result = search(
        trained,
        "--budget=params<=9k",
        "--algorithm=evolutionary",
        "--population=4",
        "--generations=2",
    )["budgets"][0]

    assert result["params"] <= 9_000
    assert result["candidates"] == 8
    assert result["gap"] >= 0
    assert (trained.workdir / "search" / "optuna.db").exists()


def test_a_killed_search_loses_at_most_the_walk_that_it_was_in(trained):
    store = trained.workdir / "search" / "validation.jsonl"
    store.unlink(missing_ok=True)
    flags = f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"
    flags += "--budget=params<=9k", "--subnets_per_walk=2"
    killed = subprocess.Popen(
        program("search", *flags), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while killed.poll() is None and len(whole_lines(store)) < 2:
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    kept = whole_lines(store)
    result = search(trained, *flags[2:])

    lines = whole_lines(store)
    assert lines[: len(kept)] == kept
    subnets = [json.loads(line)["subnet"] for line in lines]
    assert 2 <= len(kept) < len(subnets)
    assert len(subnets) == len(set(subnets)) >= result["budgets"][0]["in_budget"]


def whole_lines(store: Path) -> list[str]:
    """The evaluations in a store, without one that a kill cut short."""
    if not store.exists():
        return []
    return [line for line in store.read_text().splitlines() if line.endswith("}}")]


def test_a_latency_budget_needs_a_table_of_this_network_and_then_holds(trained, tmp_path):
    table = tmp_path / "table.json"
    arguments = f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"
    without = run_program("search", *arguments, "--budget=latency_ms<=1")
    assert without.code == 1
    assert "--latency_table" in without.stderr.splitlines()[-1]
    profiled = run_program(
        "profile_device",
        f"--workdir={trained.workdir}",
        f"--out={table}",
        "--repetitions=1",
        "--check_subnets=0",
    )
    assert profiled.code == 0, profiled.stderr
    result = search(trained, "--budget=latency_ms<=1k,params<=9k", f"--latency_table={table}")
    (row,) = result["budgets"]
    assert 0 < row["latency_ms"] <= 1000
    assert set(result["pareto"]) == {"params", "macs", "latency_ms"}
