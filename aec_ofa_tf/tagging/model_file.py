"""A TFLite file that carries its labels and its model card. No TensorFlow here."""

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

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.files import replacing

INPUTS = ("log_mel", "waveform")
QUANTIZATIONS = ("float32", "float16", "dynamic", "int8", "int8_qat")
IO_TYPES = ("float32", "int8")

LABELS_FILE = "labels.txt"
"""Name of the list of labels, one a line, in the zip and beside the files of a folder."""

_CARD = "model.json"
# The tasks of aec_ofa_tf.tasks, which needs packages that the core install lacks.
_CHOICES = {
    "input": INPUTS,
    "quantization": QUANTIZATIONS,
    "io_type": IO_TYPES,
    "task": ("multi_label", "single_label"),
}
# What older files, which lack these fields, contain.
_OLDER_FIELDS = {"io_type": "float32", "task": "multi_label", "network": "CNN10"}
_MAX_MEMBER_BYTES = 16 * 2**20
# What zipfile raises, apart from its own error, for archives with damaged headers.
_UNREADABLE = (ValueError, RuntimeError, EOFError, zlib.error)
# A fixed date makes the same model the same bytes; it is the earliest that zip can write.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelInfo:
    """What a device must know to feed a model and to read its scores.

    Attributes:
        labels: names of the outputs, in order; empty for a front end.
        sample_rate_hz: rate of the waveform that the clips are made of.
        clip_samples: samples of a clip at that rate.
        length_policy: what becomes of audio shorter than a clip ("pad", "repeat" or "crop").
        front_end: from waveform to log-mel.
        input: what the file itself takes, "log_mel" or "waveform".
        quantization: one of `QUANTIZATIONS`.
        subnet: text form of the network's `Subnet`.
        params: number of trainable weights.
        extra: further JSON values about the training run.
        io_type: type of the input and output tensors, "float32" or "int8".
        task: "multi_label" (scores are independent) or "single_label" (scores sum to 1).
        network: name of the network's family for people, such as "CNN10"; "" if it has none.

    Raises:
        ValueError: a field is outside what is described above.
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
    extra: dict[str, Any] = field(default_factory=dict)
    io_type: str = "float32"
    task: str = "multi_label"
    network: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        for label in self.labels:
            if not isinstance(label, str) or label.splitlines() != [label]:
                raise ValueError(f"a label is one non-empty line of text, received {label!r}")
        for name in ("sample_rate_hz", "clip_samples"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} is a positive integer, received {getattr(self, name)!r}")
        if not isinstance(self.front_end, FrontEndConfig):
            raise ValueError(f"front_end is a FrontEndConfig, received {self.front_end!r}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {known}, received {getattr(self, name)!r}")


def write_bundle(tflite_bytes: bytes, info: ModelInfo, path: str | os.PathLike[str]) -> None:
    """Writes the model followed by a zip of `labels.txt` and `model.json`.

    That is how TFLite metadata keeps associated files: the interpreter reads a flatbuffer from
    the front and ignores what follows; a zip is read from the end; so the file is both. The file
    appears under its name only when it is complete.

    Args:
        tflite_bytes: the flatbuffer.
        info: the model card.
        path: where to write; an existing file is replaced.

    Raises:
        ValueError: the bytes already end in a zip, or the path is a folder.
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
    """The content of `labels.txt`: one label a line."""
    return "".join(f"{label}\n" for label in labels)


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """Reads the model card of a file that `write_bundle` wrote.

    Raises:
        ValueError: the file carries none, or one that cannot be read.
        OSError: the file cannot be opened.
    """
    return read_bundle(path)[1]


def read_bundle(path: str | os.PathLike[str]) -> tuple[bytes, ModelInfo]:
    """Reads a file that `write_bundle` wrote and checks the model against its checksum.

    The check is necessary: TFLite's interpreters crash on most damaged flatbuffers.

    Returns:
        The flatbuffer and the model card.

    Raises:
        ValueError: the file carries no readable card, or the model's checksum is not the card's.
        OSError: the file cannot be opened.
    """
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
    if archive.getinfo(name).file_size > _MAX_MEMBER_BYTES:
        raise ValueError(f"{name} claims more than {_MAX_MEMBER_BYTES} bytes")
    return archive.read(name)


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
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the model card of {path} cannot be used: {error}") from error
