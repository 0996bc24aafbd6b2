"""What lies beside class folders does not turn splits into classes, or files into recordings."""

from collections import Counter
from pathlib import Path

import pytest

from tests.recordings import noise, write
from tests.tfrecords.test_folder_layouts import distinct
from tfrecords.clip import EVALUATION, SPLITS, TRAIN, VALIDATION, SourceError
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.sources.folder import read_folder
from tfrecords.sources.recognise import layouts_of, recognise

SPLIT_FOLDERS = [
    f"{split}/{label}" for split in ("train", "val", "test") for label in ("cat", "dog")
]


def counts(source) -> dict[tuple[str, str], int]:
    return Counter((clip.split, *clip.labels) for clip in source.clips)


@pytest.fixture
def splits(tmp_path) -> Path:
    return distinct(tmp_path / "root", *SPLIT_FOLDERS, clips=3)


@pytest.mark.parametrize("beside", ["plots/", "docs/a.png", "docs/deep/notes.txt", "logs/x.json"])
def test_folders_without_sound_are_neither_classes_nor_splits(splits, beside):
    place = splits / beside
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if beside.endswith("/") else place.write_bytes(b"no sound")
    source = read_folder(splits)
    assert source.labels == ("cat", "dog")
    assert set(counts(source).values()) == {3}
    assert source.notes == (f"not a class, for lack of files: {beside.partition('/')[0]}",)


def test_an_emptied_split_is_drawn_from_training(splits):
    for path in (splits / "val").rglob("*.wav"):
        path.unlink()
    source = read_folder(splits)
    assert counts(source)[VALIDATION, "cat"] == counts(source)[VALIDATION, "dog"] == 1
    assert all(clip.id.startswith("train/") for clip in source.split(VALIDATION))
    assert source.notes == (
        "not a class, for lack of files: val",
        "validation clips are drawn from training: they have no folder",
    )


def test_of_training_alone_the_other_splits_are_drawn(tmp_path):
    source = read_folder(distinct(tmp_path, "train/cat", "train/dog", clips=10))
    assert source.labels == ("cat", "dog")
    assert counts(source) == {
        (split, label): count
        for label in ("cat", "dog")
        for split, count in ((TRAIN, 8), (VALIDATION, 1), (EVALUATION, 1))
    }
    assert "validation and evaluation clips are drawn from training" in source.notes[0]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train/cat", "train/dog", "test"], "no class folders in test. Move test elsewhere"),
        ([*SPLIT_FOLDERS, "_noise_"], "_noise_ beside them cannot be a split. Move _noise_"),
        (["train/cat", "train/dog", "bus"], "bus beside them .*rename train if these are classes"),
        (["test/cat", "test/dog"], "there is no folder train with a folder per class"),
        (["val/cat", "test/dog"], "there is no folder train with a folder per class"),
    ],
)
def test_splits_with_recordings_beside_them_are_refused(tmp_path, folders, message):
    root = distinct(tmp_path, *folders, clips=2)
    with pytest.raises(SourceError, match=f"{root} looks like splits, .*{message}"):
        read_folder(root)
    assert recognise(root) == "folder"
    assert "looks like splits" in layouts_of(root)["folder"]


def test_the_layout_names_splits_and_classes(splits):
    assert layouts_of(splits) == {"folder": "splits test, train, val of recordings in cat, dog"}


def test_recordings_outside_class_folders_are_told(splits):
    write(splits / "train" / "stray.wav")
    write(splits / "loose.wav")
    (splits / "README").touch()
    (note,) = read_folder(splits).notes
    assert note.startswith("left out, because they lie in no class folder: 2 sound files such as")


def test_flat_folders_that_are_named_like_splits_are_classes_with_a_note(tmp_path):
    source = read_folder(distinct(tmp_path, "train", "test", clips=4))
    assert source.labels == ("test", "train")
    assert any("if they are splits, they need a folder per class" in note for note in source.notes)
    assert not read_folder(distinct(tmp_path / "b", "train", "bus", clips=4)).notes


def test_files_of_one_name_are_recordings_of_their_own(tmp_path):
    folders = [f"{label}/rec{number}" for label in ("cat", "dog") for number in range(20)]
    source = read_folder(distinct(tmp_path, *folders, clips=1))
    assert counts(source) == {
        (split, label): count
        for label in ("cat", "dog")
        for split, count in ((TRAIN, 16), (VALIDATION, 2), (EVALUATION, 2))
    }
    assert source.notes == ()


