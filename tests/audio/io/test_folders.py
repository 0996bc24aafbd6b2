import os
from contextlib import contextmanager

import pytest

from aec_ofa_tf.audio.io.folders import files_below, recordings_named, subfolders
from aec_ofa_tf.audio.io.suffixes import preference


@contextmanager
def unprivileged(folder):
    """Root may read everything, so it becomes an ordinary user in the block."""
    if os.geteuid():
        yield
        return
    parents = [folder, *(path for path in folder.parents if path.owner() == "root")]
    modes = {path: path.stat().st_mode for path in parents}
    for path, mode in modes.items():
        if not mode & 0o001:
            path.chmod(mode | 0o011)
    os.chown(folder, 12345, 12345)
    for path in folder.rglob("*"):
        os.chown(path, 12345, 12345)
    os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


def made(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def below(folder, root=None):
    return [path.relative_to(folder).as_posix() for path in files_below(folder, root)]


def test_what_systems_and_archives_leave_is_no_recording(tmp_path):
    made(tmp_path, "b.wav", "a/c.wav", "a/._c.wav", ".hidden/x.wav", "__MACOSX/a/c.wav")
    made(tmp_path, "@eaDir/a.wav", "lost+found/y.wav", "a/Thumbs.db", "a/desktop.ini")
    assert below(tmp_path) == ["b.wav", "a/c.wav"]
    assert subfolders(tmp_path) == ["a"]


def test_linked_folders_are_followed_within_the_root(tmp_path):
    root = tmp_path / "root"
    made(root, "dog/d.wav", ".pool/p.wav")
    made(tmp_path, "outside/o.wav")
    (root / "dog" / "more").symlink_to("../.pool")
    assert below(root / "dog", root) == ["d.wav", "more/p.wav"]
    (root / "dog" / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match=r"dog/out leads out of .*root by a link, to .*outside"):
        below(root / "dog", root)
    assert "out/o.wav" in below(root / "dog")


def test_a_circle_of_links_is_named(tmp_path):
    made(tmp_path, "a/b/c.wav")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match=r"a/b/back is a link to .*a, which contains it"):
        below(tmp_path)


@pytest.mark.parametrize("rights", [0o000, 0o400], ids=["none", "names only"])
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, rights):
    made(tmp_path, "dog/d.wav")
    (tmp_path / "dog").chmod(rights)
    with (
        unprivileged(tmp_path),
        pytest.raises(PermissionError, match=r"dog cannot be read .*; correct its rights"),
    ):
        below(tmp_path)
    (tmp_path / "dog").chmod(0o700)


def test_a_folder_stands_for_the_sound_files_in_it(tmp_path, caplog):
    made(tmp_path, "in/b.WAV", "in/a.mp3", "in/notes.txt", "in/sub/c.m4a", "empty/notes.txt")
    names = recordings_named([f"{tmp_path}/in", "-", "x.dat"])
    assert [os.path.relpath(name, tmp_path) for name in names[:3]] == [
        "in/a.mp3",
        "in/b.WAV",
        "in/sub/c.m4a",
    ]
    assert names[3:] == ["-", "x.dat"]
    assert recordings_named([f"{tmp_path}/empty"]) == [f"{tmp_path}/empty"]
    assert "empty contains no file with a suffix of sound files" in caplog.text


def test_suffixes_say_which_of_two_files_to_take():
    assert [preference(f"a.{suffix}") for suffix in ("FLAC", "opus", "m4a", "webm", "json")] == [
        0,
        0,
        1,
        1,
        None,
    ]
