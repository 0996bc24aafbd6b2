"""A dry run tells what would happen, and leaves nothing behind."""

from tests.pipelines.conftest import TINY
from tests.programs import run_program

STAGES = ("prepare", "teacher", "soft_labels", "supernet", "search", "convert")


def test_a_dry_run_of_nothing_yet_tells_all_and_writes_nothing(tmp_path):
    workdir, data_dir = tmp_path / "run", tmp_path / "data"

    done = run_program(
        "train", *TINY, f"--workdir={workdir}", f"--data_dir={data_dir}", "--dry_run"
    )

    result = done.result
    assert list(tmp_path.iterdir()) == []
    assert set(result["stages"]) == set(STAGES)
    assert all(text.startswith("would run") for text in result["stages"].values())
    assert all(result["seconds"][name] > 0 for name in ("prepare", "teacher", "supernet"))
    assert result["bytes"]["records"] > 0
    assert result["subnets"] == 128
    told = " ".join(done.stderr.split())
    assert "48 train, 24 validation, 24 evaluation clips of 0.64 s, 10 labels" in told
    assert "128 subnets; smallest" in told
    assert "params<=8k: met by" in told
    plan = done.stderr[done.stderr.index("  data") :]
    assert max(map(len, plan.splitlines())) <= 80


def test_a_dry_run_counts_what_is_left(trained):
    before = sorted(path for path in trained.workdir.rglob("*"))

    done = run_program("train", *trained.flags, "--dry_run", "--supernet_steps=80")

    assert done.code == 1  # as without --dry_run, other settings are refused
    done = run_program("train", *trained.flags, "--dry_run")
    assert done.result["stages"]["teacher"] == "done"
    assert done.result["stages"]["supernet"] == "done"
    assert done.result["seconds"] == {}
    assert sorted(path for path in trained.workdir.rglob("*")) == before


def test_a_dry_run_refuses_a_budget_that_cannot_be_met(tmp_path):
    places = [f"--workdir={tmp_path / 'run'}", f"--data_dir={tmp_path / 'data'}"]

    done = run_program("train", *TINY, *places, "--budget=params<=1", "--dry_run")

    assert done.code == 1
    assert "meets the budget 'params<=1'; the nearest are" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
