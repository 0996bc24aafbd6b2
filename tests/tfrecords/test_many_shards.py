"""Any number of shards can be written and read, with few open files."""

import subprocess
import sys
from pathlib import Path

from tests.recordings import SECS, source
from tfrecords.plan import SHARD_BYTES, clips_per_shard
from tfrecords.prepare import PrepareConfig, prepare

CONFIG = PrepareConfig("folder", SECS)
READS = """
import os, resource, sys
here, records, scores = sys.argv[1:]
sys.path.insert(0, here)
import numpy as np
from tfrecords.dataset import open_records
records = open_records(records)
records.write_soft_labels(lambda batch: np.zeros((len(batch['id']), 3)), scores, "teacher", 4)
idle = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (idle + 12, idle + 12))
for split in ("train", "validation", "evaluation"):
    assert sum(len(b["id"]) for b in records.evaluation_batches(split, 8)) == records.clips(split)
batches = iter(records.training_batches(8, seed=0, soft_labels=scores))
for _ in range(20):
    next(batches)
print(len(os.listdir("/proc/self/fd")) - idle, len(records.shard_names("train")))
"""


def test_records_with_more_shards_than_file_handles_are_read(tmp_path):
    raw = source(tmp_path / "raw", train=60)
    prepare(raw, PrepareConfig("folder", SECS, clips_per_shard=1), tmp_path / "records")
    places = (Path(__file__).parents[2], tmp_path / "records", tmp_path / "scores")
    command = [sys.executable, "-c", READS, *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    left_open, shards = map(int, done.stdout.split())
    assert shards == 60
    assert left_open < 12


def test_shards_are_large_by_default_and_several_for_small_sets(tmp_path):
    few, many = source(tmp_path / "few", train=40), source(tmp_path / "many", train=350)
    assert clips_per_shard(few, CONFIG, tmp_path) == 16
    assert clips_per_shard(many, CONFIG, tmp_path) == 22  # 16 shards of 350 clips
    hours = PrepareConfig("folder", clip_secs=600.0, payload="audio")
    assert clips_per_shard(many, hours, tmp_path) == SHARD_BYTES // (2 * 600 * 32000)
    assert clips_per_shard(many, PrepareConfig("folder", SECS, clips_per_shard=3), tmp_path) == 3


def test_existing_records_keep_their_shards(tmp_path):
    raw = source(tmp_path / "raw", train=40)
    manifest = prepare(raw, PrepareConfig("folder", SECS, clips_per_shard=7), tmp_path / "records")
    assert prepare(raw, CONFIG, tmp_path / "records") == manifest
    (tmp_path / "records" / "manifest.json").unlink()
    (tmp_path / "records" / manifest.shards[0].name).unlink()
    assert prepare(raw, CONFIG, tmp_path / "records") == manifest
