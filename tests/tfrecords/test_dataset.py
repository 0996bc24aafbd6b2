import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.recordings import SECS, source
from tfrecords import dataset
from tfrecords.dataset import (
    Share,
    clip_order,
    evaluation_batches,
    training_batches,
)
from tfrecords.manifest import ManifestError
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import Records, open_records
from tfrecords.shards import RecordError
from tfrecords.soft_labels import open_soft_labels, write_soft_labels

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)
TRAIN_CLIPS = 10
GOLDEN_ORDER = [3, 5, 2, 7, 0, 6, 1, 4]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return source(tmp_path_factory.mktemp("raw"), TRAIN_CLIPS)


@pytest.fixture(scope="module", params=["log_mel", "audio"])
def records(request, raw, tmp_path_factory) -> Records:
    data_dir = tmp_path_factory.mktemp(request.param)
    prepare(raw, replace(CONFIG, payload=request.param), data_dir)
    return open_records(data_dir)


@pytest.fixture
def own_records(raw, tmp_path) -> Records:
    """Records that a test may damage."""
    prepare(raw, CONFIG, tmp_path / "records")
    return open_records(tmp_path / "records")


def ids(batches, count: int) -> list[bytes]:
    taken = itertools.islice(batches.as_numpy_iterator(), count)
    return [clip for batch in taken for clip in batch["id"].tolist()]


def teacher(batch) -> np.ndarray:
    level = np.asarray(batch["log_mel"]).mean(axis=(1, 2))
    return np.stack([level, level / 2, level / 3], axis=1)


def test_evaluation_keeps_the_stored_order_and_every_clip(records):
    batches = list(evaluation_batches(records, "train", 4).as_numpy_iterator())
    assert [len(batch["id"]) for batch in batches] == [4, 4, 2]
    assert batches[0]["log_mel"].shape == (4, records.frames, 64)
    assert batches[0]["labels"].dtype == np.float32
    everything = ids(evaluation_batches(records, "train", 4), 9)
    assert len(set(everything)) == TRAIN_CLIPS
    assert ids(evaluation_batches(records, "train", 3, limit=7), 9) == everything[:7]
    assert ids(evaluation_batches(records, "train", 3, limit=99), 9) == everything


def test_stored_order_is_not_the_source_order(records):
    everything = ids(evaluation_batches(records, "train", 4), 9)
    assert everything != sorted(everything, key=lambda name: int(name.split(b".")[0]))


def test_an_epoch_shows_every_clip_once_and_epochs_differ(records):
    stream = ids(training_batches(records, 4, seed=1), 10)
    epochs = [tuple(stream[start : start + TRAIN_CLIPS]) for start in range(0, 40, TRAIN_CLIPS)]
    assert all(len(set(epoch)) == TRAIN_CLIPS for epoch in epochs)
    assert len(set(epochs)) == 4


def test_order_is_a_function_of_seed_and_epoch_alone(records):
    first = ids(training_batches(records, 4, seed=1), 10)
    keras.utils.set_random_seed(7)
    assert ids(training_batches(records, 4, seed=1), 10) == first
    assert ids(training_batches(records, 5, seed=1), 8) == first
    assert ids(training_batches(records, 4, seed=2), 10) != first


def test_order_is_fixed_across_versions():
    np.testing.assert_array_equal(clip_order(8, seed=1, epoch=0), GOLDEN_ORDER)


def test_orders_are_uniform():
    first = np.array([clip_order(5, seed=3, epoch=epoch)[0] for epoch in range(2000)])
    counts = np.bincount(first, minlength=5)
    assert counts.min() > 330
    assert counts.max() < 470


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("start_step", [1, 2, 7])
def test_a_stream_resumes_where_it_stopped(records, start_step, balanced):
    stream = partial(training_batches, records, 4, seed=1, balanced=balanced)
    whole = list(stream().take(9).as_numpy_iterator())
    rest = stream(start_step=start_step).take(9 - start_step)
    for expected, batch in zip(whole[start_step:], rest.as_numpy_iterator(), strict=True):
        assert expected.keys() == batch.keys()
        for name in expected:
            np.testing.assert_array_equal(batch[name], expected[name])


