"""Draws validation and evaluation clips: by class, by recording, and the same at every start."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tfrecords.clip import EVALUATION, SPLITS, TRAIN, VALIDATION, Row, SourceError, stable_hash

# A class with fewer groups is for training.
_LEAST_GROUPS = 3
_NAMED = 10


def draw_splits(
    groups: Mapping[str, Collection[str]],
    validation_fraction: float,
    evaluation_fraction: float,
    *,
    order_of: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Divides groups of clips among the splits, class by class.

    A group with several classes counts for the one that has the fewest groups (at a tie, the first
    by name). The groups of a class are ordered by the SHA-256 of their names. Of n groups, the
    first round(n * validation_fraction) are for validation, the last round(n *
    evaluation_fraction) for evaluation, and the others for training. Of three groups or more, each
    split with a positive fraction receives at least one; fewer than three are for training. If a
    split then has no group at all, it receives one of the class with most training groups, which
    must keep one.

    The order does not depend on which groups there are. So if a group is added to a class with
    three groups or more, at most one other group of this class joins or leaves validation, and at
    most one evaluation; no group changes from one of these to the other, and other classes keep
    their splits (if their groups have one class each).

    Args:
        groups: name -> classes of its clips, which may be none.
        validation_fraction: share of the groups for validation.
        evaluation_fraction: share of the groups for evaluation.
        order_of: name of a group -> the text by whose hash it is ordered, if it is not its name.

    Returns:
        Name of every group -> split.

    Raises:
        SourceError: a fraction is negative, or they leave nothing for training.
    """
    check_fractions(validation_fraction, evaluation_fraction)
    split_of: dict[str, str] = {}
    for members in _by_class(groups, order_of).values():
        validation, evaluation = _quotas(len(members), validation_fraction, evaluation_fraction)
        for rank, name in enumerate(members):
            if rank < validation:
                split_of[name] = VALIDATION
            else:
                is_last = rank >= len(members) - evaluation
                split_of[name] = EVALUATION if is_last else TRAIN
    wanted = {VALIDATION: validation_fraction, EVALUATION: evaluation_fraction}
    for split, fraction in wanted.items():
        if fraction > 0 and split not in split_of.values():
            _fill(split, split_of, groups, order_of)
    return split_of


def coverage_notes(
    rows: Iterable[Row], group_of: Mapping[str, str], wanted: Iterable[str], remedy: str
) -> tuple[str, ...]:
    """Sentences on splits that lack classes, and on groups that hold everything.

    Args:
        rows: the clips with their splits.
        group_of: id of a clip -> its group.
        wanted: the splits that should have clips of every class.
        remedy: how to change the grouping, as the end of a sentence.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    clips: Counter[str] = Counter()
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        clips.update(row.clip.labels)
        for label in row.clip.labels:
            groups[label].add(group_of[row.clip.id])
            found[row.clip.split].add(label)
    notes = []
    lumped = [f"{label} ({clips[label]})" for label in sorted(groups) if len(groups[label]) == 1]
    if lumped and any(clips[label] > 1 for label in groups if len(groups[label]) == 1):
        notes.append(f"one recording holds all clips of {_listed(lumped)}; {remedy}")
    for split in wanted:
        absent = sorted(groups.keys() - found[split])
        if absent:
            counted = [f"{label} ({len(groups[label])})" for label in absent]
            notes.append(
                f"no {split} clip of {_listed(counted)}: in brackets the number of recordings, of "
                "which a class needs three to be in every split"
            )
    return tuple(notes)


def drawn_rows(
    rows: Sequence[Row],
    group_of: Mapping[str, str],
    validation_fraction: float,
    evaluation_fraction: float,
    *,
    order_of: Mapping[str, str] = MappingProxyType({}),
) -> list[Row]:
    """Rows in which clips for training are divided by `draw_splits`.

    Args:
        rows: the clips.
        group_of: id of a clip -> its group.
        validation_fraction: share of the groups for validation.
        evaluation_fraction: share of the groups for evaluation.
        order_of: as for `draw_splits`.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.clip.split == TRAIN:
            classes[group_of[row.clip.id]].update(row.clip.labels)
    split_of = draw_splits(classes, validation_fraction, evaluation_fraction, order_of=order_of)

    def drawn(row: Row) -> Row:
        split = split_of[group_of[row.clip.id]] if row.clip.split == TRAIN else row.clip.split
        return replace(row, clip=replace(row.clip, split=split))

    return [drawn(row) for row in rows]


