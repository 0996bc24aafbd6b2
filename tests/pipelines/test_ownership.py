"""The programs leave alone what they did not write."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.earlier import EarlierFiles
from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.ownership import MARKER_NAME, MODELS, ForeignFolderError, require_claimable
from tests.pipelines.conftest import TINY, changed, export
from tests.programs import run_program
from tests.test_ownership import content
from tfrecords.records import open_records

FLOAT32 = {
    "inputs": ["log_mel"],
    "quantizations": ["float32"],
    "max_map_drop": 1.0,
    "parity_clips": 8,
}


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


@pytest.fixture
def copied(tmp_path, trained) -> Path:
    shutil.copytree(trained.workdir, tmp_path / "run")
    return tmp_path / "run"


def searched_again(run: Path, data_dir: Path) -> Experiment:
    """The winner of params<=8k becomes another subnet, as after another training."""
    with changed(run / "search" / "result.json") as result:
        space = search_space("[2,2,X]", 4)
        others = {str(space.smallest), str(space.largest)}
        row = next(row for row in result["budgets"] if row["budget"] == "params<=8k")
        row["subnet"] = min(others - {row["subnet"]})
        result["budgets"] = [row]
    return Experiment.open(run, open_records(data_dir))


def test_an_export_keeps_the_models_that_a_user_put_beside_its_own(trained, copied, caplog):
    folder = copied / "export" / "params_max_8k"
    for name in ("log_mel-float32.tflite", "log_mel-float32.tflite.md"):
        shutil.copy(folder / name, folder / name.replace("log_mel-float32", "keep_v1"))
    before = content(folder)
    experiment = searched_again(copied, trained.data_dir)
    experiment.reset("convert")  # and with it the record of the files
    experiment.export(ExportConfig(**FLOAT32))
    after = content(folder)
    assert {n: after.get(n) for n in before if n.startswith("keep")} == {
        n: before[n] for n in before if n.startswith("keep")
    }
    assert f"{folder / 'keep_v1.tflite'} is of another subnet" in caplog.text
    # Files of ours that the new model.keras would belie are removed, with their cards.
    assert after["log_mel-float32.tflite"] != before["log_mel-float32.tflite"]
    gone = {n for n in before if n.startswith(("log_mel-int8", "waveform"))}
    assert gone
    assert not gone & after.keys()


def test_files_of_runs_without_a_list_of_them_are_those_of_the_record(trained, copied):
    listed = copied / "export" / ".files.json"
    written = json.loads(listed.read_text())["files"]
    listed.unlink()
    run = Experiment.open(copied, open_records(trained.data_dir)).run
    EarlierFiles(run, "convert").add([])
    assert json.loads(listed.read_text())["files"] == written
    assert "params_max_8k/log_mel-int8.tflite" in written


def test_an_export_does_not_replace_the_models_of_others_in_the_run(trained, copied):
    theirs = copied / "export" / "params_max_9k"
    theirs.mkdir()
    (theirs / "model.keras").write_bytes(b"theirs")
    with changed(copied / "search" / "result.json") as result:
        result["budgets"][0]["budget"] = "params<=9k"
    before = content(copied / "export")
    places = [f"--workdir={copied}", f"--data_dir={trained.data_dir}"]
    assert "(model.keras)" in refused("convert", *places, "--family")
    with pytest.raises(ForeignFolderError, match=r"\(model\.keras\)"):
        Experiment.open(copied, open_records(trained.data_dir)).family(ExportConfig(**FLOAT32))
    assert content(copied / "export") == before
    flags = [flag for flag in trained.flags if not flag.startswith("--workdir")]
    assert "(model.keras)" in refused("train", *flags, f"--workdir={copied}", "--budget=params<=9k")


def test_a_copied_model_does_not_make_a_folder_ours(tmp_path, trained):
    own, theirs = export(trained), tmp_path / "theirs"
    theirs.mkdir()
    shutil.copy(own / "log_mel-float32.tflite", theirs)
    (theirs / "model.keras").write_bytes(b"theirs")
    before = content(theirs)
    experiment = Experiment.open(trained.workdir, open_records(trained.data_dir))
    with pytest.raises(ForeignFolderError, match=r"log_mel-float32\.tflite, model\.keras"):
        experiment.export(ExportConfig(**FLOAT32), "smallest", out=theirs)
    assert content(theirs) == before
    # A folder of a version without markers, of which every file is ours, is recognised.
    shutil.copytree(own, tmp_path / "ours")
    (tmp_path / "ours" / MARKER_NAME).unlink()
    require_claimable(tmp_path / "ours", MODELS)
    shutil.copy(theirs / "model.keras", tmp_path / "ours")
    with pytest.raises(ForeignFolderError):
        require_claimable(tmp_path / "ours", MODELS)
