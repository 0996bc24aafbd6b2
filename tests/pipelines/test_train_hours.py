"""`train --train_hours`: the steps are chosen once, and stay. What was measured is injected."""

import re
import shutil
import signal

import pytest

from aec_ofa_tf.training.time_budget import MeasuredSecs, StepNumbers, TimePlan, write_plan
from tests.pipelines.conftest import TINY, reached
from tests.pipelines.test_dry_run import digests
from tests.programs import Running, run_program

_STEPS = re.compile(r"--(\w+_steps|(checkpoint|validate)_every)=")
TINY_BY_THE_CLOCK = [flag for flag in TINY if not _STEPS.match(flag)]
STEPS = StepNumbers(8, 4, 12, warmup_steps=2, validate_every=8, checkpoint_every=3)
PLAN = TimePlan(1.0, MeasuredSecs(0.1, 0.1, 0.2, {"search": 1.0}), STEPS)
STAGES = "--stages=prepare,teacher,soft_labels,supernet"


@pytest.fixture
def planned(trained, tmp_path):
    """Makes run directories that have a plan, and no step yet; each with its flags."""

    def make(name):
        workdir = tmp_path / name
        shutil.copytree(trained.workdir, workdir)
        for place in ("stages", "checkpoints", "events", "soft_labels", "search", "export"):
            shutil.rmtree(workdir / place)
        (workdir / "flags.txt").unlink()
        write_plan(workdir, PLAN)
        flags = [*TINY_BY_THE_CLOCK, f"--data_dir={trained.data_dir}", f"--workdir={workdir}"]
        return workdir, [*flags, "--train_hours=1", "--recipe=paper"]

    return make


def test_a_killed_run_goes_on_with_its_numbers(planned):
    workdir, flags = planned("killed")
    process = Running("pipelines.train", [*flags, STAGES])
    folder = workdir / "checkpoints" / "supernet"
    process.wait_until(lambda: reached(folder, 3))
    process.send(signal.SIGKILL)
    killed = process.finished()
    assert "teacher 8 steps of 0.1 s" in killed.stderr
    assert not reached(folder, 16)
    last = max(int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.index"))

    done = run_program("train", *flags, STAGES)

    assert done.code == 0, done.stderr[-2000:]
    assert f"supernet goes on after step {last} of 16" in done.stderr
    assert reached(folder, 16)
    assert not reached(folder, 17)


def test_a_run_that_has_begun_keeps_its_numbers_in_its_flags_and_refuses_others(planned):
    workdir, flags = planned("run")
    numbers = {"--teacher_steps=8", "--largest_steps=4", "--supernet_steps=12", "--warmup_steps=2"}
    for stage in ("teacher", "soft_labels"):  # one that is trained, and another
        assert run_program("train", *flags, f"--stages={stage}").code == 0
        kept = (workdir / "flags.txt").read_text().splitlines()
        assert numbers <= set(kept)
        assert not [line for line in kept if "train_hours" in line]
    # The flagfile of the run goes on with it, and so does the command.
    again = run_program("train", f"--flagfile={workdir}/flags.txt", "--stages=soft_labels")
    assert again.code == 0, again.stderr[-2000:]

    before = digests(workdir)
    for dry in ([], ["--dry_run"]):
        done = run_program("train", *flags, "--stages=teacher", "--train_hours=2", *dry)
        assert done.code == 1
        assert "begun with --train_hours=1, now --train_hours=2" in done.stderr.splitlines()[-1]
    done = run_program("train", *flags, "--stages=teacher,supernet", "--dry_run")
    assert done.result["steps"]["supernet"] == 12
    assert done.result["stages"]["teacher"] == "done"
    assert digests(workdir) == before


def test_a_dry_run_of_nothing_yet_divides_the_hours_and_writes_nothing(tmp_path):
    places = f"--workdir={tmp_path}/run", f"--data_dir={tmp_path}/data"

    done = run_program("train", *TINY_BY_THE_CLOCK, *places, "--train_hours=1", "--dry_run")

    assert list(tmp_path.iterdir()) == []
    steps, secs = done.result["steps"], done.result["seconds"]
    assert min(steps["teacher"], steps["supernet"]) >= 100
    assert 0 < sum(secs.values()) <= 3600
    assert {"teacher", "supernet", "search", "convert"} <= secs.keys()
    assert "1 h, by a few measured steps:" in done.stderr


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--teacher_steps=5"], "leave out --teacher_steps, or count steps with --train_hours=0"),
        (["--largest_steps=5"], "leave out --largest_steps"),
        (["--train_hours=-1"], "--train_hours"),
        (["--strategy=multiworker"], "cannot measure a cluster"),
        (["--train_hours=0.0001"], "are too few: what is measured here needs at least --train_ho"),
    ],
)
def test_hours_that_cannot_be(trained, tmp_path, flags, expected):
    places = f"--workdir={tmp_path}/run", f"--data_dir={trained.data_dir}"

    done = run_program("train", *TINY_BY_THE_CLOCK, *places, "--train_hours=1", *flags)

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "plan.json").exists()


def test_the_recipe_is_for_hours_and_flags_go_before_it(tmp_path):
    places = f"--workdir={tmp_path}/run", f"--data_dir={tmp_path}/data"
    synthetic = [*places, "--dataset=synthetic", "--clip_secs=2.4", "--budget=params<=99k"]
    parsed = {
        name: run_recipe(*synthetic, *flags)
        for name, flags in {
            "hours": ["--train_hours=1", "--batch_size=8"],
            "steps": ["--teacher_steps=9"],
            "both": ["--recipe=small_data", "--teacher_steps=9", "--base_channels=8"],
        }.items()
    }
    hours, steps, both = parsed["hours"], parsed["steps"], parsed["both"]
    assert (hours["batch_size"], hours["mixup_domain"], hours["crop_secs"]) == (8, "power", 1.2)
    assert (hours["base_channels"], hours["supernet_init"]) == (16, "teacher")
    assert (hours["student_mixup"], hours["block_dropout"]) == (True, 0.0)
    # The paper's defaults are as they were.
    assert (steps["batch_size"], steps["mixup_domain"], steps["crop_secs"]) == (64, "log_mel", 0.0)
    assert (steps["base_channels"], steps["supernet_init"]) == (64, "random")
    assert (both["base_channels"], both["teacher_steps"], both["batch_size"]) == (8, 9, 32)


def run_recipe(*flags):
    """The values of some flags after a command line was read."""
    return Running("tests.recipe_flags", flags).finished().result
