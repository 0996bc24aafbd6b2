"""`python -m pipelines.search` on a trained supernet."""

import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.metadata import (
    parse_session_end_info_plugin_data,
    parse_session_start_info_plugin_data,
)

from aec_ofa_tf.dataset import VALIDATION
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.models.cnn10 import blocks_of, cnn10_space, parse_subnet
from aec_ofa_tf.reporting.sessions import MOST_SESSIONS
from aec_ofa_tf.training.evaluation import all_labels
from aec_ofa_tf.training.run import Sizes
from aec_ofa_tf.workdir import Workdir
from tests.programs import Running, run_program, run_without_tensorflow
from tests.reporting.events import logged
from tfrecords.records import open_records


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
    points = [(row["params"], row["validation_mAP"]) for row in front]
    assert points == sorted(points)
    for row in json.loads((folder / "candidates.json").read_text()):
        cost, score = row["params"], row["validation_mAP"]
        assert (cost, score) in points or any(c <= cost and s >= score for c, s in points)


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
    assert len(sessions) == MOST_SESSIONS < len(rows)
    row = next(row for row in rows if row["budget"] == "params<=8k")  # the best
    found = logged(events / row["subnet"])
    end = parse_session_end_info_plugin_data(found["_hparams_/session_end_info"])
    start = parse_session_start_info_plugin_data(found["_hparams_/session_start_info"])
    assert end.status == api_pb2.STATUS_SUCCESS
    spec = parse_subnet(row["subnet"])
    chosen = {name: value.number_value for name, value in start.hparams.items()}
    for number, widths in enumerate(blocks_of(spec), start=1):
        assert chosen[f"block{number}_depth"] == len(widths)
        assert chosen[f"block{number}_width1"] == widths[0]
    for name in ("params", "macs", "arena_bytes", "tflite_bytes_int8"):
        assert found[f"subnet/{name}"] == row[name]
    assert found["subnet/mAP"] == pytest.approx(row["validation_mAP"])
    pictures = {path.stem: path for path in folder.glob("*.png")}
    assert set(pictures) == {"pareto_params", "pareto_macs", "spread", "sensitivity"}
    images = logged(events)
    for name, path in pictures.items():
        front = name.removeprefix("pareto_")
        logged_as = f"search/{name}" if front == name else f"front/{front}"
        image = tf.io.decode_png(images[logged_as][2], channels=3)
        assert (image == tf.io.decode_png(path.read_bytes(), channels=3)).numpy().all()


def test_precision_and_recall_of_the_winners_are_those_of_their_scores(searched, trained):
    result, _ = searched
    run = Experiment.open(trained.workdir, open_records(trained.data_dir)).run
    subnet = result["budgets"][0]["subnet"]
    evaluator = run.evaluator(run.load_supernet(), Sizes(8, 16))
    batches = run.batches(VALIDATION, 8)
    scores = evaluator.scores(subnet, evaluator.recalibrate(subnet), batches).ravel()
    labels = all_labels(batches).ravel() > 0

    found = logged(trained.workdir / "events" / "search" / subnet)
    curve = found["precision_recall/all_classes/pr_curves"]
    for place in (10, 30, 50):  # of 101 thresholds
        chosen = scores >= place / 100
        assert curve[4, place] == pytest.approx(labels[chosen].mean(), abs=0.02)
        assert curve[5, place] == pytest.approx(chosen[labels].mean(), abs=0.02)
    names = {name.split("/")[1] for name in found if name.startswith("precision_recall/")}
    assert names - {"all_classes"} <= set(open_records(trained.data_dir).labels)
    assert len(names) > 5


def test_an_impossible_budget_is_answered_without_tensorflow(trained):
    flags = f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"
    done = run_without_tensorflow("search", *flags, "--budget=params<=1k")
    assert done.code == 1
    assert "the nearest are 4x2-" in done.stderr.splitlines()[-1]


