"""What an experiment refuses before it trains, and threads that use it."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import aec_ofa_tf as ofa
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.files import BusyError
from aec_ofa_tf.workdir import Workdir
from tests.recordings import SECS, source
from tfrecords.clip import Source
from tfrecords.records import Records

ROOT = Path(__file__).parents[1]
SPACE = ofa.search_space("[2,2,X]", 4)
TRAIN = ofa.TrainConfig(batch_size=2, calibration_clips=4, precision="float32", mixup_alpha=0.0)
TEACHER = ofa.TeacherConfig(TRAIN, base_channels=4, steps=1)


def prepared(folder: Path, changed: Source) -> Records:
    return ofa.prepare(changed, folder / "data", ofa.PrepareConfig("folder", SECS))


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    """Some clips have two labels."""
    folder = tmp_path_factory.mktemp("records")
    return prepared(folder, source(folder / "raw"))


def without_labels(folder: Path, split: str) -> Source:
    """A source of which one split has no labels."""
    raw = source(folder)
    clips = (replace(clip, labels=()) if clip.split == split else clip for clip in raw.clips)
    return Source(raw.labels, tuple(clips))


def test_a_task_that_does_not_fit_the_data_is_refused_before_anything_is_written(records, tmp_path):
    options = ofa.NetworkOptions(task="single_label")
    with pytest.raises(ConfigError, match="task='single_label' needs clips with exactly") as raised:
        ofa.Experiment(tmp_path / "run", records, SPACE, options)
    assert raised.value.parameters == ("task",)
    assert not (tmp_path / "run").exists()


def test_a_split_that_cannot_be_scored_is_named_before_the_first_step(tmp_path):
    records = prepared(tmp_path, without_labels(tmp_path / "raw", "validation"))
    experiment = ofa.Experiment(tmp_path / "run", records, SPACE)
    supernet = ofa.SupernetConfig(TRAIN, largest_steps=0, steps=1)
    stages = (
        lambda: experiment.train_teacher(TEACHER),
        lambda: experiment.train_supernet(supernet),
        lambda: experiment.train_subnet("smallest", ofa.SubnetConfig(TRAIN, steps=1)),
    )
    for stage in stages:
        with pytest.raises(ValueError, match="mAP is not defined on the 4 validation clips"):
            stage()
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_a_subnet_is_not_trained_if_its_evaluation_split_cannot_be_scored(tmp_path):
    records = prepared(tmp_path, without_labels(tmp_path / "raw", "evaluation"))
    experiment = ofa.Experiment(tmp_path / "run", records, SPACE)
    with pytest.raises(ValueError, match="not defined on the 3 evaluation clips"):
        experiment.train_subnet("smallest", ofa.SubnetConfig(TRAIN, steps=1))


def test_arguments_of_another_class_are_named(records, tmp_path):
    refused = (
        ({"records": "data"}, "records is a data set, such as open_records"),
        ({"space": 3}, "space is a search space, such as"),
        ({"options": TRAIN}, "options is NetworkOptions"),
        ({"devices": 2}, "devices is a DeviceConfig"),
        ({"workdir": None}, "workdir is the path"),
    )
    for changed, message in refused:
        with pytest.raises(TypeError, match=message):
            ofa.Experiment(**{"workdir": tmp_path, "records": records, **changed})
    experiment = ofa.Experiment(tmp_path, records, "[2,2,2]", devices="none")
    assert experiment.space == ofa.search_space("[2,2,2]")
    calls = (
        (lambda: experiment.train_teacher(TRAIN), "config is a TeacherConfig; received TrainConf"),
        (lambda: experiment.train_supernet(TEACHER), "config is a SupernetConfig"),
        (lambda: experiment.train_subnet("largest", TRAIN), "config is a SubnetConfig"),
        (lambda: experiment.search(["params<=1M"]), "config is a SearchConfig, such as"),
        (lambda: experiment.export(None), "config is an ExportConfig"),
        (lambda: experiment.family(None), "config is an ExportConfig"),
        (lambda: experiment.evaluate("largest", evaluation=4), "evaluation is an Evaluation"),
        (lambda: experiment.train_subnet(None), "subnet is a Subnet or its text"),
        (lambda: ofa.Experiment.open(tmp_path, "data"), "records is a data set"),
    )
    for call, message in calls:
        with pytest.raises(TypeError, match=message):
            call()
    assert repr(experiment).endswith("stages begun: none)")


@pytest.mark.slow
def test_a_stage_runs_in_a_thread_of_its_own(records, tmp_path):
    experiment, found = ofa.Experiment(tmp_path, records, SPACE), []
    thread = threading.Thread(target=lambda: found.append(experiment.train_teacher(TEACHER)))
    thread.start()
    thread.join()
    assert [result.subnet for result in found] == ["4x2-8x2-16x2-32x2"]


def test_two_threads_do_not_hold_a_run_directory_at_the_same_time(tmp_path):
    raised: list[BaseException] = []

    def lock() -> None:
        try:
            with Workdir(tmp_path).exclusive():
                pass
        except BusyError as error:
            raised.append(error)

    def in_another_thread() -> None:
        thread = threading.Thread(target=lock)
        thread.start()
        thread.join()

    with Workdir(tmp_path).exclusive(), Workdir(tmp_path).exclusive():
        in_another_thread()
        assert len(raised) == 1
    in_another_thread()
    assert len(raised) == 1


@pytest.mark.slow
def test_a_cpu_that_is_in_use_cannot_be_divided_and_the_error_says_what_to_do():
    code = (
        "import tensorflow as tf, aec_ofa_tf.training.devices as devices\n"
        "tf.zeros([1])\n"
        "try:\n    devices.open_devices('mirrored', 2)\n"
        "except RuntimeError as error:\n    assert 'make the Experiment' in str(error), error\n"
        "else:\n    raise AssertionError('not refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
