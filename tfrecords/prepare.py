"""Writes a source's clips as shards of records with a manifest, in parallel by Apache Beam."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aec_ofa_tf.files import exclusive, fingerprint, read_json, remove_partial, write_json
from tfrecords.beam import write_shards
from tfrecords.clip import SPLITS, TRAIN, Source
from tfrecords.manifest import MANIFEST_NAME, Manifest, Shard, damage, load_manifest
from tfrecords.prepare_config import PrepareConfig, PrepareError, check_configuration
from tfrecords.rejections import Rejections
from tfrecords.shard_writer import (
    ShardJob,
    ShardReport,
    finished,
    report_path,
    write_shard,
)

if TYPE_CHECKING:
    from tfrecords.records import Records

CONFIGURATION_NAME = "configuration.json"

_log = logging.getLogger(__name__)


def prepare_records(
    source: Source,
    data_dir: str | os.PathLike[str],
    config: PrepareConfig,
    beam_args: Sequence[str] = (),
) -> Records:
    """Prepares a source and opens its records.

    Args:
        source: labelled clips, from `read_folder`, `read_csv` or another reader.
        data_dir: directory of the records.
        config: how clips are stored.
        beam_args: Apache Beam's pipeline options.

    Raises:
        PrepareError, BusyError, OSError: as `prepare`.

    Example:
        >>> source, config = ofa.read_folder("recordings"), ofa.PrepareConfig("folder", 0.4)
        >>> ofa.prepare(source, "data", config)
        Records(...)
    """
    from tfrecords.records import open_records  # programs that only write need no reader

    prepare(source, config, Path(data_dir), beam_args)
    return open_records(Path(data_dir))


def prepare(
    source: Source, config: PrepareConfig, data_dir: Path, beam_args: Sequence[str] = ()
) -> Manifest:
    """Writes the records of `source` to `data_dir`; shards that are already whole are kept.

    The clips of a split are ordered by a hash of their ids, so that any prefix is a random sample.
    The same source and configuration give the same bytes, however often the work was interrupted.

    Args:
        source: labelled clips.
        config: how they are stored.
        data_dir: directory of the shards and `manifest.json`.
        beam_args: Apache Beam's pipeline options, for example
            ("--direct_running_mode=multi_processing", "--direct_num_workers=8").

    Returns:
        The manifest, as written.

    Raises:
        PrepareError: there are no training clips, the directory has another configuration, Beam
            does not accept the options, or more clips are undecodable or missing than the bounds
            allow (they are listed in `rejected.json`).
        BusyError: another job prepares the directory.
        OSError: a file could not be written.
    """
    data_dir = Path(data_dir)
    with exclusive(data_dir):
        configuration = config.recorded(source)
        _check_directory(data_dir, configuration)
        complete = _complete(data_dir)
        if complete is not None:
            # The bounds are not part of the configuration, so they may be lower than before.
            left_out = Rejections.of_manifest(complete)
            left_out.check_missing(config, data_dir)
            left_out.check_quarantined(config, data_dir)
            return complete
        return _write_all(source, config, data_dir, configuration, beam_args)


def _write_all(
    source: Source,
    config: PrepareConfig,
    data_dir: Path,
    configuration: dict[str, Any],
    beam_args: Sequence[str],
) -> Manifest:
    """Writes all shards that are not whole yet, then the lists of clips and the manifest."""
    Rejections.of_source(source).check_missing(config, data_dir)
    if not source.split(TRAIN):
        raise PrepareError(
            "the source has no training clips; check the paths, folds and split columns given"
        )
    write_json(data_dir / CONFIGURATION_NAME, configuration)
    jobs = _jobs(source, config, data_dir)
    _remove_strays(data_dir, jobs)
    # Until the manifest is written, quarantined clips are tried again: the user may have
    # repaired them.
    retry_bad = not (data_dir / MANIFEST_NAME).is_file()
    write_shards([job for job in jobs if _is_open(job, retry_bad)], beam_args)
    reports = [_report(job) for job in jobs]
    quarantined = tuple(clip for report in reports for clip in report.quarantined)
    left_out = Rejections.of_source(source, quarantined)
    left_out.check_quarantined(config, data_dir)
    left_out.save(data_dir)
    manifest = _manifest(source, configuration, reports, left_out)
    manifest.save(data_dir)
    return manifest


def _complete(data_dir: Path) -> Manifest | None:
    if not (data_dir / MANIFEST_NAME).is_file():
        return None
    manifest = load_manifest(data_dir)
    broken = {
        shard.name: problem
        for shard in manifest.shards
        if (problem := damage(data_dir, shard, read_all=True))
    }
    for name, problem in broken.items():
        _log.warning("%s %s; writing it again", data_dir / name, problem)
    return None if broken else manifest


def _check_directory(data_dir: Path, wanted: dict[str, Any]) -> None:
    path = data_dir / CONFIGURATION_NAME
    if not path.is_file():
        return
    found = read_json(path)
    if not (data_dir / MANIFEST_NAME).is_file():
        # Not finished: the user may have repaired the source in the meantime. The report of each
        # shard has a fingerprint of its clips, so outdated shards are found.
        found["source"] = wanted["source"]
    check_configuration(found, wanted, data_dir)


def _remove_strays(data_dir: Path, jobs: list[ShardJob]) -> None:
    """Removes files left by killed jobs or by an unfinished preparation of another source."""
    remove_partial(data_dir)
    names = {path for job in jobs for path in (job.path, report_path(job.path))}
    for path in [*data_dir.glob("*-of-*.tfrecord"), *data_dir.glob("*-of-*.json")]:
        if path not in names:
            path.unlink()


def _jobs(source: Source, config: PrepareConfig, data_dir: Path) -> list[ShardJob]:
    jobs = []
    configuration = fingerprint(config.shard_key())
    for split in SPLITS:
        clips = sorted(source.split(split), key=lambda clip: _stable_hash(clip.id))
        size = config.clips_per_shard
        shards = [tuple(clips[start : start + size]) for start in range(0, len(clips), size)]
        for index, members in enumerate(shards):
            name = f"{split}-{index:05d}-of-{len(shards):05d}.tfrecord"
            jobs.append(
                ShardJob(
                    data_dir / name,
                    split,
                    members,
                    source.labels,
                    config.clip_format,
                    configuration,
                )
            )
    return jobs


def _stable_hash(clip_id: str) -> bytes:
    return hashlib.sha256(os.fsencode(clip_id)).digest()


def _is_open(job: ShardJob, retry_bad: bool) -> bool:
    report = finished(job)
    return report is None or (retry_bad and bool(report.quarantined))


def _report(job: ShardJob) -> ShardReport:
    report = finished(job)
    if report is None:
        write_shard(job)
        report = finished(job)
    if report is None:
        raise OSError(f"{job.path} was not written correctly; check the disk and prepare again")
    return report


def _manifest(
    source: Source,
    configuration: dict[str, Any],
    reports: list[ShardReport],
    left_out: Rejections,
) -> Manifest:
    per_label = {split: dict.fromkeys(source.labels, 0) for split in SPLITS}
    for report in reports:
        for label, count in report.clips_per_label.items():
            per_label[report.shard.split][label] += count
    per_count: Counter[str] = Counter()
    for report in reports:
        per_count.update(report.clips_per_count)
    shards: tuple[Shard, ...] = tuple(report.shard for report in reports)
    known = per_count.total() == sum(shard.clips for shard in shards)
    return Manifest(
        configuration=configuration,
        labels=source.labels,
        shards=shards,
        clips_per_label=per_label,
        quarantined=left_out.quarantined,
        missing=left_out.missing,
        silent=sum(report.silent for report in reports),
        notes={key: note for report in reports for key, note in report.notes.items()},
        facts=dict(source.facts),
        clips_per_count=dict(sorted(per_count.items())) if known else {},
    )
