"""Training on several devices and hosts, by the programs' flags."""

import json
import shutil
import signal
import subprocess
import time

import pytest

from tests.pipelines.conftest import ROOT, program, reached, run_program
from tests.training.test_devices import cluster

STEPS = 40
FLAGS = (
    "--stages=supernet",
    "--largest_steps=0",
    f"--supernet_steps={STEPS}",
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


def start_at(trained, workdir, step: int) -> list[subprocess.Popen]:
    """Two workers that have written the checkpoint of `step` or a later one."""
    workers = start_workers(trained, workdir)
    while workers[0].poll() is None and not reached(workdir / "checkpoints" / "supernet", step):
        time.sleep(0.02)
    return workers


def test_when_a_worker_is_killed_the_other_ends_and_a_restart_of_both_resumes(trained, workdir):
    checkpoints = workdir / "checkpoints" / "supernet"
    for at, victim in ((2, 1), (6, 0)):
        workers = start_at(trained, workdir, at)
        workers[victim].kill()
        _, message = workers[1 - victim].communicate(timeout=60)
        assert workers[1 - victim].returncode == 1
        # TensorFlow may log that its own connections broke after that.
        assert "start all workers again with the same commands" in message
        workers[victim].communicate()
    assert not reached(checkpoints, STEPS)

    chief, other = start_workers(trained, workdir)
    (answer, progress), (others_answer, _) = chief.communicate(), other.communicate()
    assert (chief.returncode, other.returncode) == (0, 0)
    assert f"| 0/{STEPS} [" not in progress
    assert reached(checkpoints, STEPS)
    # The chief alone evaluates and writes.
    result = json.loads(answer.splitlines()[-1])["stages"]["supernet"]
    assert 0 <= result["validation_mAP/largest"] <= 1
    assert json.loads(others_answer.splitlines()[-1])["stages"]["supernet"].keys() == {"seconds"}


def test_a_sigterm_to_one_worker_ends_all_after_the_same_step(trained, workdir):
    workers = start_at(trained, workdir, 2)
    workers[1].terminate()
    for worker in workers:
        worker.communicate(timeout=60)

    assert [worker.returncode for worker in workers] == [128 + signal.SIGTERM] * 2
    assert reached(workdir / "checkpoints" / "supernet", 3)
    assert not reached(workdir / "checkpoints" / "supernet", STEPS)


def test_workers_that_were_started_with_different_flags_are_told(trained, workdir):
    workers = start_workers(trained, workdir, "--learning_rate=0.1")
    messages = [worker.communicate()[1].splitlines()[-1] for worker in workers]

    assert [worker.returncode for worker in workers] == [1, 1]
    assert all("started with the same settings" in message for message in messages)
    assert not reached(workdir / "checkpoints" / "supernet", 0)


def test_the_cpu_can_be_seen_as_several_devices(trained, workdir):
    arguments = [*flags(trained), f"--workdir={workdir}", "--strategy=mirrored"]
    result = run_program("train", *arguments, "--logical_cpus=2").result

    assert 0 <= result["stages"]["supernet"]["validation_mAP/largest"] <= 1
    assert reached(workdir / "checkpoints" / "supernet", STEPS)


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