@pytest.mark.parametrize(("of", "counts"), [(2, (1, 1)), (2, (2,)), (3, (1, 2)), (6, (2, 3, 1))])
def test_the_parts_of_a_batch_put_together_are_the_batch(records, of, counts):
    whole = list(training_batches(records, 12, seed=1, start_step=2).take(3).as_numpy_iterator())
    streams, first = [], 0
    for count in counts:
        share = Share(first, count, of)
        parts = training_batches(records, 12, seed=1, start_step=2, share=share)
        streams.append((count, iter(parts.as_numpy_iterator())))
        first += count
    for batch in whole:
        parts = [next(stream) for count, stream in streams for _ in range(count)]
        assert [int(part["step"]) for part in parts] == [int(batch["step"])] * of
        for name in ("id", "labels", "log_mel"):
            np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), batch[name])


def test_a_batch_that_cannot_be_cut_evenly_is_refused(records):
    with pytest.raises(ValueError, match="a multiple of the 3 replicas"):
        training_batches(records, 4, seed=1, share=Share(0, 1, 3))


def test_a_far_step_is_reached_at_once(records):
    (batch,) = training_batches(records, 4, seed=1, start_step=10**9).take(1).as_numpy_iterator()
    assert len(set(batch["id"].tolist())) == 4


def test_batches_are_static_and_larger_than_the_split_if_need_be(records):
    batches = training_batches(records, 16, seed=1)
    assert batches.element_spec["log_mel"].shape == (16, records.frames, 64)
    assert batches.element_spec["labels"].shape == (16, 3)
    (batch,) = batches.take(1).as_numpy_iterator()
    assert len(set(batch["id"].tolist())) == TRAIN_CLIPS


def test_training_shows_what_evaluation_shows(records):
    stored = {}
    for batch in evaluation_batches(records, "train", 4).as_numpy_iterator():
        stored |= {
            key: (batch["log_mel"][i], batch["labels"][i]) for i, key in enumerate(batch["id"])
        }
    for batch in training_batches(records, 4, seed=1).take(5).as_numpy_iterator():
        for index, key in enumerate(batch["id"]):
            np.testing.assert_array_equal(batch["log_mel"][index], stored[key][0])
            np.testing.assert_array_equal(batch["labels"][index], stored[key][1])


def test_keeping_clips_in_memory_changes_nothing(records, monkeypatch):
    kept = list(training_batches(records, 4, seed=1).take(4).as_numpy_iterator())
    monkeypatch.setattr(dataset, "CACHE_BYTES", 0)
    read = list(training_batches(records, 4, seed=1).take(4).as_numpy_iterator())
    for expected, batch in zip(kept, read, strict=True):
        for name in expected:
            np.testing.assert_array_equal(batch[name], expected[name])


def test_a_flipped_byte_is_an_error_that_names_shard_and_record(own_records):
    reader = own_records.reader("train")
    number = 6
    path = reader.paths[int(reader.shard_of[number])]
    data = bytearray(path.read_bytes())
    data[int(reader.offset[number]) + 100] ^= 1
    path.write_bytes(data)
    name = rf"{path.name}: record 2 is damaged .*Prepare again"
    with pytest.raises(RecordError, match=name):
        list(own_records.checked(evaluation_batches(own_records, "train", 4)))
    with pytest.raises(RecordError, match=name):
        list(own_records.checked(training_batches(own_records, 4, seed=1).take(5)))


def test_every_clip_gets_its_own_soft_labels(records, tmp_path):
    manifest = write_soft_labels(records, teacher, tmp_path, "teacher-1", batch_size=3)
    assert manifest["clips"] == TRAIN_CLIPS
    assert manifest["teacher"] == "teacher-1"
    batches = training_batches(records, 4, seed=1, soft_labels=tmp_path)
    assert batches.element_spec["soft_labels"] == tf.TensorSpec((4, 3), tf.float32)
    for batch in batches.take(6).as_numpy_iterator():
        np.testing.assert_allclose(batch["soft_labels"], teacher(batch), rtol=1e-6, atol=1e-6)


