import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aec_ofa_tf.files import BusyError, exclusive
from tests.recordings import SECS, digests, source
from tfrecords.prepare import PrepareConfig, prepare

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)
CHILD = """
import resource, signal, sys
from pathlib import Path
here, folder, records, train_clips, file_bytes = sys.argv[1:]
sys.path.insert(0, here)
from tests.recordings import source
from tfrecords.prepare import PrepareConfig, prepare
raw = source(Path(folder), int(train_clips), 4, 3)
if file_bytes != "any":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
prepare(raw, PrepareConfig("folder", 0.5, clips_per_shard=4), Path(records))
"""


def start_child(folder: Path, records: Path, train_clips: int, file_bytes: str = "any"):
    arguments = (Path(__file__).parents[2], folder, records, train_clips, file_bytes)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )


def test_a_killed_preparation_leaves_whole_files_and_ends_the_same(tmp_path):
    records = tmp_path / "records"
    child = start_child(tmp_path / "raw", records, 60)
    deadline = time.monotonic() + 60
    while not list(records.glob("train-*.json")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (records / "manifest.json").exists()
    kept = {
        path: path.stat().st_mtime_ns
        for path in records.glob("train-*.tfrecord")
        if path.with_suffix(".json").exists()
    }
    raw = source(tmp_path / "raw", 60, 4, 3, keep=True)
    prepare(raw, CONFIG, records)
    prepare(raw, CONFIG, tmp_path / "unbroken")
    assert digests(records) == digests(tmp_path / "unbroken")
    assert kept
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert not list(records.glob(".*.partial"))


def test_a_full_disk_is_an_error_that_leaves_no_shard(tmp_path):
    records = tmp_path / "records"
    child = start_child(tmp_path / "raw", records, 10, file_bytes="20000")
    _, log = child.communicate()
    assert child.returncode != 0
    assert "could not be written" in log
    assert log.count("Traceback") == 2  # the writer's error and ours; none of a worker's
    assert "apache_beam" not in log
    assert not list(records.glob("train-00000*"))
    assert not (records / "manifest.json").exists()


def test_the_second_of_two_jobs_refuses(tmp_path):
    raw = source(tmp_path / "raw")
    with exclusive(tmp_path / "records"), pytest.raises(BusyError, match="in use by another job"):
        prepare(raw, CONFIG, tmp_path / "records")
    prepare(raw, CONFIG, tmp_path / "records")


def test_records_that_cannot_fit_on_the_disk_are_refused_before_any_is_written(tmp_path):
    raw, hours = source(tmp_path / "raw"), PrepareConfig("folder", clip_secs=3600)
    first = raw.split("train")[0]
    raw = replace(raw, clips=tuple(replace(first, id=str(number)) for number in range(50_000)))
    with pytest.raises(OSError, match=r"records need about .* GB and the disk has .* GB free"):
        prepare(raw, hours, tmp_path / "records")
    assert not list((tmp_path / "records").glob("*.tfrecord*"))
