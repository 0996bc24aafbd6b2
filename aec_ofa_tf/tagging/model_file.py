"""Writes and reads TFLite files that contain labels and a model card. No TensorFlow here."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aec_ofa_tf.audio.front_end import MAX_SAMPLE_RATE_HZ, FrontEndConfig
from aec_ofa_tf.config import check_fields
from aec_ofa_tf.files import DAMAGE_ERRORS, JsonObject, replacing
from aec_ofa_tf.labels import label_problem

INPUTS = ("log_mel", "waveform")
QUANTIZATIONS = ("float32", "float16", "dynamic", "int8", "int8_qat")
IO_TYPES = ("float32", "int8")

WINDOWS = "windows_per_clip"
"""Entry of `ModelInfo.extra`, absent where clips were heard whole."""

LABELS_FILE = "labels.txt"
"""Name of the list of labels, one per line, in the zip and beside the TFLite files."""

_CARD = "model.json"
# The tasks are those of aec_ofa_tf.tasks, which needs packages that the core install lacks.
_CHOICES = {
    "input": INPUTS,
    "quantization": QUANTIZATIONS,
    "io_type": IO_TYPES,
    "task": ("multi_label", "single_label"),
}
# The values of these fields for older files, which lack them.
_OLDER_FIELDS = {"io_type": "float32", "task": "multi_label", "network": "CNN10"}
_MAX_MEMBER_BYTES = 16 * 2**20
# Errors that zipfile raises, besides its own, for archives with damaged headers.
_UNREADABLE = (ValueError, RuntimeError, EOFError, zlib.error)
# With a fixed date the same model gives the same bytes; this is the earliest date of zip files.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelInfo:
    """The model card: everything that a device needs to run a model and to interpret its scores.

    Attributes:
        labels: names of the outputs, in order; empty for a front end.
        sample_rate_hz: sample rate of the waveform.
        clip_samples: samples of a clip at that rate.
        length_policy: how audio shorter than a clip is fitted ("pad", "repeat" or "crop").
        front_end: the parameters of the log-mel.
        input: input of the file, "log_mel" or "waveform".
        quantization: one of `QUANTIZATIONS`.
        subnet: text form of the network's `Subnet`.
        params: number of trainable weights.
        extra: further JSON values about the training run.
        io_type: type of the input and output tensors, "float32" or "int8".
        task: "multi_label" (scores are independent) or "single_label" (scores sum to 1).
        network: display name of the network's family, such as "CNN10"; "" if it has none.

    Raises:
        ValueError: a field does not have a value as described above.
    """

    labels: tuple[str, ...]
    sample_rate_hz: int
    clip_samples: int
    length_policy: str
    front_end: FrontEndConfig
    input: str
    quantization: str
    subnet: str
    params: int
    extra: JsonObject = field(default_factory=dict)
    io_type: str = "float32"
    task: str = "multi_label"
    network: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        check_fields(self)
        for label in self.labels:
            if label_problem(label):
                raise ValueError(f"a label is one non-empty line of text, received {label!a}")
        for name in ("sample_rate_hz", "clip_samples"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} is a positive integer, received {getattr(self, name)!r}")
        if self.sample_rate_hz > MAX_SAMPLE_RATE_HZ:
            raise ValueError(
                f"sample_rate_hz is at most {MAX_SAMPLE_RATE_HZ}, received {self.sample_rate_hz}"
            )
        if not isinstance(self.front_end, FrontEndConfig):
            raise ValueError(f"front_end is a FrontEndConfig, received {self.front_end!r}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {known}, received {getattr(self, name)!r}")

    @property
    def windows_per_clip(self) -> int:
        """Windows of each clip that the file was made and scored with; 1 if it heard it whole."""
        return int(self.extra.get(WINDOWS, 1))


def write_bundle(tflite_bytes: bytes, info: ModelInfo, path: str | os.PathLike[str]) -> None:
    """Writes the model followed by a zip of `labels.txt` and `model.json`.

    TFLite metadata stores associated files in this way. The interpreter reads the flatbuffer from
    the beginning and ignores the rest, and a zip is read from the end, so the file is both. The
    file gets its name when it is complete.

    Args:
        tflite_bytes: the flatbuffer.
        info: the model card.
        path: path of the file; an existing file is replaced.

    Raises:
        ValueError: the bytes already end with a zip, or the path is a folder.
        OSError: the file cannot be written.
    """
    file = io.BytesIO(tflite_bytes)
    if zipfile.is_zipfile(file):
        raise ValueError(f"the model for {path} already carries a zip; pass the bare flatbuffer")
    card = asdict(info)
    card["labels"] = len(info.labels)
    card["flatbuffer_bytes"] = len(tflite_bytes)
    card["flatbuffer_sha256"] = hashlib.sha256(tflite_bytes).hexdigest()
    # Stored rather than compressed, as readers of TFLite metadata expect.
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, _DATE), labels_text(info.labels))
        archive.writestr(zipfile.ZipInfo(_CARD, _DATE), json.dumps(card, indent=1, sort_keys=True))
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(file.getvalue())


def labels_text(labels: Sequence[str]) -> str:
    """The content of `labels.txt`: one label per line."""
    return "".join(f"{label}\n" for label in labels)


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """Reads the model card of a file that `write_bundle` wrote.

    Raises:
        ValueError: the file has no model card, or a damaged one.
        OSError: the file cannot be opened.
    """
    return read_bundle(path)[1]


def read_bundle(path: str | os.PathLike[str]) -> tuple[bytes, ModelInfo]:
    """Reads a file that `write_bundle` wrote and checks the checksum of the model.

    The check is necessary because TFLite's interpreters crash on most damaged flatbuffers.

    Returns:
        The flatbuffer and the model card.

    Raises:
        ValueError: the file has no readable card, or the checksum differs from that in the card.
        OSError: the file cannot be opened.
    """
    if not os.fspath(path):
        raise ValueError("the path of a model is empty; give that of a .tflite file")
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no model at {path}; give the path of a .tflite file that pipelines.convert "
            "wrote"
        ) from error
    except IsADirectoryError as error:
        raise IsADirectoryError(
            f"{path} is a folder; give the path of a .tflite file in it"
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            card = json.loads(_read_member(archive, _CARD))
            labels = _read_member(archive, LABELS_FILE).decode("utf-8").splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"{path} carries no model card ({_CARD}, {LABELS_FILE}): either it is damaged or it "
            "was not written by pipelines.convert; convert the model again"
        ) from error
    except _UNREADABLE as error:
        raise ValueError(f"the model card of {path} is damaged: {error}") from error
    info = _parse_card(card, labels, path)
    flatbuffer = content[: card["flatbuffer_bytes"]]
    if hashlib.sha256(flatbuffer).hexdigest() != card["flatbuffer_sha256"]:
        raise ValueError(
            f"{path} is damaged: the model's checksum differs from that of its card; "
            "copy or convert it again"
        )
    return flatbuffer, info


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > _MAX_MEMBER_BYTES:
        raise ValueError(f"{name} claims more than {_MAX_MEMBER_BYTES} bytes")
    # zipfile unpacks whole blocks before it cuts them to the size that the archive claims.
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed; write_bundle stores it")
    return archive.read(member)


def _parse_card(card: Any, labels: list[str], path: str | os.PathLike[str]) -> ModelInfo:
    try:
        card = {**_OLDER_FIELDS, **card}
        fields = {name: card[name] for name in ModelInfo.__dataclass_fields__ if name != "labels"}
        if card["labels"] != len(labels):
            raise ValueError(f"{card['labels']} labels declared, {len(labels)} found")
        if not isinstance(card["flatbuffer_bytes"], int):
            raise ValueError("flatbuffer_bytes is not an integer")
        card["flatbuffer_sha256"]
        fields["front_end"] = FrontEndConfig.from_dict(fields["front_end"])
        return ModelInfo(labels=tuple(labels), **fields)
    except DAMAGE_ERRORS as error:
        raise ValueError(f"the model card of {path} cannot be used: {error}") from error
