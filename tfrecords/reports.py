"""Adds the reports of shards up to the manifest of a directory of records."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tfrecords.clip import SPLITS, Source
from tfrecords.manifest import Manifest, Shard
from tfrecords.rejections import Rejections
from tfrecords.shard_writer import ShardReport


def manifest_of(
    source: Source,
    configuration: dict[str, Any],
    reports: list[ShardReport],
    left_out: Rejections,
) -> Manifest:
    """The manifest of finished shards.

    Args:
        source: where their clips come from.
        configuration: what the records depend on, as JSON values.
        reports: the shards' reports in stored order.
        left_out: clips without a record.
    """
    per_label = {split: dict.fromkeys(source.labels, 0) for split in SPLITS}
    for report in reports:
        for label, count in report.clips_per_label.items():
            per_label[report.shard.split][label] += count
    per_count: Counter[str] = Counter()
    per_bandwidth: Counter[str] = Counter()
    for report in reports:
        per_count.update(report.clips_per_count)
        per_bandwidth.update(report.bandwidths)
    shards: tuple[Shard, ...] = tuple(report.shard for report in reports)
    clips, silent = sum(shard.clips for shard in shards), sum(report.silent for report in reports)
    known = per_count.total() == clips
    measured = per_bandwidth.total() == clips - silent
    return Manifest(
        configuration=configuration,
        labels=source.labels,
        shards=shards,
        clips_per_label=per_label,
        quarantined=left_out.quarantined,
        missing=left_out.missing,
        silent=silent,
        notes={key: note for report in reports for key, note in report.notes.items()},
        facts=dict(source.facts),
        clips_per_count=dict(sorted(per_count.items())) if known else {},
        clips_per_bandwidth=dict(sorted(per_bandwidth.items(), key=_number)) if measured else {},
    )


def _number(item: tuple[str, int]) -> int:
    return int(item[0])
