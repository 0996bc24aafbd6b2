"""TFLite metadata contain what the model card contains, and change nothing else."""

import dataclasses

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from flatbuffers.number_types import Int8Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table
from tensorflow.lite.python import schema_py_generated as schema

from aec_ofa_tf.export.metadata import add_metadata, describe
from aec_ofa_tf.tagging.model_file import read_bundle


class Fields:
    """A table of a flatbuffer, its fields by their number in the schema."""

    def __init__(self, table):
        self._table = table

    @classmethod
    def root(cls, content):
        return cls(Table(content, flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0)))

    def _offset(self, number):
        return self._table.Offset(4 + 2 * number)

    def text(self, number):
        offset = self._offset(number)
        return self._table.String(offset + self._table.Pos).decode() if offset else None

    def number(self, number, flags):
        return self._table.GetSlot(4 + 2 * number, 0, flags)

    def table(self, number):
        return Fields(
            Table(self._table.Bytes, self._table.Indirect(self._table.Pos + self._offset(number)))
        )

    def tables(self, number):
        offset = self._offset(number)
        if not offset:
            return []
        start = self._table.Vector(offset)
        return [
            Fields(Table(self._table.Bytes, self._table.Indirect(start + 4 * i)))
            for i in range(self._table.VectorLen(offset))
        ]


def read_metadata(flatbuffer):
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    (entry,) = [x for x in model.metadata if x.name == b"TFLITE_METADATA"]
    content = model.buffers[entry.buffer].data.tobytes()
    assert content[4:8] == b"M001"
    return Fields.root(content)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_waveform_in_file_names_rate_channels_and_labels(exported, largest, quantization):
    flatbuffer, info = read_bundle(exported.path(largest, "waveform", quantization))
    metadata = read_metadata(flatbuffer)
    (graph,) = metadata.tables(3)
    (waveform,), (scores,) = graph.tables(2), graph.tables(3)
    content = waveform.table(3)
    (labels,) = scores.tables(6)

    assert metadata.text(0) == f"CNN10 {largest}"
    assert metadata.text(1) == describe(info)
    assert metadata.text(7) == "1.3.0"
    assert (waveform.text(0), scores.text(0)) == ("waveform", "scores")
    assert content.number(0, Uint8Flags) == 4  # AudioProperties
    audio = content.table(1)
    assert [audio.number(i, Uint32Flags) for i in (0, 1)] == [32000, 1]
    assert labels.text(0) == "labels.txt"
    assert labels.number(2, Int8Flags) == 2  # TENSOR_AXIS_LABELS


def test_a_log_mel_in_file_names_features_and_labels(exported, smallest):
    metadata = read_metadata(read_bundle(exported.path(smallest, "log_mel"))[0])
    (graph,) = metadata.tables(3)
    (features,), (scores,) = graph.tables(2), graph.tables(3)

    assert metadata.text(7) == "1.0.0"
    assert features.text(0) == "log_mel"
    assert features.table(3).number(0, Uint8Flags) == 1  # FeatureProperties
    assert [file.text(0) for file in scores.tables(6)] == ["labels.txt"]


def test_a_front_end_names_rate_and_has_no_labels(exported):
    metadata = read_metadata(read_bundle(exported.folder / "front_end.tflite")[0])
    (graph,) = metadata.tables(3)
    (waveform,), (log_mel,) = graph.tables(2), graph.tables(3)

    assert metadata.text(0) == "log-mel front end"
    assert waveform.table(3).table(1).number(0, Uint32Flags) == 32000
    assert log_mel.text(0) == "log_mel"
    assert log_mel.tables(6) == []


def test_the_description_names_clip_network_front_end_and_run(info):
    run = {"run": "esc10", "run_fingerprint": "ab12", "training_steps": 700}
    text = describe(dataclasses.replace(info, input="waveform", extra=run))
    for expected in (
        "5 classes",
        "0.64 s, 20480 mono samples at 32000 Hz",
        info.subnet,
        "1234 trainable",
        "64 bins from 50 to 14000 Hz",
        "in this file",
        "run: esc10; run_fingerprint: ab12; training_steps: 700",
    ):
        assert expected in text


@pytest.mark.parametrize(("io_type", "expected"), [("float32", "], float32"), ("int8", "scale")])
def test_tensors_name_their_type(info, any_model, io_type, expected):
    card = dataclasses.replace(info, quantization="int8", io_type=io_type)
    (graph,) = read_metadata(add_metadata(any_model, card)).tables(3)

    for tensor in [*graph.tables(2), *graph.tables(3)]:
        assert expected in tensor.text(1)


def test_the_version_is_the_fingerprint_of_the_run(info, any_model):
    versions = [
        read_metadata(add_metadata(any_model, dataclasses.replace(info, extra=extra))).text(2)
        for extra in ({"run_fingerprint": "ab12"}, {})
    ]
    assert versions == ["ab12", None]


def test_weights_stay_aligned(exported):
    """XNNPACK reads them in place; the schema says 16 bytes."""
    for path in exported.folder.glob("*.tflite"):
        content = read_bundle(path)[0]
        model = schema.Model.GetRootAs(content, 0)
        buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
        starts = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if b.DataLength()]
        assert len(starts) > 5
        assert not [start for start in starts if start % 16], path


@pytest.fixture(scope="module")
def any_model():
    """A small TFLite flatbuffer as the converter makes it."""
    kernel = tf.constant(np.random.default_rng(0).normal(size=(64, 5)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 64], tf.float32)])
    def scores(clip):
        return tf.nn.softmax(tf.nn.relu(clip) @ kernel)

    concrete = scores.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], scores).convert()


def _values(value):
    """An unpacked table as plain values."""
    if hasattr(value, "__dict__"):
        return {name: _values(x) for name, x in vars(value).items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_values(x) for x in value] if isinstance(value, list) else value


def test_all_else_stays_as_it_was(any_model, info):
    before = schema.ModelT.InitFromPackedBuf(any_model, 0)
    after = schema.ModelT.InitFromPackedBuf(add_metadata(any_model, info), 0)
    assert after.metadata.pop().name == b"TFLITE_METADATA"
    assert after.buffers.pop().data[4:8].tobytes() == b"M001"

    assert _values(after) == _values(before)


def test_the_same_model_is_the_same_bytes(any_model, info):
    assert add_metadata(any_model, info) == add_metadata(any_model, info)


def test_metadata_is_not_added_twice(any_model, info):
    with pytest.raises(ValueError, match="already has TFLITE_METADATA"):
        add_metadata(add_metadata(any_model, info), info)


@pytest.mark.parametrize(
    ("task", "meaning"),
    [("multi_label", "independent of each other"), ("single_label", "sum to 1")],
)
def test_the_output_is_described_by_the_task(info, any_model, task, meaning):
    card = dataclasses.replace(info, task=task)
    (graph,) = read_metadata(add_metadata(any_model, card)).tables(3)

    assert meaning in graph.tables(3)[0].text(1)