def test_soft_labels_do_not_change_the_order(own_records, tmp_path):
    write_soft_labels(own_records, teacher, tmp_path / "soft", "teacher-1")
    joined = training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "soft")
    assert ids(joined, 6) == ids(training_batches(own_records, 4, seed=1), 6)


class CountingTeacher:
    def __init__(self, fail_after: int | None = None) -> None:
        self.clips = 0
        self.fail_after = fail_after

    def __call__(self, batch):
        self.clips += len(batch["id"])
        if self.fail_after is not None and self.clips > self.fail_after:
            raise RuntimeError("stopped")
        return tf.constant(teacher(batch))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_soft_labels_resume_by_shard_and_are_skipped_when_done(own_records, tmp_path):
    soft = tmp_path / "soft"
    with pytest.raises(RuntimeError, match="stopped"):
        write_soft_labels(own_records, CountingTeacher(fail_after=5), soft, "teacher-1")
    with pytest.raises(ManifestError, match="compute the soft labels first"):
        training_batches(own_records, 4, seed=1, soft_labels=soft)
    rest = CountingTeacher()
    write_soft_labels(own_records, rest, soft, "teacher-1")
    assert rest.clips == TRAIN_CLIPS - 4
    again = CountingTeacher()
    write_soft_labels(own_records, again, soft, "teacher-1")
    assert again.clips == 0
    write_soft_labels(own_records, teacher, tmp_path / "unbroken", "teacher-1")
    assert files(soft) == files(tmp_path / "unbroken")
    other = CountingTeacher()
    write_soft_labels(own_records, other, soft, "teacher-2")
    assert other.clips == TRAIN_CLIPS
    assert open_soft_labels(own_records, soft).fingerprint == "teacher-2"


def test_soft_labels_of_other_records_are_refused(own_records, raw, tmp_path):
    prepare(raw, replace(CONFIG, length_policy="repeat", clip_secs=0.25), tmp_path / "other")
    write_soft_labels(open_records(tmp_path / "other"), teacher, tmp_path / "soft", "teacher-1")
    with pytest.raises(ManifestError, match="of other records"):
        training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "soft")
    write_soft_labels(own_records, teacher, tmp_path / "val", "teacher-1", split="validation")
    with pytest.raises(ManifestError, match="validation split"):
        training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "val")


def test_damaged_soft_labels_are_named(own_records, tmp_path):
    write_soft_labels(own_records, teacher, tmp_path / "soft", "teacher-1")
    path = sorted((tmp_path / "soft").glob("*.tfrecord"))[0]
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    batches = training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "soft")
    with pytest.raises(RecordError, match=rf"{path.name}: record 0 is damaged"):
        list(own_records.checked(batches.take(4)))
    path.write_bytes(data[:-1])
    with pytest.raises(ManifestError, match=path.name):
        training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "soft")


def test_soft_labels_swapped_between_clips_are_refused(own_records, tmp_path):
    write_soft_labels(own_records, teacher, tmp_path / "soft", "teacher-1")
    first, second = sorted((tmp_path / "soft").glob("train*.tfrecord"))[:2]
    contents = first.read_bytes(), second.read_bytes()
    assert len(contents[0]) == len(contents[1])
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    batches = training_batches(own_records, 4, seed=1, soft_labels=tmp_path / "soft")
    with pytest.raises(RecordError, match="soft labels are of other clips"):
        list(own_records.checked(batches.take(4)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda x: teacher(x)[:, :2], r"shape \(4, 2\), expected \(4, 3\)"),
        (lambda x: teacher(x) * np.nan, "are not finite"),
    ],
)
def test_bad_scores_are_refused(own_records, tmp_path, bad, message):
    with pytest.raises(ValueError, match=message):
        write_soft_labels(own_records, bad, tmp_path / "soft", "teacher-1")
    assert not list((tmp_path / "soft").glob("*.tfrecord"))
