"""Writes one shard: decodes its clips, encodes records, and renames the file when it is whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.bandwidth import Bandwidths, bandwidth_hz
from aec_ofa_tf.audio.io.decode import DecodeError, fit_length
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from aec_ofa_tf.config import check_fields
from aec_ofa_tf.dataset import Rejected
from aec_ofa_tf.files import DAMAGE_ERRORS, fingerprint, read_json, replacing, sha256_of, write_json
from tfrecords.clip import Clip
from tfrecords.clip_format import ClipFormat
from tfrecords.clip_record import audio_example, log_mel_example
from tfrecords.clip_table import ClipRange
from tfrecords.manifest import Shard, damage
from tfrecords.record_file import write_examples
from tfrecords.recordings import CHECKS, State, edited, states_of, time_ns
from tfrecords.segment import decode_clip

_LARGEST_KEPT_BYTES = 31 << 20


@dataclass(frozen=True)
class ShardJob:
    """Everything that one shard depends on.

    Attributes:
        path: the shard's final path.
        split: the split that it belongs to.
        rows: its clips in stored order, in the table of all clips.
        format: how clips are stored.
        configuration: fingerprint of the preparation's configuration.
        source_check: how edited recordings are noticed (`recordings.CHECKS`).
    """

    path: Path
    split: str
    rows: ClipRange
    format: ClipFormat
    configuration: str
    source_check: str = CHECKS[0]

    def fingerprint(self) -> str:
        """Identifies the job, so that shards of other preparations are recognised.

        Times are not part of it, so that a copied data set has the same; see `recordings`.
        """
        clips = [
            (
                clip.id,
                clip.labels,
                os.stat(clip.file).st_size,  # noqa: PTH116
                *(() if clip.end_secs is None else (clip.begin_secs, clip.end_secs)),
            )
            for clip in self.rows.clips()
        ]
        return fingerprint([self.configuration, self.path.name, self.rows.labels(), clips])


@dataclass(frozen=True)
class ShardReport:
    """The result of writing a shard; stored beside the shard, after it.

    Attributes:
        job: fingerprint of the job.
        shard: the file.
        clips_per_label: label -> number of clips with this label.
        quarantined: clips without a record because they could not be decoded.
        silent: number of clips that are digital silence.
        notes: clip id -> oddities of a clip that was accepted.
        clips_per_count: number of labels (as text) -> number of clips with so many labels.
        bandwidths: bandwidth in Hz (as text) -> number of clips (`audio.bandwidth`).

    Raises:
        ValueError: a value has another type, or a bandwidth is no number.
    """

    job: str
    shard: Shard
    clips_per_label: Mapping[str, int]
    quarantined: tuple[Rejected, ...]
    silent: int
    notes: Mapping[str, str]
    clips_per_count: Mapping[str, int]
    bandwidths: Mapping[str, int]

    def __post_init__(self) -> None:
        check_fields(self)
        Bandwidths.parse(self.bandwidths)


def report_path(shard: Path) -> Path:
    """The path of a shard's report."""
    return shard.with_suffix(".json")


def finished(job: ShardJob) -> ShardReport | None:
    """The job's report, or None if its shard is not there, not whole or of another job.

    A shard of recordings that were edited since then counts as one of another job.
    """
    try:
        value = read_json(report_path(job.path))
        report = ShardReport(
            job=value["job"],
            shard=Shard(**value["shard"]),
            clips_per_label=value["clips_per_label"],
            quarantined=tuple(Rejected(**clip) for clip in value["quarantined"]),
            silent=value["silent"],
            notes=value["notes"],
            # Reports of earlier versions lack these entries; the manifest then leaves them empty.
            clips_per_count=value.get("clips_per_count", {}),
            bandwidths=value.get("bandwidths", {}),
        )
    except (OSError, *DAMAGE_ERRORS):
        return None  # absent or damaged: the shard is written again
    if report.job != job.fingerprint() or damage(job.path.parent, report.shard, read_all=True):
        return None
    states = known_states(job.path, job.rows.count)
    has_edited = bool(states) and any(edited(job.rows.clips(), states, job.source_check))
    return None if has_edited else report


def known_states(shard: Path, clips: int) -> list[State]:
    """The states of a shard's recordings when it was written, in stored order.

    Returns:
        None of them, if an earlier version wrote the shard or its report is not there.
    """
    try:
        states = [
            (int(time), int(crc)) for time, crc in read_json(report_path(shard))["recordings"]
        ]
    except (OSError, *DAMAGE_ERRORS):
        return []
    return states if len(states) == clips else []