def test_classes_that_share_numbers_are_in_every_split(tmp_path):
    distinct(tmp_path, "cow", "pig", "cat", clips=4)
    for number in (2, 3):
        (tmp_path / "cow" / f"{number}.wav").unlink()
    found = counts(read_folder(tmp_path))
    assert all(found[split, label] for split in SPLITS for label in ("pig", "cat"))


def test_splits_of_files_with_names_of_their_own_do_not_depend_on_their_folders(tmp_path):
    for number in range(30):
        write(tmp_path / "flat" / "dog" / f"d{number}.wav", noise(0.01, seed=number))
        write(tmp_path / "deep" / "dog" / "x" / f"d{number}.wav", noise(0.01, seed=number))
    flat, deep = (
        {clip.path.stem: clip.split for clip in read_folder(tmp_path / name).clips}
        for name in ("flat", "deep")
    )
    assert flat == deep


def test_a_clip_in_the_folders_of_two_classes_is_in_one_split(tmp_path):
    distinct(tmp_path, "cat", "cow", clips=12)
    for number in range(30):
        write(tmp_path / "cow" / f"c{number}.wav", noise(0.01, seed=500 + number))
    for number in range(6):
        copy = (tmp_path / "cat" / f"{number}.wav").read_bytes()
        (tmp_path / "cow" / f"{number}.wav").write_bytes(copy)
    source = read_folder(tmp_path, 0.25, 0.25)
    where = {clip.id: clip.split for clip in source.clips}
    assert all(where[f"cat/{number}.wav"] == where[f"cow/{number}.wav"] for number in range(6))
    assert any(where[f"cat/{number}.wav"] != where[f"cow/{number}.wav"] for number in range(6, 12))
    assert source.notes[0].startswith("6 files are copies of files in other folders")


def test_a_recording_in_two_formats_is_in_one_split(tmp_path):
    for number in range(13):
        for suffix in ("wav", "flac"):
            write(tmp_path / "cat" / f"{number}.{suffix}", noise(0.01, seed=number))
    where = {clip.id: clip.split for clip in read_folder(tmp_path, 0.25, 0.25).clips}
    assert all(where[f"cat/{n}.wav"] == where[f"cat/{n}.flac"] for n in range(13))


def together(root: Path, pattern: str) -> list[bool]:
    """Whether cat and dog have the files of each of twelve names in one split."""
    where = {clip.id: clip.split for clip in read_folder(root, 0.25, 0.25, pattern).clips}
    return [where[f"cat/{number}.wav"] == where[f"dog/{number}.wav"] for number in range(12)]


def test_a_pattern_takes_files_of_one_name_together_across_classes(tmp_path):
    distinct(tmp_path, "cat", "dog", clips=12)
    for number in range(12, 50):
        write(tmp_path / "dog" / f"{number}.wav", noise(0.01, seed=500 + number))
    assert len({*together(tmp_path, "(.*)")}) == 2
    assert together(tmp_path, "([0-9]+)") == [True] * 12


def test_a_copy_in_training_and_in_evaluation_is_told(splits):
    copy = (splits / "train" / "cat" / "1.wav").read_bytes()
    (splits / "test" / "dog" / "1.wav").write_bytes(copy)
    assert any("1 recordings are in several splits" in note for note in read_folder(splits).notes)


def test_texts_and_pictures_beside_recordings_are_no_clips(tmp_path):
    root = distinct(tmp_path / "root", "cat", "dog", clips=6)
    for label in ("cat", "dog"):
        for number in range(6):
            (root / label / f"{number}.json").write_text("{}")
        (root / label / "cover.JPG").touch()
        (root / label / "notes.md").touch()
    source = read_folder(root)
    assert len(source.clips) == 12
    assert source.notes[0].startswith(
        "left out, because their suffix is not that of sound: 12 .json, 2 .jpg, 2 .md, such as "
    )
    manifest = prepare(source, PrepareConfig("folder", 0.2), tmp_path / "records")
    assert manifest.quarantined == ()


def test_files_with_other_suffixes_or_none_are_tried(tmp_path):
    root = distinct(tmp_path, "cat", clips=3)
    for name in ("raw", "take.rec"):
        (root / "cat" / name).write_bytes((root / "cat" / "0.wav").read_bytes())
    assert {clip.path.name for clip in read_folder(root).clips} >= {"raw", "take.rec"}
