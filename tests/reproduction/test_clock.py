"""Seconds of a job over several starts."""

import subprocess
import sys
import time

import pytest

from aec_ofa_tf.reproduction.clock import timed
from tests.conftest import ROOT


def _interrupted_after(secs: float):
    time.sleep(secs)
    raise KeyboardInterrupt


def test_an_interrupted_start_counts(tmp_path):
    clock = tmp_path / "job.json"
    with pytest.raises(KeyboardInterrupt), timed(clock):
        _interrupted_after(0.05)

    with timed(clock) as secs:
        assert 0.05 <= secs() < 5
    assert not clock.exists()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from aec_ofa_tf.reproduction.clock import timed
with timed(Path(sys.argv[1]), note_secs=0.05):
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_start_counts_until_its_last_note_and_not_what_was_idle(tmp_path):
    clock = tmp_path / "job.json"
    assert subprocess.run([sys.executable, "-c", KILLED, clock], cwd=ROOT).returncode < 0
    time.sleep(1)

    with timed(clock) as secs:
        assert 0.5 < secs() < 1.5


@pytest.mark.parametrize("content", ["", "[]", '{"secs": null}'])
def test_a_damaged_clock_begins_anew(tmp_path, content):
    clock = tmp_path / "job.json"
    clock.write_text(content)
    with timed(clock) as secs:
        assert secs() < 5
