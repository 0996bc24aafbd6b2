"""A process ends although pipelines are still at work."""

import subprocess
import sys
from pathlib import Path

from tests.recordings import SECS, source
from tfrecords.prepare import PrepareConfig, prepare

SLOW = """
import os, sys, time
here, records = sys.argv[1:]
sys.path.insert(0, here)
from tfrecords.dataset import open_records
from tfrecords.shards import ShardReader
read = ShardReader.read

def slow(*arguments):
    os.write(1, b"begun ")
    time.sleep(0.1)
    os.write(1, b"ended ")
    return read(*arguments)

ShardReader.read = slow
batches = iter(open_records(records).training_batches(4, seed=0))
next(batches)
raise ValueError("live")
"""


def test_an_exit_waits_for_the_functions_of_a_live_iterator(tmp_path):
    """Python stops threads that still run at its end; TensorFlow may then wait for them forever."""
    raw = source(tmp_path / "raw", train=20)
    prepare(raw, PrepareConfig("folder", SECS), tmp_path / "records")
    places = str(Path(__file__).parents[2]), str(tmp_path / "records")
    command = [sys.executable, "-c", SLOW, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr.endswith("ValueError: live\n"), done.stderr[-2000:]
    assert done.stdout.count("begun") == done.stdout.count("ended") > 4
