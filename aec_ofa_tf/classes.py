"""Finds classes that cannot be learnt or ranked, before anything is trained. No TensorFlow here.

A class needs clips that have it and clips that do not have it: otherwise nothing is learnt, and its
average precision is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aec_ofa_tf.dataset import SPLITS, TRAIN, Dataset
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.labels import check_labels
from aec_ofa_tf.tasks import MULTI_LABEL, default_task, get_task

_MOST_NAMES = 8
"""Classes that a message names; JSON has all of them."""


@dataclass(frozen=True)
class ClassCounts:
    """Numbers of clips.

    Attributes:
        labels: names of the classes.
        clips: split -> number of clips; splits without clips may be left out.
        clips_per_label: split -> label -> number of clips with this label.
        single_label: whether every clip has exactly one of several labels.
    """

    labels: tuple[str, ...]
    clips: Mapping[str, int]
    clips_per_label: Mapping[str, Mapping[str, int]]
    single_label: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> ClassCounts:
        """The numbers of a data set."""
        labels = dataset.labels
        return cls(
            labels,
            {split: dataset.clips(split) for split in SPLITS},
            {s: dict(zip(labels, dataset.clips_per_label(s), strict=True)) for s in SPLITS},
            dataset.single_label,
        )

    def gap(self, split: str) -> ClassGap:
        """The classes of a split that no clip has, and those that every clip has."""
        clips, counts = self.clips.get(split, 0), self.clips_per_label.get(split, {})
        return ClassGap(
            split,
            tuple(label for label in self.labels if clips and not counts.get(label)),
            tuple(label for label in self.labels if clips and counts.get(label) == clips),
            len(self.labels),
        )

    @property
    def gaps(self) -> tuple[ClassGap, ...]:
        """The gaps of all splits that have one."""
        found = (self.gap(split) for split in SPLITS)
        return tuple(gap for gap in found if gap.classes_left_out)


@dataclass(frozen=True)
class ClassGap:
    """The classes of a split whose average precision is not defined.

    Attributes:
        split: the split.
        without_positive: classes that no clip has.
        without_negative: classes that every clip has.
        classes: number of all classes.
    """

    split: str
    without_positive: tuple[str, ...]
    without_negative: tuple[str, ...]
    classes: int

    @property
    def classes_left_out(self) -> int:
        """Number of classes that are not part of mAP, mAUC and d'."""
        return len(self.without_positive) + len(self.without_negative)

    @property
    def effect(self) -> str:
        """What follows from it."""
        if self.split == TRAIN:
            return "nothing is learnt about them, so their scores mean nothing"
        rest = self.classes - self.classes_left_out
        if not rest:
            return "mAP, mAUC and d' are not defined"
        others = "class" if rest == 1 else f"{rest} classes"
        return f"they are left out of mAP, mAUC and d', means over the other {others}"

    def __str__(self) -> str:
        """A sentence for logs and tables."""
        groups = {"no clip has": self.without_positive, "every clip has": self.without_negative}
        found = "; ".join(f"{words} {_listed(names)}" for words, names in groups.items() if names)
        return f"{self.split} clips: {found}: {self.effect}"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "split": self.split,
            "classes": self.classes,
            "without_positive": list(self.without_positive),
            "without_negative": list(self.without_negative),
            "effect": self.effect,
        }

    @classmethod
    def from_dict(cls, row: JsonObject) -> ClassGap:
        """Reads what `as_dict` described."""
        return cls(
            row["split"],
            tuple(row["without_positive"]),
            tuple(row["without_negative"]),
            row["classes"],
        )


def check_trainable(counts: ClassCounts) -> None:
    """Checks that there is something to learn.

    Raises:
        ValueError: a label cannot be written, or no class has training clips with it and without
            it, as where there is one class only.
    """
    check_labels(counts.labels)
    gap = counts.gap(TRAIN)
    if not counts.clips.get(TRAIN) or gap.classes_left_out < gap.classes:
        return
    if len(counts.labels) == 1:
        raise ValueError(
            f"{counts.labels[0]!r} is the only class and every training clip has it, so there is "
            "nothing to tell it from: add recordings of other sounds, as a second class or in a "
            "list (csv) as rows without a label"
        )
    raise ValueError(
        f"no class can be learnt from the {gap}; add training clips that differ in their labels"
    )


def check_ranked(counts: ClassCounts, task: str, splits: Sequence[str]) -> None:
    """Checks that the task's figure is defined. Accuracy always is.

    Args:
        counts: numbers of clips.
        task: name of the task, or "auto".
        splits: splits on which networks will be scored; those without clips are left out.

    Raises:
        ValueError: on one of the splits no class has clips with it and clips without it.
    """
    name = default_task(counts.single_label) if task == "auto" else task
    for split in splits if get_task(name).figure == MULTI_LABEL.figure else ():
        gap = counts.gap(split)
        if counts.clips.get(split) and gap.classes_left_out == gap.classes:
            raise ValueError(
                f"mAP is not defined on the {counts.clips[split]} {split} clips, and without it "
                f"networks cannot be compared ({gap}); prepare with more {split} clips, so that "
                "some have a class and others do not"
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"
