import os
from pathlib import Path

import pytest

from tests.recordings import noise, write
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, SourceError
from tfrecords.sources.csv_list import read_csv
from tfrecords.sources.esc50 import read_esc50
from tfrecords.sources.folder import read_folder
from tfrecords.sources.registry import SourceOptions, read_source

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10"


def clip_list(folder: Path, *rows: str, header: str = "path,labels,split") -> Path:
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        write(folder / name)
    path = folder / "clips.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_csv_gives_labels_splits_and_missing_files(tmp_path):
    rows = ["a.wav,dog;rain,train", "sub/c.wav,,validation", "lost.wav,dog,evaluation"]
    source = read_csv(clip_list(tmp_path, *rows))
    assert source.labels == ("dog", "rain")
    assert [(clip.id, clip.labels, clip.split) for clip in source.clips] == [
        ("a.wav", ("dog", "rain"), TRAIN),
        ("sub/c.wav", (), VALIDATION),
    ]
    assert [clip.id for clip in source.missing] == ["lost.wav"]


def test_csv_takes_the_order_of_classes_from_a_labels_file(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text('rain\n"dog, barking"\nbird, singing\n', encoding="utf-8")
    path = clip_list(tmp_path, 'a.wav,"dog, barking;rain",train')
    # As in a table, and as in the labels.txt beside a model.
    assert read_csv(path, labels).labels == ("rain", "dog, barking", "bird, singing")
    labels.write_text("rain;snow\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"labels.txt:1: the name 'rain;snow' contains ';'"):
        read_csv(path, labels)


def test_repeated_identical_rows_count_once(tmp_path):
    source = read_csv(clip_list(tmp_path, "a.wav,dog,train", "./a.wav,dog,train"))
    assert len(source.clips) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,cat,train", r"clips.csv:3: label 'cat' of clip 'a.wav' is not in the label set"),
        ("a.wav,dog,test", r"clips.csv:3: split 'test' is unknown"),
        ("a.wav,dog", r"clips.csv:3: 2 cells, expected 3"),
        ("a.wav,dog;;rain,train", r"clips.csv:3: labels 'dog;;rain'"),
        ('a.wav,"dog,train', r"clips.csv:\d: malformed row"),
        ("../a.wav,dog,train", r"clips.csv:3: '../a.wav' is not a path inside"),
        ("/etc/a.wav,dog,train", r"clips.csv:3: '/etc/a.wav' is not a path inside"),
        ("9" * 256 + ",dog,train", r"clips.csv:3: '9{40}'... is too long for the name of a file"),
        ("a/" * 2000 + ",dog,train", r"clips.csv:3: '(a/){20}'... is too long"),
        ("b.wav,rain,train", r"clips.csv:3: clip 'b.wav' differs from the row .*clips.csv:2"),
        ("b.wav,dog,evaluation", r"clips.csv:3: clip 'b.wav' is in split .* one split"),
    ],
)
def test_csv_faults_name_file_line_and_value(tmp_path, row, message):
    labels = tmp_path / "labels.txt"
    labels.write_text("dog\nrain\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_csv(clip_list(tmp_path, "b.wav,dog,train", row), labels)


def test_csv_needs_its_columns(tmp_path):
    with pytest.raises(SourceError, match=r"clips.csv:1: column 'split' is absent"):
        read_csv(clip_list(tmp_path, "a.wav,dog", header="path,labels"))


def test_byte_order_mark_and_wrong_encoding_are_named(tmp_path):
    path = clip_list(tmp_path, "a.wav,dog,train")
    text = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text)
    with pytest.raises(SourceError, match=r"clips.csv:1: begins with the byte-order mark"):
        read_csv(path)
    path.write_bytes(text + b"b.wav,caf\xe9,train\n")
    with pytest.raises(SourceError, match=r"clips.csv:3: b'\\xe9,train\\n' is not UTF-8"):
        read_csv(path)


def test_a_link_that_leaves_the_folder_is_rejected(tmp_path):
    outside = write(tmp_path / "outside.wav")
    root = tmp_path / "root"
    path = clip_list(root, "link.wav,dog,train")
    (root / "link.wav").symlink_to(outside)
    with pytest.raises(ValueError, match=r"clips.csv:2: 'link.wav' leads out of"):
        read_csv(path)
    (root / "link.wav").unlink()
    (root / "link.wav").symlink_to(root / "a.wav")
    assert len(read_csv(path).clips) == 1


