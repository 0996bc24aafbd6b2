"""Training on several devices and hosts, by the programs' flags."""

import re
import shutil
import signal

import pytest

from tests.pipelines.conftest import reached
from tests.programs import Running, run_program
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


def start_workers(trained, workdir, *others: str) -> list[Running]:
    """Two workers; the second gets `others` besides."""
    arguments = [*flags(trained), f"--workdir={workdir}", "--strategy=multiworker"]
    return [
        Running("pipelines.train", own, environment)
        for own, environment in zip([arguments, [*arguments, *others]], cluster(2), strict=True)
    ]


def start_at(trained, workdir, step: int) -> list[Running]:
    """Two workers that have written the checkpoint of `step` or a later one."""
    workers = start_workers(trained, workdir)
    workers[0].wait_until(lambda: reached(workdir / "checkpoints" / "supernet", step))
    return workers


def test_when_a_worker_is_killed_the_other_ends_and_a_restart_of_both_resumes(trained, workdir):
    checkpoints = workdir / "checkpoints" / "supernet"
    for at, victim in ((2, 1), (6, 0)):
        workers = start_at(trained, workdir, at)
        workers[victim].send(signal.SIGKILL)
        other = workers[1 - victim].finished(timeout_secs=60)
        assert other.code == 1
        # TensorFlow may log that its own connections broke after that.
        assert "start all workers again with the same commands" in other.stderr
        workers[victim].finished()
    assert not reached(checkpoints, STEPS)

    chief, other = (worker.finished() for worker in start_workers(trained, workdir))
    assert re.search(rf"supernet goes on after step \d+ of {STEPS}", chief.stderr)
    assert reached(checkpoints, STEPS)
    # The chief alone evaluates and writes.
    result = chief.result["stages"]["supernet"]
    assert 0 <= result["validation_mAP/largest"] <= 1
    assert other.result["stages"]["supernet"].keys() == {"seconds"}


def test_a_sigterm_to_one_worker_ends_all_after_the_same_step(trained, workdir):
    workers = start_at(trained, workdir, 2)
    workers[1].send(signal.SIGTERM)

    codes = [worker.finished(timeout_secs=60).code for worker in workers]
    assert codes == [128 + signal.SIGTERM] * 2
    assert reached(workdir / "checkpoints" / "supernet", 3)
    assert not reached(workdir / "checkpoints" / "supernet", STEPS)


def test_workers_that_were_started_with_different_flags_are_told(trained, workdir):
    workers = start_workers(trained, workdir, "--learning_rate=0.1")
    ends = [worker.finished() for worker in workers]

    assert [end.code for end in ends] == [1, 1]
    assert all("started with the same settings" in end.stderr.splitlines()[-1] for end in ends)
    assert not reached(workdir / "checkpoints" / "supernet", 0)


def test_the_cpu_can_be_seen_as_several_devices_and_the_teacher_be_online(trained, workdir):
    shutil.rmtree(workdir / "soft_labels")
    arguments = [*flags(trained), f"--workdir={workdir}", "--subnets_per_step=1"]
    devices = ("--strategy=mirrored", "--logical_cpus=2")
    result = run_program("train", *arguments, *devices, "--distill_from=online").result

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
