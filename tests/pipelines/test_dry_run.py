"""A dry run tells what would happen, and leaves nothing behind."""

import hashlib
import shutil

import pytest

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


def digests(*folders):
    """SHA-256 of every file by its path."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_of_a_finished_run_has_nothing_to_train(trained):
    before = digests(trained.workdir, trained.data_dir)

    result = run_program("train", *trained.flags, "--dry_run").result

    assert [result["stages"][name] for name in STAGES[:4]] == ["done"] * 4
    assert result["stages"]["convert"] == "would run; what is there already is used again"
    assert result["seconds"] == {}
    assert set(result["bytes"]) == {"records", "export"}
    assert digests(trained.workdir, trained.data_dir) == before


def test_a_half_done_run_is_as_before_and_can_be_trained_on(trained, tmp_path):
    workdir, data_dir = tmp_path / "run", tmp_path / "data"
    shutil.copytree(trained.workdir, workdir)
    shutil.copytree(trained.data_dir, data_dir)
    for place in ("search", "export", "checkpoints/supernet"):
        shutil.rmtree(workdir / place)
    for stage in ("supernet", "convert"):
        (workdir / "stages" / f"{stage}.json").unlink()
    next(data_dir.glob("train-*.tfrecord")).unlink()
    flags = [*TINY, f"--workdir={workdir}", f"--data_dir={data_dir}"]
    before = digests(workdir, data_dir)

    result = run_program("train", *flags, "--dry_run").result

    assert digests(workdir, data_dir) == before
    assert result["stages"]["teacher"] == "done"
    assert result["stages"]["supernet"] == "would run"
    assert result["stages"]["prepare"] == "would run"  # a shard is missing
    assert set(result["seconds"]) == {"prepare", "supernet"}
    done = run_program("train", *flags, "--stages=prepare,supernet")
    assert done.result["stages"]["supernet"]["subnets"] == 128


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--supernet_steps=80"], "stage supernet in"),
        (["--clip_secs=1.0"], "was prepared with another configuration"),
        (["--embedding_dropout=0.4"], "belongs to another experiment"),
        (["--window_secs=0.32"], "belongs to another experiment"),
        (
            ["--window_secs=9"],
            "--window_secs is at most the length of a clip, 0.64 s, received 9 s",
        ),
        (["--budget=params<=1"], "--budget: no subnet of the space meets the budget 'params<=1'"),
    ],
)
def test_a_dry_run_refuses_what_a_run_refuses(trained, flags, expected):
    done = run_program("train", *trained.flags, *flags, "--dry_run")

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]


def test_a_dry_run_misses_the_stage_that_is_missing(trained, tmp_path):
    flags = [*TINY, f"--data_dir={trained.data_dir}", f"--workdir={tmp_path / 'new'}"]

    done = run_program("train", *flags, "--stages=supernet,search", "--dry_run")

    assert done.code == 1
    assert "stage soft_labels is not done in" in done.stderr.splitlines()[-1]
