"""Labels that no file can hold, and classes that cannot be learnt or scored, are named at once."""

import os

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.classes import ClassCounts, ClassGap, check_ranked, check_trainable
from tfrecords.clip import SourceError
from tfrecords.sources.csv_list import read_csv
from tfrecords.sources.folder import read_folder


def counts(train, evaluation=(), labels="abc", single_label=False) -> ClassCounts:
    """Numbers of clips, each given by the letters that are its labels."""
    splits = {"train": train, "evaluation": evaluation}
    return ClassCounts(
        tuple(labels),
        {split: len(clips) for split, clips in splits.items()},
        {
            split: {x: sum(x in clip for clip in clips) for x in labels}
            for split, clips in splits.items()
        },
        single_label,
    )


def test_a_class_that_no_clip_or_every_clip_has_is_named_with_what_follows():
    (train, evaluation) = counts(["a", "b", "ab"], ["ab", "a"]).gaps

    assert str(train) == (
        "train clips: no clip has c: nothing is learnt about them, so their scores mean nothing"
    )
    assert str(evaluation) == (
        "evaluation clips: no clip has c; every clip has a: they are left out of mAP, mAUC and d', "
        "means over the other class"
    )
    assert evaluation == ClassGap.from_dict(evaluation.as_dict())
    assert counts(["a", "b", "c"]).gaps == ()


def test_many_classes_are_counted_in_a_message_and_named_in_json():
    labels = "abcdefghijklmnopqrstuvwxyz"
    (gap, _) = counts(["a", "b"], ["a", "b"], labels).gaps

    assert "no clip has c, d, e, f, g, h, i, j and 16 more" in str(gap)
    assert gap.as_dict()["without_positive"] == list(labels[2:])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (counts(["a", "a"], labels="a"), "'a' is the only class.*add recordings of other sounds"),
        (counts(["a", "a"]), "no class can be learnt.*every clip has a"),
        (counts(["ab", "ab"], labels="ab"), "add training clips that differ in their labels"),
        (counts(["a", "b"], labels=["a", "b\n"]), "contains a line break"),
    ],
)
def test_classes_that_cannot_be_learnt_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        check_trainable(numbers)


def test_one_class_can_be_learnt_from_clips_without_it():
    check_trainable(counts(["a", ""], labels="a"))


def test_only_a_mean_over_classes_needs_a_class_with_and_without_clips():
    numbers = counts(["a", "b"], ["a", "a"], labels="ab", single_label=True)

    with pytest.raises(ValueError, match=r"2 evaluation clips.*no clip has b; every clip has a"):
        check_ranked(numbers, "multi_label", ["evaluation"])
    for task in ("single_label", "auto"):
        check_ranked(numbers, task, ["evaluation"])


@pytest.mark.parametrize("label", ["Dog\u2028big", '"Dog\nbig"', "Dog\x85big"])
def test_a_label_with_a_line_break_is_refused_where_it_is_read(tmp_path, label):
    for name in ("1.wav", "2.wav"):
        soundfile.write(tmp_path / name, np.zeros(100), 16000)
    path = tmp_path / "clips.csv"
    path.write_text(f"path,labels,split\n1.wav,{label},train\n2.wav,cat,train\n", "utf-8")

    with pytest.raises(SourceError, match="contains a line break, so no TFLite file can hold it"):
        read_csv(path)


def test_a_class_folder_that_is_not_utf_8_is_refused_where_it_is_read(tmp_path):
    for name in (b"cat", b"b\xe4r"):
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        (folder / "a.wav").touch()

    with pytest.raises(SourceError, match=r"'b\\udce4r' is not UTF-8.*rename the class"):
        read_folder(tmp_path)
