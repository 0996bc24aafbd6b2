"""The data of a run in numbers: clips, balance of classes, and clips that were left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aec_ofa_tf.classes import ClassCounts
from aec_ofa_tf.dataset import SPLITS, Dataset, Rejected

MOST_REJECTED = 20


@dataclass(frozen=True)
class DataSummary:
    """What a report tells about the data.

    Attributes:
        name: name of the data set or of its layout.
        clips: number of clips by split.
        labels: names of the classes, the one with most training clips first.
        balance: number of clips by split, for every class.
        quarantined: number of clips that could not be decoded.
        missing: number of clips without a file.
        rejected: the first of them.
        gaps: sentences about classes that a split cannot rank.
    """

    name: str
    clips: Mapping[str, int]
    labels: tuple[str, ...]
    balance: Mapping[str, tuple[int, ...]]
    quarantined: int
    missing: int
    rejected: tuple[Rejected, ...]
    gaps: tuple[str, ...]


def summarise(records: Dataset) -> DataSummary:
    """The summary of a data set."""
    counts, summary = ClassCounts.of(records), records.summary
    splits = [split for split in SPLITS if counts.clips[split]]
    by_class = [tuple(counts.clips_per_label[s][label] for s in splits) for label in counts.labels]
    order = sorted(range(len(by_class)), key=lambda index: by_class[index], reverse=True)
    return DataSummary(
        name=summary.name,
        clips={split: counts.clips[split] for split in splits},
        labels=tuple(counts.labels[index] for index in order),
        balance={s: tuple(by_class[i][n] for i in order) for n, s in enumerate(splits)},
        quarantined=summary.quarantined,
        missing=summary.missing,
        rejected=tuple(summary.rejected[:MOST_REJECTED]),
        gaps=tuple(map(str, counts.gaps)),
    )
