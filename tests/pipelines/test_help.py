"""Every program explains itself, in the documentation and by itself."""

import re

import pytest

from tests.programs import ROOT, run_program

FILES = sorted((ROOT / "pipelines").glob("*.py"))
PROGRAMS = [path.stem for path in FILES if "program.run(main" in path.read_text("utf-8")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_tells_its_flags_and_a_command(name):
    done = run_program(name, "--helpshort")

    told = done.stdout
    assert done.code == 0
    assert f"python -m pipelines.{name}" in told
    assert "\n  --" in told
    assert ">>>" not in told
    assert "Example:" not in told
    assert f"| `{name}` |" in (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("train", "--workdir is required: Run directory of the experiment."),
        ("train --workdir=w stray", "unexpected arguments stray: flags are written --name=value"),
        ("tag", "--model is required: A .tflite file"),
        ("tag --model=x", "no audio files given"),
        ("average", "no runs given"),
        ("average no_such_run", "no_such_run does not exist: give the directories of runs"),
        ("train --workdir=w --data_dir=d --budget=macs<=1 --stages=", "--stages is empty"),
        ("train --workdir=w --data_dir=d --budget=macs<=1 --steps=3", "--steps is for the stage"),
        ("train --workdir=w --data_dir=d --budget=foo", "--budget: "),
        ("train --workdir=w --data_dir=d --budget=macs<=1 --space=[3,3]", "--space: "),
        ("train --workdir=w --data_dir=d --budget=macs<=1 --subnet=zz --stages=subnet", "--subnet"),
        ("train --dryrun", "Unknown command line flag 'dryrun'"),
        ("train --batch_size=0", "flag --batch_size=0: "),
        ("train --flagfile=recodings.flags", "--flagfile=recodings.flags does not exist; did you"),
    ],
)
def test_a_wrong_command_line_gets_one_line(arguments, expected):
    done = run_program(*arguments.split())

    assert done.code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {expected}")


def test_a_profile_has_no_flags_that_do_not_affect_it():
    told = run_program("profile_device", "--helpshort").stdout

    assert "--pool_last" in told.replace("[no]", "")
    for name in ("task", "block_dropout", "embedding_dropout"):
        assert f"--{name}" not in told.replace("[no]", "")


def test_a_quiet_program_prints_its_result_only():
    asked = ["--space=[2,2,X]", "--base_channels=4", "--clip_secs=1", "--ram_kib=64"]

    loud = run_program("boards", *asked)
    quiet = run_program("boards", *asked, "--quiet")

    assert "| board" in loud.stderr
    assert quiet.stderr == ""
    assert quiet.result == loud.result


def test_a_line_of_the_log_is_a_time_and_a_sentence(tmp_path):
    done = run_program(
        "prepare",
        *("--dataset=synthetic", "--clip_secs=0.64", f"--data_dir={tmp_path / 'data'}"),
        *("--train_clips=8", "--validation_clips=1", "--evaluation_clips=8"),
    )

    (line,) = [line for line in done.stderr.splitlines() if "validation clips: " in line]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d warning: validation clips: ", line)
