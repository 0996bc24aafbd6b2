"""From a source's clips to shards of records and a manifest, through Apache Beam."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from aec_ofa_tf.files import exclusive, fingerprint, read_json, remove_partial, write_json
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
_PROGRESS_SECS = 0.5

_log = logging.getLogger(__name__)


def prepare_records(
    source: Source,
    data_dir: str | os.PathLike[str],
    config: PrepareConfig,
    beam_args: Sequence[str] = (),
) -> Records:
    """Prepares a source and opens its records: `prepare` for users of the library.

    Args:
        source: labelled clips, from `read_folder`, `read_csv` or another reader.
        data_dir: where the records go.
        config: how clips are stored.
        beam_args: Apache Beam's pipeline options.

    Raises:
        PrepareError, BusyError, OSError: as `prepare`.

    Example:
        records = prepare_records(
            read_folder("recordings"), "data", PrepareConfig("folder", clip_secs=4.0)
        )
    """
    from tfrecords.records import open_records  # which imports TensorFlow; preparation does not

    prepare(source, config, Path(data_dir), beam_args)
    return open_records(Path(data_dir))


def prepare(
    source: Source, config: PrepareConfig, data_dir: Path, beam_args: Sequence[str] = ()
) -> Manifest:
    """Writes the records of `source` to `data_dir`; keeps what is already whole there.

    Clips of a split are ordered by a hash of their id, so that any prefix is a random sample.
    Equal source and configuration give equal bytes, however often the work was broken off.

    Args:
        source: labelled clips.
        config: how they are stored.
        data_dir: where the shards and `manifest.json` go.
        beam_args: Apache Beam's pipeline options, for example
            ("--direct_running_mode=multi_processing", "--direct_num_workers=8").

    Returns:
        The manifest, as written.

    Raises:
        PrepareError: no training clips, a directory with another configuration, options that
            Beam does not take, or more undecodable or missing clips than the bounds allow
            (listed in `rejected.json`).
        BusyError: another job prepares the directory.
        OSError: a file could not be written.
    """
    data_dir = Path(data_dir)
    with exclusive(data_dir):
        configuration = config.recorded(source)
        _check_directory(data_dir, configuration)
        complete = _complete(data_dir)
        if complete is not None:
            # The bounds are no part of the configuration: they may have been lowered since.
            left_out = Rejections.of_manifest(complete)
            left_out.check_missing(config, data_dir)
            left_out.check_quarantined(config, data_dir)
            return complete
        Rejections.of_source(source).check_missing(config, data_dir)
        if not source.split(TRAIN):
            raise PrepareError(
                "the source has no training clips; check the paths, folds and split columns given"
            )
        write_json(data_dir / CONFIGURATION_NAME, configuration)
        jobs = _jobs(source, config, data_dir)
        _remove_strays(data_dir, jobs)
        # Until all is done, clips that were bad before are tried again: the user may have
        # repaired them.
        retry_bad = not (data_dir / MANIFEST_NAME).is_file()
        _run([job for job in jobs if _is_open(job, retry_bad)], beam_args)
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
        _log.warning("%s %s; it is written again", data_dir / name, problem)
    return None if broken else manifest


def _check_directory(data_dir: Path, wanted: dict[str, Any]) -> None:
    path = data_dir / CONFIGURATION_NAME
    if not path.is_file():
        return
    found = read_json(path)
    if not (data_dir / MANIFEST_NAME).is_file():
        # Not finished: the user may have repaired the source since. Shards know their clips.
        found["source"] = wanted["source"]
    check_configuration(found, wanted, data_dir)


def _remove_strays(data_dir: Path, jobs: list[ShardJob]) -> None:
    """Removes what killed jobs, or an unfinished preparation of another source, left behind."""
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


def _run(open_jobs: list[ShardJob], beam_args: Sequence[str]) -> None:
    if not open_jobs:
        return
    beam = _import_beam()
    options = _beam_options(beam_args)
    for job in open_jobs:
        report_path(job.path).unlink(missing_ok=True)
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    # "DirectRunner" may fetch and start a runner in Go; this one is in-process and offline.
    named = any(argument.startswith("--runner") for argument in beam_args)
    with (
        _Progress(open_jobs),
        beam.Pipeline(runner=None if named else FnApiRunner(), options=options) as pipeline,
    ):
        _ = pipeline | beam.Create(open_jobs) | beam.Reshuffle() | beam.Map(_try_shard)


def _try_shard(job: ShardJob) -> None:
    """Writes a shard where Beam runs, and leaves it open where that fails.

    Beam would print an exception with its own stack before passing it on. A shard that is not
    there afterwards is tried again by `_report`, whose error reaches the user as it is.
    """
    with suppress(OSError):
        write_shard(job)


def _beam_options(beam_args: Sequence[str]) -> Any:
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions(list(beam_args))
    usage = io.StringIO()
    try:
        with redirect_stderr(usage):
            options.get_all_options()  # reads the values; Beam's parser exits at a wrong one
    except SystemExit as error:
        reason = usage.getvalue().strip().rpartition("error: ")[2]
        raise PrepareError(
            f"Apache Beam does not take --beam_arg={' --beam_arg='.join(beam_args)}: {reason}"
        ) from error
    return options


def _import_beam() -> Any:
    """Beam, imported only when there is work: it takes a second and warns of clouds unused."""
    logging.disable(logging.WARNING)
    try:
        import apache_beam
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    return apache_beam


class _Progress:
    """A bar of finished shards, counted on disk because workers may be other processes."""

    def __init__(self, jobs: list[ShardJob]) -> None:
        self._waiting = {report_path(job.path) for job in jobs}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        with tqdm(total=len(self._waiting), desc="prepare", unit="shard") as bar:
            ended = False
            while not ended:
                ended = self._ended.wait(_PROGRESS_SECS)
                done = {path for path in self._waiting if path.exists()}
                self._waiting -= done
                bar.update(len(done))


def _report(job: ShardJob) -> ShardReport:
    report = finished(job)
    if report is None:
        write_shard(job)
        report = finished(job)
    if report is None:
        raise OSError(f"{job.path} was not written as it should be; check the disk, prepare again")
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
