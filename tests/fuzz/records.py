"""A directory of records: its JSON files, its shards, and soft labels."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig
from tests.fuzz.damage import damaged
from tests.fuzz.damage_text import damaged_json
from tests.fuzz.reader import Case, Reader
from tests.recordings import SECS, source
from tfrecords.clip import Source
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records
from tfrecords.shards import masked_crc

# Small records, so that most changes matter.
_FRONT_END = FrontEndConfig(
    sample_rate_hz=8000, window_samples=512, hop_samples=512, mel_bins=16, max_hz=4000.0
)
_CLIPS_PER_SHARD = 4
_SHARD = "train-00000-of-00002.tfrecord"
_PLACES = {
    "manifest": "log_mel/manifest.json",
    "configuration": "log_mel/configuration.json",
    "report": f"log_mel/{Path(_SHARD).with_suffix('.json')}",
    "log_mel_shard": f"log_mel/{_SHARD}",
    "audio_shard": f"audio/{_SHARD}",
    "soft_labels": "soft/soft_labels.json",
    "soft_labels_shard": f"soft/{_SHARD}",
}


def _config(payload: str) -> PrepareConfig:
    return PrepareConfig(
        "folder", SECS, payload=payload, clips_per_shard=_CLIPS_PER_SHARD, front_end=_FRONT_END
    )


def _source(folder: Path) -> Source:
    return source(folder / "raw", train=6, validation=1, evaluation=1, keep=True)


def _make(folder: Path) -> dict[str, list[bytes]]:
    for payload in ("log_mel", "audio"):
        prepare(_source(folder), _config(payload), folder / payload)
    records = open_records(folder / "log_mel")
    records.write_soft_labels(lambda x: np.zeros((len(x["id"]), 3)), folder / "soft", "teacher", 4)
    return {kind: [(folder / place).read_bytes()] for kind, place in _PLACES.items()}


def _damaged(samples: list[bytes], random: Random) -> bytes:
    if samples[0][:1] == b"{":
        return damaged_json(samples, random)
    return damaged(samples, random, mend_records)


def mend_records(data: bytearray) -> None:
    """Recomputes the checksums of a shard, without which a change is noticed at once."""
    position = 0
    while position + 12 <= len(data):
        (length,) = struct.unpack("<Q", data[position : position + 8])
        data[position + 8 : position + 12] = masked_crc(bytes(data[position : position + 8]))
        end = position + 12 + length
        if end + 4 > len(data):
            return
        data[end : end + 4] = masked_crc(bytes(data[position + 12 : end]))
        position = end + 4


def _read(case: Case) -> bool:
    if case.kind in ("configuration", "report"):
        return _prepare_again(case)
    folder = case.path.parents[1]
    if case.kind.endswith("_shard"):
        _correct_manifest(case)
    records = open_records(folder / ("audio" if case.kind == "audio_shard" else "log_mel"))
    (clips,) = records.evaluation_batches("train", 6)
    is_right = clips["log_mel"].shape[1:] == (records.frames, records.front_end.mel_bins)
    if case.kind.startswith("soft_labels"):
        soft = folder / "soft"
        for batch in records.checked(records.training_batches(6, 0, soft_labels=soft).take(1)):
            is_right &= batch["soft_labels"].shape == (6, len(records.labels))
    counts = records.manifest.class_counts
    described = repr(records), str(records.summary), records.manifest.summary(), str(counts.gaps)
    return is_right and all(described) and clips["labels"].shape[1] == len(records.labels)


def _prepare_again(case: Case) -> bool:
    """Preparing complete records again compares the configurations and the recordings."""
    folder = case.path.parents[1]
    return prepare(_source(folder), _config("log_mel"), folder / "log_mel").clips["train"] == 6


def _correct_manifest(case: Case) -> None:
    """Writes the shard's size to the manifest, which would be the first to notice a change."""
    name = "soft_labels.json" if case.kind == "soft_labels_shard" else "manifest.json"
    path = case.path.with_name(name)
    manifest = json.loads(path.read_text())
    for shard in manifest["shards"]:
        if shard["name"] == case.path.name:
            shard["bytes"] = len(case.data)
    path.write_text(json.dumps(manifest))


def _is_refusal(case: Case, error: Exception) -> bool:
    """The message names the file or the folder of records."""
    is_reported = isinstance(error, ValueError | OSError) and not isinstance(error, UnicodeError)
    return is_reported and str(case.path.parents[1]) in str(error)


READER = Reader(_make, _read, _PLACES, _damaged, _is_refusal)
