"""Recordings that change under finished records: edited, touched, copied, repaired."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.recordings import SECS, digests, noise, source, write
from tfrecords.clip import Source
from tfrecords.prepare import PrepareConfig, PrepareError, prepare
from tfrecords.recordings import checksum

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)
YEAR_NS = 31_536_000 * 10**9


@pytest.fixture
def raw(tmp_path) -> Source:
    return source(tmp_path / "raw")


def edit(path: Path, keeps_time: bool = False) -> None:
    """Another sound of the same size."""
    status, size = path.stat(), path.stat().st_size
    write(path, 0.5 * noise(seed=99), subtype="FLOAT")
    assert path.stat().st_size == size
    time_ns = status.st_mtime_ns + (0 if keeps_time else YEAR_NS)
    os.utime(path, ns=(time_ns, time_ns))


def touch(raw: Source) -> None:
    for clip in raw.clips:
        os.utime(clip.path, ns=(YEAR_NS, YEAR_NS))


def test_an_edited_recording_is_named_and_nothing_is_lost(tmp_path, raw):
    prepare(raw, CONFIG, tmp_path / "records")
    before = digests(tmp_path / "records")
    edited = raw.split("train")[0].path
    edit(edited)
    with pytest.raises(
        PrepareError, match=rf"1 recordings were edited .*{edited}.*remove .*manifest.json"
    ):
        prepare(raw, CONFIG, tmp_path / "records")
    assert digests(tmp_path / "records") == before


def test_without_the_manifest_only_shards_of_edited_recordings_are_written_again(tmp_path, raw):
    records = tmp_path / "records"
    prepare(raw, CONFIG, records)
    edit(raw.split("train")[0].path)
    written = {path: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}
    (records / "manifest.json").unlink()  # as the message says
    prepare(raw, CONFIG, records)
    again = [path for path, time in written.items() if path.stat().st_mtime_ns != time]
    assert len(again) == 1
    assert again[0].name.startswith("train-")
    prepare(raw, CONFIG, tmp_path / "new")
    assert digests(records) == digests(tmp_path / "new")


def test_touched_and_copied_recordings_are_compared_once(tmp_path, raw):
    records = tmp_path / "records"
    manifest = prepare(raw, CONFIG, records)
    shards = {path: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}
    touch(raw)
    assert prepare(raw, CONFIG, records) == manifest
    reports = {path: path.stat().st_mtime_ns for path in records.glob("*-of-*.json")}
    assert prepare(raw, CONFIG, records) == manifest
    assert {path: path.stat().st_mtime_ns for path in reports} == reports
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    shutil.copytree(tmp_path / "raw", tmp_path / "copy", copy_function=shutil.copyfile)
    copied = tuple(
        replace(clip, file=str(tmp_path / "copy" / clip.path.name)) for clip in raw.clips
    )
    assert prepare(replace(raw, clips=copied), CONFIG, records) == manifest


def test_an_edit_that_keeps_the_time_needs_checksums(tmp_path, raw):
    prepare(raw, CONFIG, tmp_path / "records")
    edit(raw.split("evaluation")[0].path, keeps_time=True)
    prepare(raw, CONFIG, tmp_path / "records")
    with pytest.raises(PrepareError, match="1 recordings were edited"):
        prepare(raw, replace(CONFIG, source_check="checksum"), tmp_path / "records")


def test_records_of_earlier_versions_stay_valid(tmp_path, raw):
    records = tmp_path / "records"
    manifest = prepare(raw, CONFIG, records)
    for path in records.glob("*-of-*.json"):
        report = json.loads(path.read_text())
        assert len(report.pop("recordings")) == report["shard"]["clips"]
        path.write_text(json.dumps(report))
    touch(raw)
    assert prepare(raw, replace(CONFIG, source_check="checksum"), records) == manifest
    next(records.glob("train-*.tfrecord")).unlink()
    assert prepare(raw, CONFIG, records) == manifest


def test_a_checksum_of_a_long_file_reads_pieces_from_all_over_it(tmp_path):
    path = tmp_path / "long"
    path.touch()
    os.truncate(path, 3 << 30)
    before = checksum(path)
    with path.open("rb+") as file:
        file.seek((3 << 30) - 1)
        file.write(b"x")
    assert checksum(path) != before
    assert checksum(tmp_path / "none") == -1


def test_an_unknown_check_is_refused():
    with pytest.raises(ValueError, match="source_check is one of time, checksum"):
        replace(CONFIG, source_check="size")
