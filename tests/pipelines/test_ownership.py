"""The programs leave alone what they did not write."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.pipelines.conftest import TINY
from tests.programs import run_program
from tests.test_ownership import content


@pytest.fixture
def recordings(tmp_path) -> Path:
    for number in range(12):
        path = tmp_path / "mine" / ("cat", "dog")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = 0.1 * np.sin(np.arange(8000) * 0.05 * (number + 1))
        soundfile.write(path, tone, 16000)
    return tmp_path / "mine"


def refused(name: str, *arguments: object) -> str:
    done = run_program(name, *arguments)
    assert done.code == 1
    return done.stderr.splitlines()[-1]


def test_prepare_does_not_remove_the_files_of_others(tmp_path, recordings):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("train-00000-of-00003.tfrecord", "x-1-of-2.json", ".big.partial"):
        (theirs / name).write_text("mine")
    arguments = ("--dataset=folder", f"--source={recordings}", "--clip_secs=0.5")
    before = content(tmp_path)
    message = refused("prepare", *arguments, f"--data_dir={theirs}")
    assert f"{theirs} holds files that this project did not write" in message
    assert content(tmp_path) == before
    # Beside records of ours such files are kept too.
    assert run_program("prepare", *arguments, f"--data_dir={tmp_path / 'ours'}").code == 0
    for path in theirs.iterdir():
        path.rename(tmp_path / "ours" / path.name)
    (tmp_path / "ours" / "manifest.json").unlink()
    assert run_program("prepare", *arguments, f"--data_dir={tmp_path / 'ours'}").code == 0
    kept = content(tmp_path / "ours")
    assert {name for name, data in kept.items() if data == b"mine"} == {
        "train-00000-of-00003.tfrecord", "x-1-of-2.json", ".big.partial",
    }  # fmt: skip


def test_scenes_are_not_mixed_into_recordings(tmp_path, recordings):
    (recordings / "clips.csv").write_text("path,labels,split")
    (recordings / "labels.txt").write_text("mine")
    before = content(tmp_path)
    flags = ["--dataset=synthetic", "--clip_secs=0.6", "--train_clips=2", "--validation_clips=1"]
    message = refused("prepare", *flags, f"--source={recordings}", f"--data_dir={tmp_path / 'd'}")
    assert f"{recordings} holds files that this project did not write" in message
    assert content(tmp_path) == before
    twice = [f"--source={tmp_path / 'new'}", f"--data_dir={tmp_path / 'd'}"]
    for _ in range(2):
        done = run_program("prepare", *flags, "--evaluation_clips=1", *twice)
        assert done.result["clips"]["train"] == 2


def test_nothing_is_written_into_the_source(tmp_path, recordings):
    before = content(tmp_path)
    source = ("--dataset=folder", f"--source={recordings}", "--clip_secs=0.5")
    message = refused("prepare", *source, f"--data_dir={recordings / 'data'}")
    assert f"--data_dir={recordings / 'data'} lies in --source={recordings}" in message
    workdir = f"--workdir={recordings / 'run'}"
    flags = ("--budget=params<=8k", f"--data_dir={tmp_path / 'data'}")
    assert "--workdir=" in refused("train", *source, workdir, *flags)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "config.json"])
def test_train_refuses_a_foreign_workdir_before_it_prepares(tmp_path, name):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / name).write_text('{"model_type": "theirs"}')
    before = content(tmp_path)
    places = [f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'w'}"]
    assert name in refused("train", *TINY, *places)
    assert content(tmp_path) == before
    same = [f"--data_dir={tmp_path / 'both'}", f"--workdir={tmp_path / 'both'}"]
    assert f"for example --data_dir={tmp_path / 'both' / 'data'}" in refused("train", *TINY, *same)


@pytest.mark.parametrize("name", ["model.keras", "front_end.tflite"])
def test_convert_does_not_replace_the_models_of_others(tmp_path, trained, name):
    (tmp_path / name).write_bytes(b"theirs")
    places = [f"--workdir={trained.workdir}", f"--data_dir={trained.data_dir}"]
    for what in ("--subnet=smallest", "--family"):
        message = refused("convert", *places, what, f"--out={tmp_path}")
        assert f"{tmp_path} holds files that this project did not write ({name})" in message
    assert content(tmp_path) == {name: b"theirs"}
