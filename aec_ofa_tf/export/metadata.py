"""TFLite metadata: a standard description of a model file for other programs.

The standard (https://ai.google.dev/edge/litert/conversion/tensorflow/metadata) stores a second
flatbuffer, of `metadata_schema.fbs`, in a buffer of the model, and the files that it names in a zip
at the end of the file, where `write_bundle` writes them. MediaPipe has generated code for this
schema but is a heavy dependency for a flatbuffer of a few hundred bytes. So its few tables are
written here by the numbers of their fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from aec_ofa_tf.tagging.model_file import LABELS_FILE, ModelInfo

METADATA_NAME = "TFLITE_METADATA"
"""Name of the model's entry for the buffer of the metadata."""

METADATA_IDENTIFIER = b"M001"
"""File identifier of a metadata flatbuffer."""

MODEL_IDENTIFIER = b"TFL3"
"""File identifier of a TFLite flatbuffer."""

_BUFFER_ALIGNMENT = 16
# From the schema: members of its union and enumeration, and the versions that added them.
_FEATURE_PROPERTIES, _AUDIO_PROPERTIES = 1, 4
_TENSOR_AXIS_LABELS = 2
_PARSER_VERSION, _PARSER_VERSION_WITH_AUDIO = "1.0.0", "1.3.0"


def add_metadata(tflite_bytes: bytes, info: ModelInfo) -> bytes:
    """Adds TFLite metadata to a model.

    Args:
        tflite_bytes: a flatbuffer with one input and one output, without such metadata.
        info: the model card that the metadata are built from.

    Returns:
        The flatbuffer with metadata; the computation is unchanged, and buffers are aligned to 16
        bytes.

    Raises:
        ValueError: the model already has metadata, or more than one input or output.
    """
    model = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0)
    entries = model.metadata or []
    (graph,) = model.subgraphs
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"a model must have one input and one output, received {len(graph.inputs)} and "
            f"{len(graph.outputs)}"
        )
    if any(entry.name == METADATA_NAME.encode() for entry in entries):
        raise ValueError(f"the model already has {METADATA_NAME}; pass it as converted")
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    buffer.data = np.frombuffer(_metadata(info), np.uint8)
    model.metadata = [*entries, entry]
    model.buffers.append(buffer)
    builder = AlignedBuilder(len(tflite_bytes) + buffer.data.size + 2**16)
    builder.Finish(model.Pack(builder), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def describe(info: ModelInfo) -> str:
    """Describes a model in words: network, clip, front end, and everything in `extra`."""
    front_end = info.front_end
    clip = (
        f"a clip of {info.clip_samples / info.sample_rate_hz:g} s, {info.clip_samples} mono "
        f"samples at {info.sample_rate_hz} Hz"
    )
    network = (
        f"Sound recognition: scores of {len(info.labels)} classes for {clip}; shorter audio: "
        f"{info.length_policy}. {_network(info)}, {info.params} trainable parameters, "
        f"{info.quantization}."
        if info.labels
        else f"Log-mel of {clip}."
    )
    place = "in front_end.tflite" if info.input == "log_mel" else "in this file, float32"
    features = f"Front end ({place}): {front_end}."
    extra = [f"{name}: {_text(value)}" for name, value in info.extra.items()]
    return " ".join([network, features, "; ".join(extra)]).rstrip()


class AlignedBuilder(flatbuffers.Builder):
    """Aligns byte vectors, that is the model's buffers, to multiples of 16 bytes.

    The model's schema requires it, because kernels read weights in place, but the Python code that
    is generated from the schema does not do it.
    """

    def StartVector(self, element_bytes: int, count: int, alignment: int) -> int:  # noqa: N802
        """As the base class; the alignment of byte vectors is raised."""
        if element_bytes == 1:
            alignment = _BUFFER_ALIGNMENT
        return super().StartVector(element_bytes, count, alignment)


def _metadata(info: ModelInfo) -> bytes:
    builder = flatbuffers.Builder(1024)
    waveform = info.input == "waveform"
    graph = _table(
        builder,
        {
            2: _tables(builder, [_input(builder, info)]),
            3: _tables(builder, [_output(builder, info)]),
        },
    )
    texts = {
        0: _network(info) if info.labels else "log-mel front end",
        1: describe(info),
        2: str(info.extra.get("run_fingerprint", "")),
        7: _PARSER_VERSION_WITH_AUDIO if waveform else _PARSER_VERSION,
    }
    strings = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    root = _table(builder, {**strings, 3: _tables(builder, [graph])})
    builder.Finish(root, METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: flatbuffers.Builder, info: ModelInfo) -> int:
    if info.input == "waveform":
        properties = _table(builder, {}, {0: info.sample_rate_hz, 1: 1})
        text = f"mono samples from -1 to 1 at {info.sample_rate_hz} Hz, [1, samples], float32"
    else:
        properties = _table(builder, {})
        text = f"log-mel in dB, [1, frames, mel bins], {_type(info)}, as front_end.tflite gives it"
    kind = _AUDIO_PROPERTIES if info.input == "waveform" else _FEATURE_PROPERTIES
    content = _table(builder, {1: properties}, bytes_={0: kind})
    return _tensor(builder, info.input, text, {3: content})


def _output(builder: flatbuffers.Builder, info: ModelInfo) -> int:
    if not info.labels:
        return _tensor(builder, "log_mel", "log-mel in dB, [1, frames, mel bins], float32", {})
    text = "names of the classes, one a line"
    names = {0: builder.CreateString(LABELS_FILE), 1: builder.CreateString(text)}
    labels = _table(builder, names, bytes_={2: _TENSOR_AXIS_LABELS})
    meaning = {
        "multi_label": "scores of the classes, independent of each other",
        "single_label": "scores of the classes, which sum to 1",
    }[info.task]
    description = f"{meaning}, [1, classes], {_type(info)}"
    return _tensor(builder, "scores", description, {6: _tables(builder, [labels])})


def _tensor(
    builder: flatbuffers.Builder, name: str, description: str, offsets: Mapping[int, int]
) -> int:
    texts = {0: builder.CreateString(name), 1: builder.CreateString(description)}
    return _table(builder, {**texts, **offsets})


def _table(
    builder: flatbuffers.Builder,
    offsets: Mapping[int, int],
    words: Mapping[int, int] | None = None,
    bytes_: Mapping[int, int] | None = None,
) -> int:
    """Writes a table; its fields by number are offsets of objects, unsigned words, and bytes."""
    words, bytes_ = words or {}, bytes_ or {}
    builder.StartObject(1 + max([*offsets, *words, *bytes_], default=-1))
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in words.items():
        builder.PrependUint32Slot(slot, value, 0)
    for slot, value in bytes_.items():
        builder.PrependUint8Slot(slot, value, 0)
    return builder.EndObject()


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _network(info: ModelInfo) -> str:
    return f"{info.network} {info.subnet}".lstrip()


def _type(info: ModelInfo) -> str:
    quantised = "int8, (integer - zero point) * scale with those of the tensor"
    return quantised if info.io_type == "int8" else info.io_type


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
