"""The whole graph on tiny synthetic scenes: finished, resumed, planned, and refused."""

import hashlib
import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.scoring import evaluate_file
from tests.conftest import ROOT
from tests.pipelines.conftest import reached
from tests.programs import Running, run_program
from tests.shared import made_once
from tfrecords.records import open_records

MAIN = "seed0/2-2-X"
JOBS = 15


@dataclass(frozen=True)
class Made:
    """A finished reproduction."""

    folder: Path
    result: dict[str, Any]
    log: str


TINY = (ROOT / "pipelines" / "configs" / "tiny.flags").read_text("utf-8").splitlines()
# Of `tiny.flags`, whose whole graph is a step of .ci/run, one seed and one of the four spaces.
SMALL = [line for line in TINY if line.startswith("--") and not line.startswith("--space=")]


def flags(folder: Path, *others: str) -> list[str]:
    places = [f"--workdir={folder / 'run'}", f"--data_dir={folder / 'data'}"]
    return [*SMALL, *places, "--space=[2,2,X]", "--seeds=1", *others]


def make(folder: Path) -> Made:
    done = run_program("reproduce", *flags(folder))
    return Made(folder, done.result, done.stderr)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return made_once(tmp_path_factory, "reproduction", make)


def digests(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def networks(folder: Path) -> dict[str, Any]:
    """What every job has found, by its name."""
    paths = (folder / "run" / "reproduction" / "stages").glob("*.json")
    return {path.stem: json.loads(path.read_text())["result"]["networks"] for path in paths}


def test_every_job_is_done_and_every_cell_is_full(made):
    assert made.result["missing"] == []
    assert len(made.result["done"]) == JOBS
    tables = made.result["tables"]
    assert [row["model"] for row in tables["table_1"]].count("OFA") == 2
    for row in tables["table_1"]:
        assert row["seeds"] == 1
        assert 0 < row["mAP %"] < 100
        assert row["paper mAP %"] > 20
    for row in tables["table_2"]:
        assert None not in [row[name] for name in ("OFA", "+2", "+4", "Init+4", "paper OFA")]
    for row in tables["comparison"]:
        assert row["OFA / KD"] > 0


def test_tables_and_figures_are_written(made):
    folder = made.folder / "run" / "reproduction"
    for name in ("table_1", "table_2", "comparison", "roads", "totals"):
        text = (folder / f"{name}.md").read_text()
        assert text.startswith("|")
        assert "Not done yet" not in text
        assert (folder / f"{name}.csv").read_text().count("\n") > 2
        assert json.loads((folder / f"{name}.json").read_text())["missing"] == []
    for name in ("figure_3", "figure_4", "roads"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.svg").stat().st_size > 5000
    svg = (folder / "figure_3.svg").read_text()
    lines = ("OFA [2,2,X]", "KD", "scratch")
    assert all(f"<!-- {name}, 1 seed -->" in svg for name in lines)
    rows = json.loads((folder / "roads.json").read_text())["rows"]
    assert [row["budgets"] for row in rows] == list(range(1, 41))
    assert all(row["seconds, ratio"] > 0 for row in rows)


def test_scores_are_those_of_the_recalibrated_networks(made):
    records = open_records(made.folder / "data")
    workdir, found = made.folder / "run" / MAIN, networks(made.folder)
    experiment = Experiment.open(workdir, records)

    for winner in found["seed0.2-2-X.ofa"]:
        scored = experiment.evaluate(winner["subnet"]).metrics.mAP
        assert scored == pytest.approx(winner["evaluation"], abs=0.02)
    for name in ("kd-0.4-4", "scratch-0.8-4", "tuned-params_max_6k-4"):
        kept = json.loads(
            (made.folder / "run/reproduction/stages" / f"seed0.2-2-X.{name}.json").read_text()
        )
        (network,) = kept["result"]["networks"]
        objective = "labels" if "scratch" in name else "distill"
        init = "supernet" if "tuned" in name else "random"
        stage = f"subnet-{network['subnet']}-{objective}-{init}-4"
        scored = evaluate_file(workdir / "subnets" / f"{stage}.keras", records).metrics.mAP
        assert scored == pytest.approx(network["evaluation"], abs=0.02)


def test_fine_tuning_and_random_weights_have_the_searched_architecture(made):
    found = networks(made.folder)
    for winner, folder in zip(
        found["seed0.2-2-X.ofa"], ("params_max_6k", "params_8k_pm_2k"), strict=True
    ):
        for arm in (f"tuned-{folder}-2", f"tuned-{folder}-4", f"init-{folder}-4"):
            (network,) = found[f"seed0.2-2-X.{arm}"]
            assert network["subnet"] == winner["subnet"]


def test_the_second_start_has_nothing_to_do(made):
    before = networks(made.folder)

    done = run_program("reproduce", *flags(made.folder))

    assert networks(made.folder) == before
    assert done.stderr.count(" is done") == JOBS
    assert done.result["tables"] == made.result["tables"]


def test_a_subset_of_arms_shows_what_is_there(made):
    done = run_program("reproduce", *flags(made.folder, "--arms=kd"))

    models = [row["model"] for row in done.result["tables"]["table_1"]]
    assert models == ["teacher", "KD", "KD"]
    run_program("reproduce", *flags(made.folder))  # the files of all arms again


def test_a_dry_run_writes_nothing_and_tells_every_job(made, tmp_path):
    before = digests(made.folder)
    done = run_program("reproduce", *flags(made.folder, "--dry_run"))
    assert set(done.result["jobs"].values()) == {"done"}
    assert done.result["seconds"] == {}
    assert digests(made.folder) == before

    few = ("--arms=ofa", "--ablation_seeds=0", "--dry_run")
    planned = run_program("reproduce", *flags(tmp_path, *few)).result
    assert list(tmp_path.iterdir()) == []
    assert set(planned["jobs"].values()) == {"would run"}
    assert set(planned["seconds"]) == {*planned["jobs"], "prepare"}
    assert all(secs >= 0 for secs in planned["seconds"].values())
    assert planned["seconds"]["seed0.2-2-X.supernet"] > 0
    assert planned["needs"]["seed0.2-2-X.ofa"] == ["seed0.2-2-X.supernet"]


def test_killed_and_resumed_it_finds_the_same(made, tmp_path):
    shutil.copytree(made.folder / "data", tmp_path / "data")
    asked = flags(tmp_path, "--arms=ofa", "--ablation_seeds=0")
    running = Running("pipelines.reproduce", asked)
    folder = tmp_path / "run" / MAIN / "checkpoints" / "supernet"
    running.wait_until(lambda: reached(folder, 2))
    running.send(signal.SIGKILL)
    assert running.finished().code == -signal.SIGKILL

    done = run_program("reproduce", *asked)

    assert done.result["missing"] == []
    found, uninterrupted = networks(tmp_path), networks(made.folder)
    assert "seed0.2-2-X.ofa" in found
    assert found == {name: uninterrupted[name] for name in found}
    assert not list((tmp_path / "run" / "reproduction" / "unfinished").iterdir())


@pytest.mark.parametrize("others", [(), ("--dry_run",)])
def test_other_settings_of_a_job_that_is_done_are_refused_before_the_first_job(made, others):
    done = run_program("reproduce", *flags(made.folder, "--supernet_steps=5", *others))

    assert done.code == 1
    assert " is done" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: stage supernet in ")
    assert "--supernet_steps was 4, now 5" in last


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (
            "--arms=ofa,kdd",
            "--arms are some of scratch, kd, ofa, exact, tuned, init, received ofa, kdd",
        ),
        ("--fixed_ratios=0.4,half", "--fixed_ratios takes numbers, received ['0.4', 'half']"),
        (
            "--fixed_ratios=0.5",
            "--fixed_ratios are different width ratios of the first space [2,2,X]",
        ),
        ("--tune_steps=1.5", "--tune_steps takes whole numbers, received ['1.5']"),
        ("--tune_steps=0", "--tune_steps are different numbers of at least 1, received [0]"),
        ("--space=[3,3]", "--space: unknown search space '[3,3]'"),
        ("--space=[2,2,X]", "spaces are one or more, with a name each"),
        ("--budget=params<=10", "--budget: no subnet of the space meets the budget 'params<=10'"),
        ("--budget=foo", "--budget: "),
        ("--seeds=0", "flag --seeds=0: "),
        ("--noise_source=/none", "--noise_source is a folder of sound files"),
        ("--strategy=multiworker", "a reproduction runs its jobs on one host"),
        (
            "--evaluation_clips=0",
            "tables are of the evaluation split, and there are no evaluation clips",
        ),
        ("--validation_clips=0", "search ranks subnets on validation clips"),
    ],
)
def test_wrong_flags_get_one_clear_sentence(flag, expected, tmp_path):
    done = run_program("reproduce", *flags(tmp_path, flag))

    assert done.code == 1
    assert done.stdout == ""
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"error: {expected}")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def another_supernet(made, tmp_path_factory) -> dict[str, Any]:
    """What is found with seed 1 after seed 0 was trained with a supernet of other steps."""
    folder = tmp_path_factory.mktemp("another")
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    few = ("--arms=kd,ofa", "--ablation_seeds=0")
    # Synthetic clips depend on the seed: the layout of a folder takes those that are there.
    other = ("--dataset=folder", "--seed=1", "--supernet_steps=3", *few)
    return run_program("reproduce", *flags(folder, *other)).result["tables"]


def test_seeds_count_only_if_all_that_they_follow_was_made_alike(another_supernet):
    seeds = {(row["model"], row["size"]): row["seeds"] for row in another_supernet["table_1"]}

    assert {count for (model, _), count in seeds.items() if model == "OFA"} == {1}
    assert {count for (model, _), count in seeds.items() if model != "OFA"} == {2}


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("text")

    done = run_program("reproduce", *flags(tmp_path))

    assert done.code == 1
    assert "did not write (thesis.tex)" in done.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]