def check_given(rows: Iterable[Row], group_of: Mapping[str, str], what: str) -> None:
    """Checks that the splits which a data set gives keep every group together.

    Args:
        rows: the clips.
        group_of: id of a clip -> its group.
        what: what a group is, for the message.

    Raises:
        SourceError: clips of one group are in two splits.
    """
    first: dict[str, Row] = {}
    for row in rows:
        group = group_of[row.clip.id]
        other = first.setdefault(group, row)
        if other.clip.split != row.clip.split:
            raise SourceError(
                f"{row.place}: {what} {group!r} is in split {row.clip.split!r}, but in "
                f"{other.clip.split!r} at {other.place}; a model would be tested on what it has "
                f"learnt. Give one split to all clips of {group!r}"
            )


def absent_splits(rows: Iterable[Row]) -> list[str]:
    """The splits without a row."""
    present = {row.clip.split for row in rows}
    return [split for split in SPLITS if split not in present]


def check_fractions(validation_fraction: float, evaluation_fraction: float) -> None:
    """Checks shares of validation and evaluation.

    Raises:
        SourceError: one is negative, or they leave nothing for training.
    """
    if min(validation_fraction, evaluation_fraction) < 0 or (
        validation_fraction + evaluation_fraction >= 1
    ):
        raise SourceError(
            "validation and evaluation fractions must not be negative and must sum to less than "
            f"1, received {validation_fraction} and {evaluation_fraction}"
        )


def share_of(name: str) -> float:
    """A number in [0, 1) that depends on a name only."""
    return int.from_bytes(stable_hash(name)[:8], "big") / 2.0**64


def _by_class(
    groups: Mapping[str, Collection[str]], order_of: Mapping[str, str]
) -> dict[str, list[str]]:
    """Class -> the groups that count for it, in the order of their hashes."""
    counts = Counter(label for labels in groups.values() for label in set(labels))
    members: dict[str, list[str]] = defaultdict(list)
    for name, labels in groups.items():
        members[min(labels, key=lambda label: (counts[label], label), default="")].append(name)

    def order(name: str) -> tuple[bytes, bytes, str]:
        return stable_hash(order_of.get(name, name)), stable_hash(name), name

    return {label: sorted(names, key=order) for label, names in sorted(members.items())}


def _quotas(count: int, validation_fraction: float, evaluation_fraction: float) -> tuple[int, int]:
    if count < _LEAST_GROUPS:
        return 0, 0
    validation, evaluation = (
        max(1, math.floor(count * fraction + 0.5)) if fraction > 0 else 0
        for fraction in (validation_fraction, evaluation_fraction)
    )
    while validation + evaluation >= count:
        if validation > evaluation:
            validation -= 1
        else:
            evaluation -= 1
    return validation, evaluation


def _fill(
    split: str,
    split_of: dict[str, str],
    groups: Mapping[str, Collection[str]],
    order_of: Mapping[str, str],
) -> None:
    """Moves one training group to a split that has none, unless its class has no other."""
    training = {name: labels for name, labels in groups.items() if split_of[name] == TRAIN}
    classes = _by_class(training, order_of)
    largest = max(classes, key=lambda label: len(classes[label]), default="")
    if len(classes.get(largest, ())) > 1:
        split_of[classes[largest][0 if split == VALIDATION else -1]] = split


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
