"""Nothing of somebody else is removed or replaced: which folders this project writes to."""

import sys
from pathlib import Path

import pytest

from aec_ofa_tf.files import partial_path, remove_partial, write_json
from aec_ofa_tf.ownership import (
    MARKER_NAME,
    MODELS,
    RECORDS,
    RUN,
    SCENES,
    SOFT_LABELS,
    ForeignFolderError,
    claim,
    owned,
    require_claimable,
)

KINDS = (RECORDS, SCENES, SOFT_LABELS, RUN, MODELS)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_new_empty_and_own_folders_are_accepted(tmp_path, kind):
    claim(tmp_path / "new" / "deep", kind)
    claim(tmp_path / "new" / "deep", kind)
    (tmp_path / "empty").mkdir()
    claim(tmp_path / "empty", kind)
    (tmp_path / "empty" / "later.txt").write_text("beside ours")
    claim(tmp_path / "empty", kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "name",
    ["notes.txt", "config.json", "manifest.json", "model.tflite", ".x.partial", "train/a.wav"],
)
def test_a_folder_that_holds_anything_else_is_refused_and_left_alone(tmp_path, kind, name):
    path = tmp_path / "theirs" / name
    path.parent.mkdir(parents=True)
    path.write_text('{"model_type": "theirs"}')
    before = content(tmp_path)
    first = name.replace("train/a.wav", "train/")
    refused = pytest.raises(ForeignFolderError, match=rf"did not write \({first}\).*give a new or")
    with refused, owned(tmp_path / "theirs", kind):
        pytest.fail("the block must not run")
    assert content(tmp_path) == before


def test_a_message_names_a_few_files_and_counts_the_others(tmp_path):
    for name in "abcde":
        (tmp_path / name).touch()
    with pytest.raises(ForeignFolderError, match=r"\(a, b, c and 2 more\)"):
        require_claimable(tmp_path, RUN)


def test_one_folder_holds_one_kind(tmp_path):
    claim(tmp_path, RECORDS)
    with pytest.raises(ForeignFolderError, match=r"holds records; give a run another folder"):
        claim(tmp_path, RUN)


def test_folders_of_ours_may_lie_within_each_other_in_either_order(tmp_path):
    claim(tmp_path / "run" / "data", RECORDS)
    claim(tmp_path / "run" / "data" / "source", SCENES)
    claim(tmp_path / "run", RUN)
    claim(tmp_path / "run" / "more" / "data", RECORDS)
    claim(tmp_path / "all" / "data" / "source", SCENES)
    claim(tmp_path / "all" / "data", RECORDS)
    with owned(tmp_path / "all", RUN):
        pass


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (RECORDS, "configuration.json", {"dataset": "x", "clip_secs": 1, "front_end": {}}),
        (RECORDS, "rejected.json", {"quarantined": [], "missing": []}),
        (SCENES, "scenes.json", {"clips": {}, "clip_secs": 1, "seed": 0}),
        (SOFT_LABELS, "train-00000-of-00001.json", {"key": {}, "shard": {}}),
        (RUN, "config.json", {"space": {}, "network": {}, "labels": []}),
    ],
)
def test_folders_of_earlier_versions_are_recognised_by_what_they_hold(tmp_path, kind, name, value):
    write_json(tmp_path / name, value)
    (tmp_path / "other.bin").touch()
    claim(tmp_path, kind)
    assert (tmp_path / MARKER_NAME).is_file()


def test_records_and_run_of_an_earlier_version_may_share_a_folder(tmp_path):
    write_json(tmp_path / "configuration.json", {"dataset": "", "clip_secs": 1, "front_end": {}})
    write_json(tmp_path / "config.json", {"space": {}, "network": {}, "labels": []})
    claim(tmp_path, RECORDS)
    claim(tmp_path, RUN)


def test_a_job_killed_while_it_marked_a_folder_can_be_started_again(tmp_path):
    partial_path(tmp_path / MARKER_NAME).write_text('{"ki')
    (tmp_path / ".lock").touch()
    (tmp_path / "lost+found").mkdir()
    claim(tmp_path, RUN)


def test_a_damaged_marker_does_not_make_a_folder_ours(tmp_path):
    (tmp_path / MARKER_NAME).write_text("[" * 100_000)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ForeignFolderError, match=r"a\.txt"):
        claim(tmp_path, RUN)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ForeignFolderError, match="is a file; give a folder for a run"):
        claim(tmp_path / "file", RUN)


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_linked_folder_is_no_folder_of_ours(tmp_path):
    claim(tmp_path / "data", RECORDS)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data").symlink_to(tmp_path / "data")
    with pytest.raises(ForeignFolderError, match="data"):
        claim(tmp_path / "run", RUN)


def test_only_our_own_temporary_files_are_removed(tmp_path):
    for name in (".big.partial", ".ours.json.partial"):
        (tmp_path / name).touch()
    remove_partial(tmp_path, ["ours.json"])
    assert [path.name for path in tmp_path.iterdir()] == [".big.partial"]
