"""Writes a source's clips as shards of records with a manifest, in parallel by Apache Beam."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aec_ofa_tf.files import free_bytes, naming_damage, read_json, require_room, write_json
from aec_ofa_tf.ownership import RECORDS, owned
from tfrecords.beam import write_shards
from tfrecords.clip import TRAIN, Clip, Source
from tfrecords.clip_table import TABLE_NAME
from tfrecords.manifest import MANIFEST_NAME, Manifest, damage, load_manifest
from tfrecords.plan import clips_per_shard, plan_shards, shard_clips
from tfrecords.prepare_config import (
    CONFIGURATION_NAME,
    PrepareConfig,
    PrepareError,
    check_configuration,
    with_whole_front_end,
)
from tfrecords.recordings import edited
from tfrecords.rejections import Rejections
from tfrecords.reports import manifest_of
from tfrecords.shard_writer import (
    ShardJob,
    ShardReport,
    finished,
    known_states,
    note_times,
    write_shard,
)

if TYPE_CHECKING:
    from tfrecords.records import Records

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
        PrepareError: there are no training clips, the directory has another configuration,
            recordings were edited since it was written, Beam does not accept the options, or more
            clips are undecodable or missing than the bounds allow (`rejected.json` lists them).
        ForeignFolderError: the directory holds files of somebody else.
        BusyError: another job prepares the directory.
        OSError: the disk has too little room, or a file could not be written.
    """
    data_dir = Path(data_dir)
    for note in source.notes:
        _log.warning("%s", note)
    _check_place(source, data_dir)
    with owned(data_dir, RECORDS):
        config = replace(config, clips_per_shard=clips_per_shard(source, config, data_dir))
        configuration = config.recorded(source)
        _check_directory(data_dir, configuration)
        complete = _complete(data_dir)
        if complete is not None:
            _check_unedited(source, config, data_dir)
            # The bounds are not part of the configuration, so they may be lower than before.
            left_out = Rejections.of_manifest(complete)
            left_out.check_missing(config, data_dir)
            left_out.check_quarantined(config, data_dir)
            (data_dir / TABLE_NAME).unlink(missing_ok=True)  # of a job killed at its very end
            return _warned_of_bandwidth(complete)
        left_out = Rejections.of_source(source)
        jobs = _begin(source, left_out, config, data_dir, configuration)
        # The clips are in a file now: memory during the work does not depend on their number.
        source = replace(source, clips=())
        written = _write_all(source, left_out, jobs, config, data_dir, configuration, beam_args)
        return _warned_of_bandwidth(written)


def _warned_of_bandwidth(manifest: Manifest) -> Manifest:
    """The manifest; logs a warning if recordings reach less far than the front end."""
    if advice := manifest.bandwidths.advice(manifest.front_end):
        _log.warning("%s", advice)
    return manifest


def is_prepared(
    source: Source, config: PrepareConfig, data_dir: Path, any_clips: bool = False
) -> bool:
    """Whether a directory has complete records of a source, or of any clips; changes nothing.

    Raises:
        PrepareError: the directory has records of another source or configuration.
        OSError: a file cannot be read.
    """
    if not (data_dir / MANIFEST_NAME).is_file():
        return False
    config = replace(config, clips_per_shard=clips_per_shard(source, config, data_dir))
    _check_directory(data_dir, config.recorded(source), any_clips)
    shards = load_manifest(data_dir).shards
    return not any(damage(data_dir, shard, read_all=False) for shard in shards)


def _begin(
    source: Source,
    left_out: Rejections,
    config: PrepareConfig,
    data_dir: Path,
    configuration: dict[str, Any],
) -> list[ShardJob]:
    """Checks the source and writes what a stopped preparation is resumed from."""
    left_out.check_missing(config, data_dir)
    if not any(clip.split == TRAIN for clip in source.clips):
        raise PrepareError(
            "the source has no training clips; check the paths, folds and split columns given"
        )
    write_json(data_dir / CONFIGURATION_NAME, configuration)
    return plan_shards(source, config, data_dir)


def _write_all(
    source: Source,
    left_out: Rejections,
    jobs: list[ShardJob],
    config: PrepareConfig,
    data_dir: Path,
    configuration: dict[str, Any],
    beam_args: Sequence[str],
) -> Manifest:
    """Writes all shards that are not whole yet, then the lists of clips and the manifest."""
    # Until the manifest is written, quarantined clips are tried again: the user may have
    # repaired them.
    retry_bad = not (data_dir / MANIFEST_NAME).is_file()
    unfinished = [job for job in jobs if _is_open(job, retry_bad)]
    _check_room(unfinished, config, data_dir)
    write_shards(unfinished, beam_args)
    reports = [_report(job) for job in jobs]
    quarantined = tuple(clip for report in reports for clip in report.quarantined)
    left_out = replace(left_out, quarantined=quarantined)
    left_out.check_quarantined(config, data_dir)
    left_out.save(data_dir)
    manifest = manifest_of(source, configuration, reports, left_out)
    manifest.save(data_dir)
    (data_dir / TABLE_NAME).unlink(missing_ok=True)
    return manifest


def _check_place(source: Source, data_dir: Path) -> None:
    """Refuses to write records where the source looks for recordings."""
    if source.searched and data_dir.resolve().is_relative_to(source.searched.resolve()):
        raise PrepareError(
            f"{data_dir} lies in the folder of recordings {source.searched}, to which nothing is "
            "written: the next preparation would take the records for recordings. Use a folder "
            "outside it"
        )


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


def _check_unedited(source: Source, config: PrepareConfig, data_dir: Path) -> None:
    """Checks that no recording of finished records was edited since they were written.

    Raises:
        PrepareError: recordings were edited; names the first one and the remedies.
    """
    changed: list[Clip] = []
    for path, clips in shard_clips(source, config, data_dir):
        states = known_states(path, len(clips))
        found = list(edited(clips, states, config.source_check)) if states else []
        changed += found
        if states and not found:
            note_times(path, clips, states)
    if changed:
        raise PrepareError(
            f"{len(changed)} recordings were edited after their records were written, such as "
            f"{changed[0].path}. Use another data_dir; or remove {data_dir / MANIFEST_NAME}, and "
            "only the shards of these recordings are written again; or train without the stage "
            "prepare, on the records as they are"
        )


def _check_directory(data_dir: Path, wanted: dict[str, Any], any_clips: bool = False) -> None:
    path = data_dir / CONFIGURATION_NAME
    if not path.is_file():
        return
    with naming_damage(path, "restore it, or use another data_dir", PrepareError):
        found = with_whole_front_end(read_json(path))
    if any_clips or not (data_dir / MANIFEST_NAME).is_file():
        # Not finished: the user may have repaired the source in the meantime. The report of each
        # shard has a fingerprint of its clips, so outdated shards are found.
        found["source"] = wanted["source"]
    check_configuration(found, wanted, data_dir)


def _check_room(jobs: list[ShardJob], config: PrepareConfig, data_dir: Path) -> None:
    """Refuses what cannot fit on the disk, and warns of what probably does not."""
    clips, size = sum(job.rows.count for job in jobs), config.clip_bytes
    require_room(data_dir, clips * size.least, "records")
    likely = clips * size.likely
    if (free := free_bytes(data_dir)) < likely:
        _log.warning(
            "the records may need %.2g GB and the disk of %s has %.2g GB free",
            *(likely / 1e9, data_dir, free / 1e9),
        )


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
