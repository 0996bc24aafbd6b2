"""Means over runs, from what a real run leaves."""

import json
import shutil

import pytest

from tests.pipelines.conftest import changed
from tests.programs import run_program


@pytest.fixture
def other(trained, tmp_path):
    """A second run: what the first one found, with the mAP on the evaluation split moved."""
    workdir = tmp_path / "other"
    for name in ("stages/convert.json", "search/result.json"):
        (workdir / name).parent.mkdir(parents=True)
        shutil.copy(trained.workdir / name, workdir / name)
    with changed(workdir / "search" / "result.json") as found:
        for row in found["budgets"]:
            row["evaluation"]["mAP"] += 0.25
    with changed(workdir / "stages" / "convert.json") as record:
        for row in record["result"]["files"]:
            row["mAP"] += 0.25
    return workdir


def test_a_mean_stands_beside_what_it_is_of(trained, other, tmp_path):
    done = run_program("average", trained.workdir, other, f"--out={tmp_path / 'mean.json'}")
    stages = trained.result["stages"]

    assert json.loads((tmp_path / "mean.json").read_text()) == done.result
    largest, *winners = done.result["networks"]
    assert largest["network"] == "largest"
    assert largest["mAP"] == pytest.approx(stages["search"]["largest"]["evaluation"]["mAP"])
    for row, budget in zip(winners, stages["search"]["budgets"], strict=True):
        first = budget["evaluation"]["mAP"]
        assert row["network"] == budget["budget"]
        assert row["params"] == budget["params"]
        assert row["mAP"] == pytest.approx(first + 0.125)
        assert row["by_run"]["mAP"] == pytest.approx([first, first + 0.25])
    files = {row["file"]: row for row in done.result["files"]}
    assert len(files) == len(stages["convert"]["files"]) == 8
    for file in stages["convert"]["files"]:
        row = files["/".join(file["file"].split("/")[-2:])]
        assert row["bytes"] == file["bytes"]
        assert row["mAP"] == pytest.approx(file["mAP"] + 0.125)
        assert row["map_drop"] == pytest.approx(file["map_drop"])
    assert "| params<=8k " in done.stderr


def test_runs_of_other_budgets_are_not_averaged(trained, other):
    with changed(other / "search" / "result.json") as found:
        found["budgets"][0]["budget"] = "params<=9k"
    done = run_program("average", trained.workdir, other)

    assert done.code == 1
    assert "not runs of one experiment" in done.stderr
    assert "params<=8k, params<=9k" in done.stderr


def test_an_unfinished_run_is_named(trained, tmp_path):
    done = run_program("average", trained.workdir, tmp_path)

    assert done.code == 1
    assert f"there is no search result in {tmp_path}" in done.stderr
    assert run_program("average").code == 1
