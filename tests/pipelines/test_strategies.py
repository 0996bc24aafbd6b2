"""Training on several devices and hosts, by the programs' flags."""

import json
import shutil
import subprocess
import time

import pytest

from tests.pipelines.conftest import ROOT, program, reached, run_program
from tests.training.test_devices import cluster

FLAGS = (
    "--stages=supernet",
    "--largest_steps=0",
    "--supernet_steps=12",
    "--subnets_per_step=2",
    "--checkpoint_every=2",
)


def flags(trained) -> list[str]:
    return [*(f for f in trained.flags if not f.startswith("--workdir")), *FLAGS]


@pytest.fixture
def workdir(trained, tmp_path):
    """A copy of the finished experiment whose supernet is still to be trained."""
    path = tmp_path / "run"
    shutil.copytree(trained.workdir, path)
    shutil.rmtree(path / "checkpoints" / "supernet")
    (path / "stages" / "supernet.json").unlink()
    return path


def start_workers(trained, workdir, *others: str) -> list[subprocess.Popen]:
    """Two workers; the second gets `others` besides."""
    command = program("train", *flags(trained), f"--workdir={workdir}", "--strategy=multiworker")
    commands = [command, [*command, *others]]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen(one, cwd=ROOT, env=environment, **pipes)
        for one, environment in zip(commands, cluster(2), strict=True)
    ]


def test_when_a_worker_is_killed_the_other_ends_and_a_restart_of_both_resumes(trained, workdir):
    chief, other = start_workers(trained, workdir)
    checkpoints = workdir / "checkpoints" / "supernet"
    while chief.poll() is None and not reached(checkpoints, 2):
        time.sleep(0.02)
    other.kill()
    _, message = chief.communicate(timeout=60)
    assert chief.returncode == 1
    assert "start all workers again with the same commands" in message.splitlines()[-1]
    assert not reached(checkpoints, 12)
    other.communicate()

    chief, other = start_workers(trained, workdir)
    (answer, progress), (others_answer, _) = chief.communicate(), other.communicate()
    assert (chief.returncode, other.returncode) == (0, 0)
    assert "| 0/12 [" not in progress
    assert reached(checkpoints, 12)
    # The chief alone evaluates and writes.
    result = json.loads(answer.splitlines()[-1])["stages"]["supernet"]
    assert 0 <= result["validation_mAP/largest"] <= 1
    assert json.loads(others_answer.splitlines()[-1])["stages"]["supernet"].keys() == {"seconds"}


def test_workers_that_were_started_with_different_flags_are_told(trained, workdir):
    workers = start_workers(trained, workdir, "--learning_rate=0.1")
    messages = [worker.communicate()[1].splitlines()[-1] for worker in workers]

    assert [worker.returncode for worker in workers] == [1, 1]
    assert all("started with the same flags" in message for message in messages)
    assert not reached(workdir / "checkpoints" / "supernet", 0)


def test_the_cpu_can_be_seen_as_several_devices(trained, workdir):
    arguments = [*flags(trained), f"--workdir={workdir}", "--strategy=mirrored"]
    odd = run_program("train", *arguments, "--logical_cpus=3")
    assert odd.code == 1
    assert "make it a multiple" in odd.stderr.splitlines()[-1]
    result = run_program("train", *arguments, "--logical_cpus=2").result

    assert 0 <= result["stages"]["supernet"]["validation_mAP/largest"] <= 1
    assert reached(workdir / "checkpoints" / "supernet", 12)


def test_masks_in_place_distillation_and_the_sandwich_by_flags(trained, workdir):
    result = run_program(
        "train",
        *flags(trained),
        f"--workdir={workdir}",
        "--execution=masks",
        "--sampler=sandwich",
        "--distill_from=largest",
        "--gain_db=6",
        "--student_mixup",
    ).result

    assert 0 <= result["stages"]["supernet"]["validation_mAP/smallest"] <= 1


def test_an_online_teacher_by_flags(trained, workdir):
    shutil.rmtree(workdir / "soft_labels")
    result = run_program(
        "train", *flags(trained), f"--workdir={workdir}", "--distill_from=online"
    ).result

    assert 0 <= result["stages"]["supernet"]["validation_mAP/largest"] <= 1
