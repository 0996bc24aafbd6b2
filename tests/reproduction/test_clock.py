"""Seconds of a job over several starts."""

import json
import os
import time

import pytest

from aec_ofa_tf.reproduction.clock import timed


def _interrupted_after(secs: float):
    time.sleep(secs)
    raise KeyboardInterrupt


def test_an_interrupted_start_counts(tmp_path):
    clock = tmp_path / "job.json"
    with pytest.raises(KeyboardInterrupt), timed(clock, tmp_path / "work"):
        _interrupted_after(0.05)

    with timed(clock, tmp_path / "work") as secs:
        assert 0.05 <= secs() < 5
    assert not clock.exists()


def test_a_killed_start_counts_until_it_last_wrote(tmp_path):
    clock, work = tmp_path / "job.json", tmp_path / "work"
    began = time.time() - 1000
    clock.write_text(json.dumps({"secs": 5.0, "began": began}))
    (work / "checkpoints").mkdir(parents=True)
    (work / "checkpoints" / "step-2.index").touch()
    os.utime(work / "checkpoints" / "step-2.index", (began + 60, began + 60))

    with timed(clock, work) as secs:
        assert secs() == pytest.approx(65, abs=5)


@pytest.mark.parametrize("content", ["", "[]", '{"secs": null}'])
def test_a_damaged_clock_begins_anew(tmp_path, content):
    clock = tmp_path / "job.json"
    clock.write_text(content)
    with timed(clock, tmp_path) as secs:
        assert secs() < 5