def test_a_storage_that_cannot_be_opened_is_refused_before_anything_is_scored(trained):
    flags = f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"
    done = run_program(
        "search", *flags, "--budget=params<=9k", "--algorithm=evolutionary", "--storage=nonsense"
    )
    assert done.code == 1
    assert "--storage cannot be opened" in done.stderr.splitlines()[-1]


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
    assert parse_subnet(row["subnet"]).choices.count((0,)) == 0
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


def test_a_search_that_is_run_again_writes_the_same_result(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir, ignore=shutil.ignore_patterns("search"))
    places = (f"--workdir={workdir}", f"--data_dir={trained.data_dir}", "--budget=params<=8k")
    assert run_program("search", *places).code == 0
    first = (workdir / "search" / "result.json").read_bytes()
    assert run_program("search", *places).code == 0
    assert (workdir / "search" / "result.json").read_bytes() == first


def test_a_killed_search_loses_at_most_the_walk_that_it_was_in(trained, searched):
    store = trained.workdir / "search" / "validation.jsonl"
    store.unlink(missing_ok=True)
    flags = f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"
    flags += "--budget=params<=8k", "--subnets_per_walk=2", "--search_memory_mib=1"
    killed = Running("pipelines.search", flags)
    killed.wait_until(lambda: len(whole_lines(store)) >= 2)
    killed.send(signal.SIGKILL)
    assert killed.finished().code == -signal.SIGKILL
    kept = whole_lines(store)
    result = search(trained, *flags[2:])

    lines = whole_lines(store)
    assert lines[: len(kept)] == kept
    subnets = [json.loads(line)["subnet"] for line in lines]
    assert 2 <= len(kept) < len(subnets)
    assert len(subnets) == len(set(subnets)) >= result["budgets"][0]["in_budget"]
    # Clips that are read again for every walk of few subnets give what those in memory gave.
    (row,), (unbroken, _) = result["budgets"], searched[0]["budgets"]
    assert row["subnet"] == unbroken["subnet"]
    assert row["mAP"] == pytest.approx(unbroken["mAP"], abs=1e-3)


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
    once = ("--repetitions=1", "--check_subnets=0", f"--out={table}")
    profiled = run_program("profile_device", f"--workdir={trained.workdir}", *once)
    assert profiled.code == 0, profiled.stderr
    result = search(trained, "--budget=latency_ms<=1k,params<=9k", f"--latency_table={table}")
    (row,) = result["budgets"]
    assert 0 < row["latency_ms"] <= 1000
    assert set(result["pareto"]) == {"params", "macs", "latency_ms"}
    content = json.loads(table.read_text())
    assert row["latency_device"] == content["device"]

    # A table of a part of the space is enough to search that part.
    only = cnn10_space("[2,2,2]", 4, width_ratios=(0.4,)).largest
    network = Workdir(trained.workdir).space_and_network()[1]
    needed = [{"kind": row.kind, **dict(row.sizes)} for row in network.rows(only)]
    content["layers"] = [
        row for row in content["layers"] if {**row, "ms": 0} in ({**n, "ms": 0} for n in needed)
    ]
    table.write_text(json.dumps(content))
    part = "--space=[2,2,2]", "--width_ratios=0.4"
    result = search(trained, "--budget=latency_ms<=1k", f"--latency_table={table}", *part)
    assert result["budgets"][0]["subnet"] == str(only)
    assert "latency_ms" not in result["largest"]


def test_a_run_is_searched_whatever_characters_its_path_has(trained, tmp_path):
    workdir = tmp_path / "[2,2,X] what? 100%"
    shutil.copytree(trained.workdir, workdir)
    places = (f"--workdir={workdir}", f"--data_dir={trained.data_dir}")
    flags = ("--budget=params<=9k", "--algorithm=evolutionary", "--population=2")
    for _ in range(2):  # the second one opens the database of the first
        result = run_program("search", *places, *flags, "--generations=1").result
        assert result["budgets"][0]["params"] <= 9000
    assert (workdir / "search" / "optuna.db").is_file()
    assert not [path for path in tmp_path.iterdir() if path != workdir]
