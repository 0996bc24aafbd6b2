"""The rule of drawing splits, as properties."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords.clip import EVALUATION, SPLITS, TRAIN, VALIDATION, Clip, Row, SourceError
from tfrecords.sources.splits import check_given, coverage_notes, draw_splits

FRACTIONS = st.sampled_from([(0.1, 0.1), (0.2, 0.1), (0.3, 0.3), (0.45, 0.45), (0.9, 0.05)])
SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(3, 40), min_size=1)
NAMES = st.sets(st.integers(0, 10**6), min_size=3, max_size=40)
PROPERTY = settings(max_examples=60, deadline=None)


def of_sizes(sizes):
    return {f"{label}{number}": [label] for label in sizes for number in range(sizes[label])}


def counts(split_of, label):
    return Counter(split for name, split in split_of.items() if name.startswith(label))


@PROPERTY
@given(SIZES, FRACTIONS)
def test_every_class_has_its_share_of_every_split(sizes, fractions):
    split_of = draw_splits(of_sizes(sizes), *fractions)
    for label, size in sizes.items():
        found = counts(split_of, label)
        assert min(found[split] for split in SPLITS) >= 1
        wanted = dict(zip((VALIDATION, EVALUATION), fractions, strict=True))
        if all(size * share >= 1 for share in fractions) and size * (1 - sum(fractions)) >= 2:
            assert all(abs(found[split] - size * wanted[split]) <= 0.5 for split in wanted)


@PROPERTY
@given(NAMES, st.integers(10**6 + 1, 2 * 10**6), FRACTIONS)
def test_one_more_recording_moves_at_most_one_other_across_each_bound(numbers, new, fractions):
    groups = {f"a{number}": ["a"] for number in numbers} | of_sizes({"b": 9})
    before = draw_splits(groups, *fractions)
    after = draw_splits({**groups, f"a{new}": ["a"]}, *fractions)
    moved = {name for name in before if before[name] != after[name]}
    assert not [name for name in moved if name.startswith("b")]
    bounds = Counter(frozenset((before[name], after[name])) for name in moved)
    assert bounds[frozenset((VALIDATION, EVALUATION))] == 0
    assert all(count <= 1 for count in bounds.values())


@PROPERTY
@given(st.permutations(list(of_sizes({"a": 5, "b": 2, "c": 12}).items())), FRACTIONS)
def test_the_order_on_disk_does_not_matter(items, fractions):
    assert draw_splits(dict(items), *fractions) == draw_splits(dict(sorted(items)), *fractions)


@PROPERTY
@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), st.sets(st.sampled_from("abc"))))
def test_groups_of_any_classes_leave_no_split_empty(groups):
    split_of = draw_splits(groups, 0.1, 0.1)
    assert split_of.keys() == groups.keys()
    strata = len({frozenset(labels) for labels in groups.values()})
    if len(groups) >= 3 and strata == 1:
        assert set(split_of.values()) == set(SPLITS)
    if groups:
        assert TRAIN in split_of.values()


def test_twelve_clips_of_two_classes():
    found = Counter(draw_splits(of_sizes({"dog": 6, "cat": 6}), 0.1, 0.1).values())
    assert found == {TRAIN: 8, VALIDATION: 2, EVALUATION: 2}


def test_pairs_fill_the_splits_that_would_be_empty():
    split_of = draw_splits(of_sizes({"dog": 2, "cat": 2}), 0.1, 0.1)
    assert Counter(split_of.values()) == {TRAIN: 2, VALIDATION: 1, EVALUATION: 1}
    assert counts(split_of, "dog")[TRAIN] == counts(split_of, "cat")[TRAIN] == 1
    assert set(draw_splits(of_sizes({"dog": 1, "cat": 1}), 0.1, 0.1).values()) == {TRAIN}


def test_a_fraction_of_zero_gives_none():
    assert set(draw_splits(of_sizes({"dog": 9}), 0, 0.2).values()) == {TRAIN, EVALUATION}
    with pytest.raises(SourceError, match="less than 1"):
        draw_splits({}, 0.5, 0.5)


def row(clip_id, label, split):
    return Row(Clip(clip_id, clip_id, (label,), split), f"list:{clip_id}")


def test_what_a_grouping_leaves_out_is_said_with_the_classes():
    rows = [row(f"{label}{n}", label, TRAIN) for label in ("cat", "dog") for n in range(4)]
    lumped = coverage_notes(rows, dict.fromkeys((r.clip.id for r in rows), "x"), [], "mend it")
    assert lumped == ("one recording holds all clips of cat (4), dog (4); mend it",)
    rows += [row(f"b{n}", "bee", split) for n, split in enumerate(SPLITS)]
    single = {r.clip.id: r.clip.id for r in rows}
    (note,) = coverage_notes(rows, single, [VALIDATION], "")
    assert note.startswith("no validation clip of cat (4), dog (4): in brackets")


def test_a_group_in_two_given_splits_is_an_error():
    rows = [row("1", "dog", TRAIN), row("2", "dog", EVALUATION)]
    check_given(rows, {"1": "ann", "2": "bob"}, "speaker")
    with pytest.raises(SourceError, match="list:2: speaker 'ann' is in split 'evaluation', but in"):
        check_given(rows, {"1": "ann", "2": "ann"}, "speaker")
