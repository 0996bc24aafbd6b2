"""Serialised examples, written without TensorFlow, beside TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from tfrecords.example import bytes_feature, example, float_feature, int64_feature
from tfrecords.record_file import write_examples


def tensorflow_s(features: dict[str, tf.train.Feature]) -> bytes:
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_100_000])
def test_bytes_are_tensorflow_s_at_every_width_of_a_length(size):
    value = bytes(range(256)) * (size // 256 + 1)
    expected = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value[:size]]))

    assert example({"log_mel": bytes_feature(value[:size])}) == tensorflow_s({"log_mel": expected})


@pytest.mark.parametrize("classes", [[], [0], [127, 128], [*range(0, 70_000, 999)], [2**62]])
def test_integers_are_tensorflow_s(classes):
    expected = tf.train.Feature(int64_list=tf.train.Int64List(value=classes))

    assert example({"labels": int64_feature(classes)}) == tensorflow_s({"labels": expected})


@pytest.mark.parametrize("scores", [[], [1.0], np.float32([0.1, -2.5, 1e-30]), np.ones(527)])
def test_floats_are_tensorflow_s(scores):
    expected = tf.train.Feature(float_list=tf.train.FloatList(value=scores))

    assert example({"scores": float_feature(scores)}) == tensorflow_s({"scores": expected})


def test_features_in_any_order_give_tensorflow_s_bytes():
    scale = tf.train.Feature(float_list=tf.train.FloatList(value=[2.0]))
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"caf\xe9.wav"]))
    ours = {"scale": float_feature([2.0]), "id": bytes_feature(b"caf\xe9.wav")}
    theirs = tensorflow_s({"id": text, "scale": scale})

    assert example(ours) == example(dict(reversed(ours.items()))) == theirs


def test_a_file_has_the_bytes_that_tensorflow_writes(tmp_path):
    records = [b"", b"a", bytes(range(256)) * 300]
    write_examples(records, tmp_path / "ours", tmp_path / "ours")
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)

    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    read = tf.data.TFRecordDataset(str(tmp_path / "ours"))
    assert [*read.as_numpy_iterator()] == records


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError, match=r"shard\.tfrecord could not be written: .*No such file"):
        write_examples([b"a"], tmp_path / "absent" / "partial", tmp_path / "shard.tfrecord")
