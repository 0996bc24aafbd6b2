"""Folders as they lie on disks, and lists without splits."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from tests.recordings import digests, noise, write
from tfrecords.clip import EVALUATION, SPLITS, TRAIN, VALIDATION, SourceError
from tfrecords.prepare import PrepareConfig, PrepareError, prepare
from tfrecords.sources.csv_list import read_csv
from tfrecords.sources.folder import read_folder
from tfrecords.sources.recognise import layouts_of, recognise

SHORT = noise(0.01)


def classes(root: Path, *names: str, clips: int = 6) -> Path:
    for name in names:
        for number in range(clips):
            write(root / name / f"{Path(name).name}{number}.wav", SHORT)
    return root


def distinct(root: Path, *names: str, clips: int = 6) -> Path:
    """No two files hold the same bytes, though files of different folders share names."""
    for place, name in enumerate(names):
        for number in range(clips):
            write(root / name / f"{number}.wav", noise(0.01, seed=100 * place + number))
    return root


def split_of(source) -> dict[str, str]:
    return {clip.id: clip.split for clip in source.clips}


def test_twelve_clips_are_in_all_splits_and_foreign_folders_are_no_classes(tmp_path):
    root = classes(tmp_path, "dog", "cat", "__MACOSX/dog", "@eaDir", ".git")
    (root / "empty").mkdir()
    source = read_folder(root)
    assert source.labels == ("cat", "dog")
    assert Counter(split_of(source).values()) == {TRAIN: 8, VALIDATION: 2, EVALUATION: 2}
    for split in SPLITS:
        assert {clip.labels for clip in source.split(split)} == {("cat",), ("dog",)}
    assert source.notes == ("not a class, for lack of files: empty",)


def test_folders_of_splits_are_recognised(tmp_path):
    root = classes(tmp_path, "train/dog", "train/cat", "validation/dog", "test/dog", "test/cat")
    source = read_folder(root)
    assert source.labels == ("cat", "dog")
    assert split_of(source)["train/cat/cat0.wav"] == TRAIN
    assert split_of(source)["validation/dog/dog0.wav"] == VALIDATION
    assert split_of(source)["test/dog/dog0.wav"] == EVALUATION
    assert source.facts["split_folders"]


def test_a_split_without_a_folder_is_drawn_from_training(tmp_path):
    source = read_folder(distinct(tmp_path, "train/dog", "train/cat", "test/dog", "test/cat"))
    assert Counter(split_of(source).values()) == {TRAIN: 10, VALIDATION: 2, EVALUATION: 12}
    assert all(clip.id.startswith("train/") for clip in source.split(VALIDATION))
    assert source.notes == ("validation clips are drawn from training: they have no folder",)
    few = read_folder(classes(tmp_path / "few", "train/dog", "test/cat", clips=1))
    assert any(note.startswith("no validation clip of dog (1)") for note in few.notes)


@pytest.mark.parametrize("other", ["bus", "test"])
def test_a_class_named_train_is_a_class(tmp_path, other):
    assert read_folder(classes(tmp_path, "train", other)).labels == tuple(sorted(("train", other)))


def test_a_recording_in_two_folders_of_splits_is_told(tmp_path):
    for name in ("train/dog/r1_0.wav", "train/dog/r2_0.wav", "test/dog/r1_1.wav"):
        write(tmp_path / name, SHORT)
    notes = read_folder(tmp_path, 0, 0, "(.+)_[0-9]+").notes
    assert any(
        note.startswith("1 recordings are in several splits, such as 'r1'") for note in notes
    )


def test_linked_folders_in_a_class_are_read(tmp_path):
    root = classes(tmp_path, "dog", "cat", ".pool", clips=3)
    (root / "dog" / "more").symlink_to("../.pool")
    assert "dog/more/.pool0.wav" not in split_of(read_folder(root))  # a hidden file
    write(root / ".pool" / "p.wav", SHORT)
    assert "dog/more/p.wav" in split_of(read_folder(root))


def test_a_pattern_that_takes_all_files_for_one_recording_is_told(tmp_path):
    source = read_folder(classes(tmp_path, "dog", "cat"), source_pattern="([a-z]+)")
    assert set(split_of(source).values()) <= set(SPLITS)
    assert source.notes[0].startswith("one recording holds all clips of cat (6), dog (6); ")
    assert "source_pattern='([a-z]+)'" in source.notes[0]
    assert any(note.startswith("no validation clip of cat (1)") for note in source.notes)


@pytest.mark.parametrize(
    ("pattern", "group_by", "place"),
    [
        ("(?P<take>(?P<speaker>.+)_nohash_.+)", "speaker", "{label}/s{speaker}_nohash_{take}.wav"),
        ("(.*)", "folder", "{label}/s{speaker}/{label}{take}.wav"),
    ],
)
def test_speakers_are_in_one_split(tmp_path, pattern, group_by, place):
    for label in ("yes", "no"):
        for speaker in range(8):
            for take in range(2):
                name = place.format(label=label, speaker=speaker, take=take)
                write(tmp_path / name, SHORT)
    source = read_folder(tmp_path, 0.2, 0.2, pattern, group_by)
    where: dict[str, set[str]] = {}
    for clip in source.clips:
        speaker = next(part for part in clip.id.replace("_", "/").split("/") if part[0] == "s")
        where.setdefault(speaker, set()).add(clip.split)
    assert len(where) == 8
    assert all(len(splits) == 1 for splits in where.values())
    assert set.union(*where.values()) == set(SPLITS)


def test_a_group_that_the_pattern_lacks_is_named(tmp_path):
    classes(tmp_path, "dog")
    with pytest.raises(SourceError, match=r"group_by='speaker' names no group .*\(\?P<speaker>"):
        read_folder(tmp_path, group_by="speaker")
    with pytest.raises(SourceError, match="split_rule is one of"):
        read_folder(tmp_path, split_rule="random")


def test_records_of_the_earlier_rule_keep_it_or_are_refused(tmp_path):
    root, records = classes(tmp_path / "raw", "dog", "cat", clips=20), tmp_path / "records"
    (root / "empty").mkdir()
    earlier = read_folder(root, 0.2, 0.3, split_rule="by_hash")
    assert earlier.labels == ("cat", "dog", "empty")
    for clip in earlier.clips:
        digest = hashlib.sha256(clip.path.stem.encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        expected = EVALUATION if share < 0.5 else TRAIN
        assert clip.split == (VALIDATION if share < 0.2 else expected)
    config = PrepareConfig("folder", 0.2)
    manifest = prepare(earlier, config, records)
    assert "split_rule" not in manifest.configuration  # as in records of the first version
    before = digests(records)
    with pytest.raises(PrepareError, match="Set split_rule=by_hash to keep its records"):
        prepare(read_folder(root, 0.2, 0.3), config, records)
    assert digests(records) == before
    assert prepare(read_folder(root, 0.2, 0.3, split_rule="by_hash"), config, records) == manifest
    stratified = prepare(read_folder(root, 0.2, 0.3), config, tmp_path / "new")
    assert stratified.configuration["split_rule"] == "stratified"
    with pytest.raises(PrepareError, match="Set split_rule=stratified to keep"):
        prepare(earlier, config, tmp_path / "new")


def listed(folder: Path, rows: list[str], header: str) -> Path:
    path = folder / "clips.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def speech(folder: Path, split: str = "") -> Path:
    rows = []
    for number in range(24):
        write(folder / f"{number}.wav", SHORT)
        rows.append(f"{number}.wav,{('yes', 'no')[number % 2]},s{number // 4}{split}")
    return listed(folder, rows, "path,labels,speaker" + (",split" if split else ""))


def test_a_list_without_splits_is_drawn_by_a_column(tmp_path):
    source = read_csv(speech(tmp_path), group_by="speaker")
    by_speaker = {}
    for clip in source.clips:
        by_speaker.setdefault(int(clip.path.stem) // 4, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in by_speaker.values())
    assert set.union(*by_speaker.values()) == set(SPLITS)
    assert len(read_csv(speech(tmp_path), group_by="path").split(TRAIN)) == 20


def test_a_column_of_groups_is_checked_against_given_splits(tmp_path):
    path = speech(tmp_path, ",train")
    assert len(read_csv(path, group_by="speaker").split(TRAIN)) == 24
    path.write_text(path.read_text().replace("1.wav,no,s0,train", "1.wav,no,s0,evaluation", 1))
    with pytest.raises(SourceError, match=r"clips.csv:\d+: speaker 's\d' is in split"):
        read_csv(path, group_by="speaker")
    with pytest.raises(SourceError, match="column 'site' is absent"):
        read_csv(path, group_by="site")
    path.write_text(path.read_text().replace(",train", ",").replace(",evaluation", ","))
    with pytest.raises(SourceError, match="split '' is unknown"):
        read_csv(path, group_by="speaker")


def test_paths_from_another_folder_are_told_before_all_are_tried(tmp_path):
    (tmp_path / "lists").mkdir()
    rows = []
    for number in range(40):
        write(tmp_path / "audio" / f"{number}.wav", SHORT)
        rows.append(f"audio/{number}.wav,dog,train")
    path = listed(tmp_path / "lists", rows, "path,labels,split")
    looked_for, exists = tmp_path / "lists/audio/0.wav", tmp_path / "audio/0.wav"
    with pytest.raises(SourceError, match=f"looked for {looked_for}; {exists} exists. Paths are"):
        read_csv(path)
    path = listed(tmp_path, rows, "path,labels,split")
    for number in range(30):
        (tmp_path / "audio" / f"{number}.wav").unlink()
    assert len(read_csv(path).missing) == 30


def test_layouts_are_recognised_where_they_are_unmistakable(tmp_path):
    folder = classes(tmp_path / "folder", "dog", "cat")
    assert recognise(folder) == "folder"
    assert recognise(classes(tmp_path / "splits", "train/dog", "test/dog")) == "folder"
    esc50 = classes(tmp_path / "esc50", "audio")
    (esc50 / "meta").mkdir()
    (esc50 / "meta" / "esc50.csv").touch()
    assert recognise(esc50) == "esc50"
    audioset = classes(tmp_path / "audioset", "audio")
    (audioset / "class_labels_indices.csv").touch()
    assert recognise(audioset) == "audioset"
    clips = listed(folder, [], "path,labels,split")
    assert recognise(clips) == "csv"
    with pytest.raises(SourceError, match=r"looks like csv .*clips.csv.* or folder .*cat, dog"):
        recognise(folder)
    with pytest.raises(SourceError, match=r"needs --dataset.*none of them"):
        recognise(tmp_path / "folder" / "dog")
    assert layouts_of(folder / "dog" / "dog0.wav") == {}
    with pytest.raises(FileNotFoundError, match="none is missing"):
        recognise(tmp_path / "none")
