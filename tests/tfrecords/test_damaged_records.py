"""Records whose checksums are right but whose contents nobody wrote; the fuzzer found these."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aec_ofa_tf.dataset import Share
from tests.recordings import SECS, cut, source
from tfrecords.clip_record import log_mel_example
from tfrecords.dataset import training_batches
from tfrecords.manifest import ManifestError
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig, PrepareError
from tfrecords.record_file import write_examples
from tfrecords.records import open_records
from tfrecords.shards import RecordError
from tfrecords.soft_labels import open_soft_labels

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=16)
SHARD = "train-00000-of-00001.tfrecord"


@pytest.fixture
def data_dir(tmp_path):
    prepare(source(tmp_path / "raw", 4, 1, 1), CONFIG, tmp_path / "records")
    return tmp_path / "records"


def change(path, name, value):
    content = json.loads(path.read_text())
    content[name] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clips_per_label", []),
        ("shards", [None]),
        ("shards", [{"name": "../x", "split": "train", "clips": 1, "bytes": 1, "sha256": ""}]),
        ("configuration", {"payload": "log_mel"}),
        ("configuration", "text"),
        ("quarantined", False),
        ("labels", [["dog"]]),
        ("notes", 10**400),
        ("clips_per_bandwidth", {"%s": 4}),
    ],
)
def test_a_manifest_with_other_values_is_named(data_dir, name, value):
    change(data_dir / "manifest.json", name, value)
    with pytest.raises(ManifestError, match=r"manifest\.json is damaged .*prepare again"):
        open_records(data_dir)


@pytest.mark.parametrize("content", [b"[]", b"[" * 100_000, b"\xed\xa0\x80"])
def test_json_that_is_no_object_is_named(data_dir, tmp_path, content):
    path = data_dir / "configuration.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"configuration\.json is damaged"):
        prepare(source(tmp_path / "raw", 4, 1, 1), CONFIG, data_dir)


def test_a_front_end_that_is_none_is_named_with_its_file(data_dir, tmp_path):
    path = data_dir / "configuration.json"
    change(path, "front_end", {"max_hz": 10**400})
    with pytest.raises(PrepareError, match=r"configuration\.json is damaged .*max_hz is a number"):
        prepare(source(tmp_path / "raw", 4, 1, 1), CONFIG, data_dir)


def replace_records(data_dir, examples):
    path = data_dir / SHARD
    write_examples(examples, path, path)
    manifest = json.loads((data_dir / "manifest.json").read_text())
    (entry,) = [shard for shard in manifest["shards"] if shard["name"] == SHARD]
    entry.update(bytes=path.stat().st_size, clips=len(examples))
    (data_dir / "manifest.json").write_text(json.dumps(manifest))
    return open_records(data_dir)


def test_bytes_that_are_no_example_never_reach_tensorflow_s_parser(data_dir):
    """It read past their end, and ended the process."""
    good = log_mel_example("a", [0], np.zeros((50, 64)))
    records = replace_records(data_dir, [good, good[:-3] + b"\xff\xff"])
    with pytest.raises(RecordError, match=rf"{SHARD}: record 1 has the right checksum but is no"):
        list(records.evaluation_batches("train", 2))


@pytest.mark.parametrize(
    "example",
    [b"", log_mel_example("a", [0], np.zeros((50, 63))), b"\n\x07\n\x05\n\x01\xff\x12\x00"],
    ids=["no features", "another shape", "a name that is not UTF-8"],
)
def test_examples_of_other_contents_are_named_by_their_directory(data_dir, example):
    records = replace_records(data_dir, [example])
    with pytest.raises(RecordError, match=rf"{data_dir.name}.*record"):
        list(records.evaluation_batches("train", 1))


@pytest.mark.parametrize("classes", [2**31, -1, "3", None])
def test_soft_labels_of_another_number_of_classes_are_refused(data_dir, tmp_path, classes):
    records, soft = open_records(data_dir), tmp_path / "soft"
    records.write_soft_labels(lambda x: np.zeros((len(x["id"]), 3)), soft, "teacher", 2)
    change(soft / "soft_labels.json", "classes", classes)
    with pytest.raises(ManifestError, match=r"soft_labels\.json is damaged"):
        open_soft_labels(records, soft)


def test_more_workers_than_shards_share_every_batch(data_dir):
    records = open_records(data_dir)
    assert records.shard_names("train") == [SHARD]
    (whole,) = training_batches(records, 4, seed=1).take(1).as_numpy_iterator()
    parts = [training_batches(records, 4, seed=1, share=Share(n, 1, 4)) for n in range(4)]
    ids = [next(part.as_numpy_iterator())["id"][0] for part in parts]
    assert ids == list(whole["id"])


def test_the_share_of_a_recording_that_may_be_missing_is_declared(tmp_path):
    raw = source(tmp_path / "raw")
    cut(raw.split("train")[0].path, 0.9)
    manifest = prepare(raw, replace(CONFIG, max_missing_audio=0.15), tmp_path / "tolerant")
    assert manifest.clips["train"] == 10
    assert "missing at its end" in manifest.notes["0.wav"]
    assert len(prepare(raw, CONFIG, tmp_path / "strict").quarantined) == 1
    with pytest.raises(PrepareError, match=r"max_missing_audio: 0\.15 there, None requested"):
        prepare(raw, CONFIG, tmp_path / "tolerant")


@pytest.mark.parametrize(
    ("name", "value"), [("bandwidths", {"-1": 4}), ("silent", "0"), ("notes", [])]
)
def test_a_shard_whose_report_has_other_values_is_written_again(data_dir, tmp_path, name, value):
    written = (data_dir / "manifest.json").read_text()
    (data_dir / "manifest.json").unlink()
    change(data_dir / SHARD.replace(".tfrecord", ".json"), name, value)
    prepare(source(tmp_path / "raw", 4, 1, 1, keep=True), CONFIG, data_dir)
    assert (data_dir / "manifest.json").read_text() == written


@pytest.mark.parametrize("time", [float("inf"), None, "x"])
def test_a_report_with_other_values_is_as_one_of_an_earlier_version(data_dir, tmp_path, time):
    report = data_dir / SHARD.replace(".tfrecord", ".json")
    change(report, "recordings", [[time, 0]] * 4)
    assert prepare(source(tmp_path / "raw", 4, 1, 1, keep=True), CONFIG, data_dir).clips