def esc50(root: Path, *rows: str) -> Path:
    (root / "meta").mkdir(parents=True, exist_ok=True)
    lines = ["filename,fold,target,category,esc10,src_file,take", *rows]
    (root / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for row in rows:
        write(root / "audio" / row.split(",")[0])
    return root


def test_esc50_splits_by_fold_and_orders_classes_by_target(tmp_path):
    rows = [f"{fold}-x.wav,{fold},{9 - fold},kind{fold},True,x,A" for fold in range(1, 6)]
    source = read_esc50(esc50(tmp_path, *rows), validation_folds=(1,), evaluation_folds=(2, 3))
    assert source.labels == ("kind5", "kind4", "kind3", "kind2", "kind1")
    assert [clip.id for clip in source.split(VALIDATION)] == ["1-x.wav"]
    assert [clip.id for clip in source.split(EVALUATION)] == ["2-x.wav", "3-x.wav"]
    assert [clip.id for clip in source.split(TRAIN)] == ["4-x.wav", "5-x.wav"]


def test_esc50_draws_validation_recordings_from_the_training_folds(tmp_path):
    rows = [
        f"{fold}-{kind}{recording}-{take}.wav,{fold},{kind},kind{kind},True,{kind}{recording},{take}"
        for fold in range(1, 6)
        for kind in range(2)
        for recording in range(10 * fold, 10 * fold + 5)
        for take in "AB"
    ]
    root = esc50(tmp_path, *rows)
    source = read_esc50(root, (), (5,), validation_fraction=0.2)

    recordings = {
        split: {clip.id.split("-")[1] for clip in source.split(split)}
        for split in (TRAIN, VALIDATION, EVALUATION)
    }
    assert {clip.id[0] for clip in source.split(EVALUATION)} == {"5"}
    assert not recordings[TRAIN] & recordings[VALIDATION]
    # A fifth of each class' 20 training recordings, of two takes.
    assert [len(source.split(split)) for split in recordings] == [64, 16, 20]
    kinds = [clip.labels[0] for clip in source.split(VALIDATION)]
    assert kinds.count("kind0") == kinds.count("kind1") == 8
    assert not read_esc50(root, (), (5,)).split(VALIDATION)


def test_esc50_faults_are_named(tmp_path):
    root = esc50(tmp_path, "1-x.wav,1,0,dog,True,x,A", "2-x.wav,2,0,cat,True,x,A")
    with pytest.raises(SourceError, match=r"esc50.csv:3: target 0 is 'cat' here and 'dog' above"):
        read_esc50(root, (1,), (2,))
    root = esc50(tmp_path, "1-x.wav,1,0,dog,True,x,A", "2-x.wav,two,1,cat,True,x,A")
    with pytest.raises(SourceError, match=r"esc50.csv:3: fold 'two' is not a whole number"):
        read_esc50(root, (1,), (2,))
    root = esc50(tmp_path, "1-x.wav,1,0,dog,True,x,A")
    with pytest.raises(SourceError, match="fold 4 does not occur"):
        read_esc50(root, (4,), (1,))
    with pytest.raises(SourceError, match="both validation and evaluation"):
        read_esc50(root, (1,), (1,))


def test_folder_keeps_chunks_of_a_recording_together_and_clips_where_they_are(tmp_path):
    for label in ("dog", "rain"):
        for recording in range(40):
            for chunk in range(2):
                write(tmp_path / label / f"r{recording}_{chunk}.wav", noise(0.01))
    (tmp_path / "dog" / ".hidden").touch()
    before = read_folder(tmp_path, 0.25, 0.25, "(.+)_[0-9]+")
    assert before.labels == ("dog", "rain")
    splits: dict[str, set[str]] = {}
    for clip in before.clips:
        splits.setdefault(clip.path.stem.split("_")[0], set()).add(clip.split)
    assert all(len(where) == 1 for where in splits.values())
    for split in (VALIDATION, EVALUATION):
        assert 20 <= len(before.split(split)) <= 60
    write(tmp_path / "dog" / "new_0.wav", noise(0.01))
    after = {clip.id: clip.split for clip in read_folder(tmp_path, 0.25, 0.25, "(.+)_[0-9]+").clips}
    assert {clip.id: after[clip.id] for clip in before.clips} == {
        clip.id: clip.split for clip in before.clips
    }


def test_folder_takes_names_that_are_not_utf8(tmp_path):
    write(tmp_path / "dog" / "plain.wav")
    os.rename(  # noqa: PTH104 - the name is bytes
        tmp_path / "dog" / "plain.wav", os.fsencode(tmp_path / "dog") + b"/caf\xe9.wav"
    )
    (clip,) = read_folder(tmp_path).clips
    assert os.fsencode(clip.id) == b"dog/caf\xe9.wav"


def test_folder_faults_are_named(tmp_path):
    with pytest.raises(SourceError, match="no class folders"):
        read_folder(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(SourceError, match="needs a group"):
        read_folder(tmp_path, source_pattern=".*")
    with pytest.raises(SourceError, match="less than 1"):
        read_folder(tmp_path, 0.5, 0.5)
    (tmp_path / "dog" / "link.wav").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="leads out of"):
        read_folder(tmp_path)


def test_registry_names_what_is_missing(tmp_path):
    options = SourceOptions(None, tmp_path, 1.0)
    with pytest.raises(SourceError, match="use one of audioset, csv, esc50"):
        read_source("urbansound", options)
    with pytest.raises(SourceError, match="needs --source"):
        read_source("esc50", options)


@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not beside the repository")
def test_esc10_is_read_whole():
    source = read_esc50(ESC10)
    assert {split: len(source.split(split)) for split in (TRAIN, VALIDATION, EVALUATION)} == {
        TRAIN: 240,
        VALIDATION: 80,
        EVALUATION: 80,
    }
    assert source.labels[0] == "dog"
    assert len(source.labels) == 10
    assert source.missing == ()