def note_times(shard: Path, clips: Sequence[Clip], states: Sequence[State]) -> None:
    """Stores new times of recordings whose bytes are the same, so that these are read only once.

    Records that may only be read keep the old times.
    """
    renewed = [(time_ns(clip.path), crc) for clip, (_, crc) in zip(clips, states, strict=True)]
    if renewed != list(states):
        with suppress(OSError):
            report = report_path(shard)
            write_json(report, {**read_json(report), "recordings": renewed})


def write_shard(job: ShardJob) -> str:
    """Writes the shard, then its report; each gets its final name when it is complete.

    Returns:
        The shard's name.

    Raises:
        OSError: a file could not be written (a full disk, missing rights).
    """
    _keep_freed_memory()
    report_path(job.path).unlink(missing_ok=True)
    states = states_of(job.rows.clips())  # before decoding, so that later changes are noticed
    tally = _Tally(job.split)
    with replacing(job.path) as temporary:
        write_examples(_examples(job, tally), temporary, job.path)
        shard = Shard(
            name=job.path.name,
            split=job.split,
            clips=tally.clips,
            bytes=temporary.stat().st_size,
            sha256=sha256_of(temporary),
        )
    report = asdict(tally.report(job.fingerprint(), shard))
    write_json(report_path(job.path), {**report, "recordings": states})
    return job.path.name


@cache
def _keep_freed_memory() -> None:
    """Lets glibc keep the memory of a clip for the next one; has no effect elsewhere.

    Otherwise the memory goes back to the kernel, which clears every page again: a quarter of the
    time of a clip. glibc keeps what is smaller than the largest block that was ever freed, up to
    32 MiB (mallopt(3), M_MMAP_THRESHOLD). The block is not touched, so it takes no memory itself.
    """
    np.empty(_LARGEST_KEPT_BYTES, np.uint8)


class _Tally:
    """Counts what happens to a shard's clips."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.clips = 0
        self.silent = 0
        self.labels: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.bandwidths: Counter[str] = Counter()
        self.quarantined: list[Rejected] = []
        self.notes: dict[str, str] = {}

    def accept(self, clip: Clip, bandwidth: int | None, notes: tuple[str, ...]) -> None:
        """Counts a clip; its bandwidth is None if it is digital silence."""
        self.clips += 1
        self.silent += bandwidth is None
        if bandwidth is not None:
            self.bandwidths[str(bandwidth)] += 1
        self.labels.update(clip.labels)
        self.counts[str(len(set(clip.labels)))] += 1
        if notes:
            self.notes[clip.id] = "; ".join(notes)

    def quarantine(self, clip: Clip, reason: str) -> None:
        self.quarantined.append(Rejected(clip.id, self.split, clip.file, reason))

    def report(self, job: str, shard: Shard) -> ShardReport:
        return ShardReport(
            job=job,
            shard=shard,
            clips_per_label=dict(self.labels),
            quarantined=tuple(self.quarantined),
            silent=self.silent,
            notes=self.notes,
            clips_per_count=dict(self.counts),
            bandwidths=dict(self.bandwidths),
        )


def _examples(job: ShardJob, tally: _Tally) -> Iterator[bytes]:
    class_of = {label: index for index, label in enumerate(job.rows.labels())}
    encode = _encoder(job.format)
    for clip in job.rows.clips():
        try:
            decoded = decode_clip(clip, job.format)
            waveform = fit_length(
                decoded.waveform, job.format.clip_samples, job.format.length_policy
            )
        except DecodeError as error:
            tally.quarantine(clip, error.reason)
            continue
        rate_hz = job.format.front_end.sample_rate_hz
        bandwidth = bandwidth_hz(waveform, rate_hz) if waveform.any() else None
        tally.accept(clip, bandwidth, decoded.notes)
        yield encode(clip.id, sorted({class_of[label] for label in clip.labels}), waveform)


def _encoder(form: ClipFormat) -> Callable[[str, list[int], np.ndarray], bytes]:
    if form.payload == "audio":
        rate_hz = form.front_end.sample_rate_hz
        return lambda clip_id, classes, waveform: audio_example(clip_id, classes, waveform, rate_hz)
    return lambda clip_id, classes, waveform: log_mel_example(
        clip_id, classes, numpy_log_mel(waveform, form.front_end)
    )
