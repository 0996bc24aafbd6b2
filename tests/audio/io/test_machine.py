"""What the machine lacks ends a program; no good recording is quarantined for it."""

import re
import subprocess
import sys
import tempfile

import pytest

from aec_ofa_tf.audio.io.decode import decode
from aec_ofa_tf.audio.io.errors import MachineError
from tests.audio.io.files import RATE_HZ
from tests.audio.io.test_joined import PARTS
from tfrecords.clip import Clip, Source
from tfrecords.plan import plan_shards
from tfrecords.prepare import PrepareConfig
from tfrecords.shard_writer import finished, write_shard

CHILD = """
import os, resource, sys
from aec_ofa_tf.audio.io.decode import decode
from aec_ofa_tf.audio.io.errors import MachineError
decode(sys.argv[1])  # everything is imported
{limit}
try:
    decode(sys.argv[1])
except MachineError as error:
    print(error)
"""
LIMITS = {
    "open files": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    "space": "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))",
    "temporary folder": "import tempfile; tempfile.tempdir = None\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
}
SENTENCES = {
    "open files": "Too many open files. This is no fault of the recording: .*ulimit -n",
    "space": "File too large. This is no fault of the recording: free space .*TMPDIR",
    "temporary folder": "needs a temporary file, .*; set TMPDIR to one",
}


@pytest.fixture
def chained(tmp_path):
    path = tmp_path / "chained.ogg"
    path.write_bytes(b"".join(PARTS["ogg"]))
    return path


@pytest.mark.parametrize("lack", LIMITS)
def test_what_the_machine_lacks_is_no_fault_of_the_recording(chained, lack):
    code = CHILD.format(limit=LIMITS[lack])
    command = [sys.executable, "-c", code, str(chained)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (line,) = run.stdout.splitlines()
    assert line.startswith(f"{chained} could not be read: ")
    assert re.search(SENTENCES[lack], line)


def test_a_shard_is_not_written_without_a_good_recording(chained, tmp_path, monkeypatch):
    clips = [Clip(name, str(chained), (name,), "train") for name in ("dog", "cat")]
    source = Source(("cat", "dog"), tuple(clips))
    (job,) = plan_shards(source, PrepareConfig("folder", 0.2, clips_per_shard=2), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        with pytest.raises(MachineError, match="could not be read: it needs a temporary file"):
            write_shard(job)
    assert finished(job) is None
    write_shard(job)
    report = finished(job)
    assert (report.shard.clips, report.quarantined) == (2, ())


def test_a_missing_recording_is_missing(tmp_path):
    with pytest.raises(ValueError, match="missing"):
        decode(tmp_path / "none.ogg", RATE_HZ)
