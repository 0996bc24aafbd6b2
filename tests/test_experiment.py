"""The whole path from Python: no flags, no programs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.averaging import average
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.scoring import evaluate_file
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.tagging.tagger import Tagger
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records
from tfrecords.sources.folder import read_folder

ROOT = Path(__file__).parents[1]
RATE_HZ = 16000
TRAIN = TrainConfig(
    batch_size=4, calibration_clips=8, precision="float32", checkpoint_every=100, mixup_alpha=0.2
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Tones and noises of 0.4 s, a class each."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number in range(40):
        kind = ("hiss", "tone")[number % 2]
        path = folder / kind / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        tone = np.sin(np.arange(6400) * rng.uniform(0.2, 0.4))
        sound = rng.normal(size=6400) if kind == "hiss" else tone
        soundfile.write(path, 0.1 * sound, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def records(recordings, tmp_path_factory):
    source = read_folder(recordings, 0.2, 0.2)
    config = PrepareConfig("folder", clip_secs=0.4, payload="audio")
    data_dir = tmp_path_factory.mktemp("data")
    prepare(source, config, data_dir)
    return open_records(data_dir)


@pytest.fixture(scope="module")
def experiment(records, tmp_path_factory) -> Experiment:
    """Trained and searched."""
    workdir = tmp_path_factory.mktemp("run")
    experiment = Experiment(workdir, records, cnn10_space("[2,2,X]", 4))
    experiment.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=4))
    experiment.soft_labels()
    experiment.train_supernet(
        SupernetConfig(TRAIN, largest_steps=0, steps=4, subnets_per_step=2, init="teacher")
    )
    experiment.search(SearchConfig(["params<=6k", "params<=9k"], algorithm="random", population=3))
    return experiment


def test_one_label_per_clip_makes_the_task_single_label(experiment):
    assert experiment.run.network.task == "single_label"
    config = json.loads((experiment.workdir.path / "config.json").read_text())
    assert config["network"]["task"] == "single_label"
    assert "single_label" in repr(experiment)


def test_training_again_gives_what_was_found(experiment):
    config = TeacherConfig(TRAIN, base_channels=4, steps=4)
    result = experiment.train_teacher(config)

    assert result.subnet == "4x2-8x2-16x2-32x2"
    assert 0 <= result.validation["teacher"] <= 1
    assert result.as_dict()["validation_accuracy/teacher"] == result.validation["teacher"]
    with pytest.raises(ConfigError, match="steps was 4, now 5") as raised:
        experiment.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=5))
    assert raised.value.parameters == ("steps",)


def test_the_search_result_is_typed_and_comes_back_from_disk(experiment):
    result = experiment.search_result()
    small, _ = result.budgets

    assert small.best.costs["params"] <= 6000
    assert small.figure == "accuracy"
    assert small.score == small.best.validation["accuracy"]
    assert experiment.winners()["params<=6k"] == experiment.subnet(small.subnet)
    assert result.largest.evaluation is not None
    stored = json.loads((experiment.workdir.path / "search" / "result.json").read_text())
    assert {**result.as_dict(), "key": stored["key"]} == stored


def test_a_subnet_and_the_teacher_become_files_that_tag(experiment, records, recordings):
    config = ExportConfig(inputs=("waveform",), max_map_drop=1.0, representative_clips=8)
    small = experiment.export(config, "smallest").files[0]
    teacher = experiment.export(config, teacher=True).files[0]

    assert small.scores is not None
    assert small.scores.own["accuracy"] == evaluate_file(small.path, records).metrics.accuracy
    assert small.latency_ms is not None
    assert {row.label for row in small.scores.per_class.classes} == {"hiss", "tone"}
    assert "Results of every class" in Path(f"{small.file}.md").read_text()
    assert teacher.params > small.params
    for file in (small, teacher):
        assert file.card == f"{file.file}.md"
        assert Path(file.card).is_file()
        result = Tagger(file.path).tag_file(recordings / "tone" / "1.wav", top_k=2)
        assert result.tags is not None
        assert {tag.label for tag in result.tags} == {"hiss", "tone"}
        assert sum(tag.score for tag in result.tags) == pytest.approx(1, abs=1e-4)
        assert len(result.windows or ()) == result.windows_scored == 1


def test_winners_are_kept_where_nothing_changed(experiment):
    config = ExportConfig(max_map_drop=1.0, representative_clips=8)
    files = experiment.export(config).files
    before = [file.path.stat().st_mtime_ns for file in files]

    assert all(Path(file.card).is_file() for file in files)
    assert experiment.export(config).files == files
    assert [file.path.stat().st_mtime_ns for file in files] == before
    family = experiment.family(config, data_licence="CC0")
    assert [file.budget for file in family.files] == ["params<=6k", "params<=9k"]
    header = Path(family.table).read_text().splitlines()[0]
    assert "accuracy" in header
    assert "mAP" not in header
    assert average([experiment.workdir]).networks[0].name == "largest"


def test_a_subnet_is_trained_alone_and_scored(experiment):
    result = experiment.train_subnet(0.4, SubnetConfig(TRAIN, init="supernet", steps=2))

    assert result.subnet == "4x2-3x2-6x2-12x2"
    assert Path(result.file).is_file()
    assert result.as_dict()["accuracy"] == result.metrics["accuracy"]


def test_a_subnet_of_another_supernet_is_not_returned_as_done(experiment, records, tmp_path):
    shutil.copytree(experiment.workdir.path, tmp_path / "run")
    again = Experiment(tmp_path / "run", records, cnn10_space("[2,2,X]", 4))
    configs = [
        SubnetConfig(TRAIN, objective=objective, init=init, steps=1)
        for objective, init in (("labels", "supernet"), ("distill", "random"))
    ]
    done = [again.train_subnet("smallest", config) for config in configs]
    assert [again.train_subnet("smallest", config) for config in configs] == done

    shutil.rmtree(tmp_path / "run" / "checkpoints" / "supernet")
    (tmp_path / "run" / "stages" / "supernet.json").unlink()
    again.train_supernet(SupernetConfig(TRAIN, largest_steps=0, steps=2))
    with pytest.raises(ConfigError, match="supernet was '"):
        again.train_subnet("smallest", configs[0])
    assert again.train_subnet("smallest", configs[1]) == done[1]


def test_a_stage_is_removed_with_all_that_depends_on_it_and_runs_afresh(
    experiment, records, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(experiment.workdir.path, run)
    again = Experiment(run, records, cnn10_space("[2,2,X]", 4))
    alone, distilled = (SubnetConfig(TRAIN, objective=o, steps=1) for o in ("labels", "distill"))
    for config in (alone, distilled):
        again.train_subnet("smallest", config)
    name = "subnet-4x2-3x2-6x2-12x1-labels-random-1"
    (run / "mine.txt").write_text("not a result")
    assert {"search", "supernet", name} <= set(again.workdir.stages())
    assert "search, soft_labels" in repr(again)
    with pytest.raises(ConfigError, match=r"or remove .* Experiment\.reset\('teacher'\)"):
        again.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=5))
    with pytest.raises(ValueError, match="no stage 'techer'; it has"):
        again.reset("techer")

    before = set(again.workdir.stages())
    removed = again.reset("supernet")
    assert {"supernet", "search"} <= set(removed)
    assert set(again.workdir.stages()) == before - set(removed)
    assert not any("supernet" in stage for stage in again.workdir.stages())
    assert not (run / "search").exists()
    assert not (run / "checkpoints" / "supernet").exists()
    assert again.reset("teacher")[:2] == ["teacher", "soft_labels"]
    assert again.workdir.stages() == [name]
    assert (run / "subnets" / f"{name}.keras").is_file()
    left = {path.name for path in run.iterdir()} - {".lock", ".aec_ofa.json", "export"}
    assert left == {
        *["checkpoints", "events", "report", "stages", "subnets"],
        *["config.json", "fingerprint", "mine.txt"],
    }
    again.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=1))


def test_an_experiment_is_opened_again_and_evaluated(experiment, records):
    again = Experiment.open(experiment.workdir.path, records)

    assert again.space == experiment.space
    assert again.evaluate("largest").metrics.clips == records.clips("evaluation")
    assert again.evaluate_teacher().metrics.accuracy is not None


def test_the_library_needs_no_flags():
    code = (
        "import sys, aec_ofa_tf.experiment, aec_ofa_tf.averaging, tfrecords.prepare\n"
        "assert not any(name.startswith('pipelines') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
