"""Soft labels: the teacher's scores of every clip, computed once, in shards like the records'."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from aec_ofa_tf.files import (
    DAMAGE_ERRORS,
    naming_damage,
    read_json,
    remove_partial,
    replacing,
    sha256_of,
    write_json,
)
from aec_ofa_tf.ownership import SOFT_LABELS, owned
from aec_ofa_tf.terminal import progress
from tfrecords.checked import MISMATCH, Batch
from tfrecords.clip import TRAIN
from tfrecords.example import bytes_feature, example, float_feature
from tfrecords.manifest import ManifestError, Shard, damage
from tfrecords.record_file import write_examples
from tfrecords.records import Records, clip_lookup, read_function
from tfrecords.shards import ShardReader, open_shards

MANIFEST_NAME = "soft_labels.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoftLabels:
    """The soft labels of opened records.

    Attributes:
        fingerprint: fingerprint of the teacher.
        classes: number of scores per clip.
        reader: the soft labels, in the order of the clips' records.
    """

    fingerprint: str
    classes: int
    reader: ShardReader

    def lookup(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """A function for tf.data from record numbers, int64 [B], and ids, string [B], to scores.

        Returns:
            The function; its scores are float32 [B, classes]. Iterating fails if the id stored
            with the scores is not the clip's.
        """
        read = read_function(self.reader)
        spec = {
            "id": tf.io.FixedLenFeature([], tf.string),
            "scores": tf.io.FixedLenFeature([self.classes], tf.float32),
        }

        def function(numbers: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
            parsed = tf.io.parse_example(read(numbers), spec)
            same = tf.debugging.assert_equal(parsed["id"], ids, f"{MISMATCH}; compute them again")
            with tf.control_dependencies([same]):
                return tf.identity(parsed["scores"])

        return function


class SoftLabelManifest(TypedDict):
    """The content of `manifest.json` of soft labels.

    Attributes:
        teacher: fingerprint of the teacher.
        records: fingerprint of the records.
        split: the split that was scored.
        classes: number of scores per clip.
        clips: number of clips.
        shards: the fields of every `Shard`.
    """

    teacher: str
    records: str
    split: str
    classes: int
    clips: int
    shards: list[dict[str, object]]


def write_soft_labels(
    records: Records,
    score: Callable[[Batch], ArrayLike],
    out_dir: Path | str,
    fingerprint: str,
    batch_size: int = 32,
    split: str = TRAIN,
    features: Sequence[str] = ("log_mel",),
) -> SoftLabelManifest:
    """Scores every clip of a split, without augmentation, and stores the scores in shards.

    Complete shards of the same teacher and records are kept; soft labels of another teacher or of
    other records are replaced.

    Args:
        records: opened records.
        score: from a batch, as of `evaluation_batches`, to scores, float32 [B, classes], as an
            array or a tensor.
        out_dir: directory of the soft labels.
        fingerprint: identifies the teacher.
        batch_size: clips per call of `score`.
        split: the split to score.
        features: any of "log_mel" and "waveform", what the batches contain besides ids and labels.

    Returns:
        The manifest: teacher, records, split, classes, clips and shards.

    Raises:
        ValueError: the scores are not finite or not [B, classes].
        ForeignFolderError: the directory holds files of somebody else.
        BusyError: another job writes to the directory.
    """
    out_dir = Path(out_dir)
    with owned(out_dir, SOFT_LABELS):
        key = {"teacher": fingerprint, "records": records.fingerprint, "split": split}
        reader = records.reader(split)
        names = records.shard_names(split)
        reports = [Path(name).with_suffix(".json").name for name in names]
        remove_partial(out_dir, [*names, *reports, MANIFEST_NAME])
        ends = [*reader.first[1:].tolist(), len(reader)]
        lookup = clip_lookup(records, reader, features)
        shards = []
        for index, name in enumerate(progress(names, desc="soft labels", unit="shard")):
            shard = _finished(out_dir, name, key)
            if shard is None:
                first, end = int(reader.first[index]), ends[index]
                batches = tf.data.Dataset.range(first, end).batch(batch_size).map(lookup)
                examples = _examples(records.checked(batches), score, len(records.labels))
                shard = _write_shard(out_dir / name, examples, key, end - first)
            shards.append(shard)
        return _write_manifest(out_dir, key, len(records.labels), shards)


def open_soft_labels(records: Records, soft_dir: Path, split: str = TRAIN) -> SoftLabels:
    """Opens soft labels and checks that they are whole and belong to these records.

    Raises:
        ManifestError: there are none, they belong to other records, or a shard is damaged.
        RecordError: a shard's record headers are damaged.
    """
    path = soft_dir / MANIFEST_NAME
    if not path.is_file():
        raise ManifestError(f"{soft_dir} has no {MANIFEST_NAME}; compute the soft labels first")
    with naming_damage(path, "remove it and compute the soft labels again", ManifestError):
        manifest = read_json(path)
        if manifest["records"] != records.fingerprint or manifest["split"] != split:
            raise ManifestError(
                f"{soft_dir} has soft labels of the {manifest['split']} split of other records "
                f"than the {split} split of {records.data_dir}; compute them again for these "
                f"records, or remove {path}"
            )
        teacher, classes = manifest["teacher"], manifest["classes"]
        if not isinstance(teacher, str) or classes != len(records.labels):
            raise ValueError(f"{classes!r} classes of the teacher {teacher!r}")
        shards = [Shard(**shard) for shard in manifest["shards"]]
    for shard in shards:
        problem = damage(soft_dir, shard, read_all=False)
        if problem:
            raise ManifestError(f"{soft_dir / shard.name} {problem}; compute the soft labels again")
    reader = open_shards([soft_dir / shard.name for shard in shards], [s.clips for s in shards])
    if len(reader) != records.clips(split):
        raise ManifestError(
            f"{path} lists {len(reader)} clips, the {split} split of {records.data_dir} has "
            f"{records.clips(split)}; compute the soft labels again"
        )
    return SoftLabels(teacher, len(records.labels), reader)


def _finished(out_dir: Path, name: str, key: dict[str, str]) -> Shard | None:
    path = (out_dir / name).with_suffix(".json")
    if not path.is_file():
        return None
    try:
        report = read_json(path)
        shard = Shard(**report["shard"])
    except DAMAGE_ERRORS:
        return None
    same = report.get("key") == key
    return shard if same and damage(out_dir, shard, read_all=True) is None else None


def _write_shard(path: Path, examples: Iterable[bytes], key: dict[str, str], clips: int) -> Shard:
    # The old manifest must not list a shard that is being replaced.
    (path.parent / MANIFEST_NAME).unlink(missing_ok=True)
    with replacing(path) as temporary:
        write_examples(examples, temporary, path)
        shard = Shard(
            path.name, key["split"], clips, temporary.stat().st_size, sha256_of(temporary)
        )
    write_json(path.with_suffix(".json"), {"key": key, "shard": vars(shard)})
    return shard


def _examples(
    batches: Iterable[Batch], score: Callable[[Batch], ArrayLike], classes: int
) -> Iterator[bytes]:
    for batch in batches:
        scores = np.asarray(score(batch), np.float32)
        ids = batch["id"].numpy()
        if scores.shape != (len(ids), classes):
            raise ValueError(
                f"the teacher's scores have shape {scores.shape}, expected {(len(ids), classes)}"
            )
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            clip = os.fsdecode(ids[np.flatnonzero(~finite)[0]])
            raise ValueError(
                f"the teacher's scores of clip {clip!r} are not finite; train it again"
            )
        for clip_id, row in zip(ids, scores, strict=True):
            yield example({"id": bytes_feature(clip_id), "scores": float_feature(row)})


def _write_manifest(
    out_dir: Path, key: dict[str, str], classes: int, shards: list[Shard]
) -> SoftLabelManifest:
    manifest = SoftLabelManifest(
        teacher=key["teacher"],
        records=key["records"],
        split=key["split"],
        classes=classes,
        clips=sum(shard.clips for shard in shards),
        shards=[vars(shard) for shard in shards],
    )
    path = out_dir / MANIFEST_NAME
    if not path.is_file() or read_json(path) != manifest:
        write_json(path, manifest)
    return manifest
