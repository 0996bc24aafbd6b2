"""Models: TFLite files with their cards, which taggers open, and Keras files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from random import Random

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.keras_files import load_model, save_model
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.tagging.tagger import Tagger
from tests.fuzz.damage import change, damaged
from tests.fuzz.damage_text import damaged_json
from tests.fuzz.reader import Case, Reader, is_clear

_FRONT_END = FrontEndConfig(
    sample_rate_hz=8000, window_samples=256, hop_samples=256, mel_bins=16, max_hz=4000.0
)
_FRAMES = 16
_SAMPLES = _FRAMES * _FRONT_END.hop_samples
_SUBNET = "2x1-2x1-2x1-2x1"
_INFO = ModelInfo(
    labels=("dog", "Säge"),
    sample_rate_hz=_FRONT_END.sample_rate_hz,
    clip_samples=_SAMPLES,
    length_policy="repeat",
    front_end=_FRONT_END,
    input="waveform",
    quantization="float32",
    subnet=_SUBNET,
    params=100,
    network="CNN10",
)
_PLACES = {"tflite": "models/model.tflite", "keras": "models/teacher.keras"}


def _make(folder: Path) -> dict[str, list[bytes]]:
    network = Cnn10Network(2, _FRAMES, mel_bins=_FRONT_END.mel_bins, embedding_units=4)
    model = build_plain(parse_subnet(_SUBNET), network, "sigmoid")
    clips = np.random.default_rng(0).normal(0, 0.1, (2, _SAMPLES)).astype(np.float32)
    path = folder / _PLACES["tflite"]
    convert_models([(model, ConversionRequest(path, _INFO, clips))])
    save_model(model, folder / _PLACES["keras"])
    return {kind: [(folder / place).read_bytes()] for kind, place in _PLACES.items()}


def _damaged(samples: list[bytes], random: Random) -> bytes:
    """Changes bytes anywhere, in the archive at the end, or values of JSON files in it."""
    kind = random.choice(("anywhere", "end", "json", "json"))
    if kind == "anywhere":
        return damaged(samples, random)
    data = bytearray(random.choice(samples))
    if kind == "json":
        return _with_other_values(bytes(data), random)
    for _ in range(random.choice((1, 2, 4))):
        change(data, max(0, len(data) - 1 - random.randrange(700)), random)
        if not data:
            break
    return bytes(data)


def _with_other_values(data: bytes, random: Random) -> bytes:
    """The file with another archive, whose texts are damaged."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # What is before the archive, a TFLite file's model, stays as it is.
    begin = data.index(b"PK\x03\x04")
    name = random.choice([name for name in members if name.endswith((".json", ".txt"))])
    members[name] = damaged_json([members[name]], random) if name.endswith("json") else b"a\n" * 9
    if random.random() < 0.2:
        del members[random.choice(list(members))]
    kind = random.choice((zipfile.ZIP_STORED,) * 6 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    file = io.BytesIO(data[:begin])
    with zipfile.ZipFile(file, "a", kind) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return file.getvalue()


def _read(case: Case) -> bool:
    if case.kind == "keras":
        scores = load_model(case.path)(np.zeros((1, _FRAMES, _FRONT_END.mel_bins), np.float32))
        return scores.shape == (1, 2)
    tagger = Tagger(case.path)
    scores = tagger.tag(np.zeros(_SAMPLES, np.float32))
    return scores.shape == (len(tagger.info.labels),) and bool(repr(tagger))


READER = Reader(_make, _read, _PLACES, _damaged, is_clear)
