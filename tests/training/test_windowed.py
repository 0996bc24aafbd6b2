"""Networks that hear windows of clips: from the cut to a file that is scored on whole clips."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import aec_ofa_tf as ofa
from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.dataset import EVALUATION, TRAIN, VALIDATION
from aec_ofa_tf.export.scoring import evaluate_file
from aec_ofa_tf.planning import small_stages
from aec_ofa_tf.tagging.windows import OverallScores
from aec_ofa_tf.training.disturbing import crop_frames
from aec_ofa_tf.training.noise import NoiseDataset
from aec_ofa_tf.training.windowed import Sounding, clip_labels, clip_scores, in_windows
from tests.recordings import source
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records

CLIP_SECS, WINDOW_SECS = 0.64, 0.32
CROPS = ofa.TrainConfig(crop_secs=0.4)
DATA = NoiseDataset(("a", "b"), True, PANNS, 1.0, {TRAIN: 6, VALIDATION: 5})


def rows(data, *features):
    batches = list(data.evaluation_batches(VALIDATION, 2, features))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_windows_cover_a_clip_evenly_and_keep_its_label():
    data = in_windows(DATA, 0.4)
    whole, cut = rows(DATA, "log_mel", "waveform"), rows(data, "log_mel", "waveform")

    assert (data.windows, data.frames, data.clips(VALIDATION)) == (3, 40, 5)
    for number, first in enumerate((0, 30, 60)):
        np.testing.assert_array_equal(
            cut["log_mel"][number::3], whole["log_mel"][:, first : first + 40]
        )
        samples = slice(first * PANNS.hop_samples, (first + 40) * PANNS.hop_samples)
        np.testing.assert_array_equal(cut["waveform"][number::3], whole["waveform"][:, samples])
        np.testing.assert_array_equal(cut["id"][number::3], whole["id"])
    np.testing.assert_array_equal(clip_labels(cut["labels"], data), whole["labels"])


def test_a_window_of_a_whole_clip_changes_nothing():
    assert in_windows(DATA, 1.0) is DATA
    assert in_windows(in_windows(DATA, 0.2), 0.5).windows == 2


@pytest.mark.parametrize("secs", [1.01, 0.0, -1.0, float("nan"), 1e-3, "0.4", None, True])
def test_a_window_that_no_clip_has_is_refused(secs):
    with pytest.raises(ConfigError, match="window_secs"):
        in_windows(DATA, secs)


def test_windows_are_what_is_trained_on():
    data = in_windows(DATA, 0.4)
    assert crop_frames(data, ofa.TrainConfig()) == crop_frames(DATA, CROPS) == 40
    assert crop_frames(data, CROPS) == 40
    with pytest.raises(ConfigError, match=r"crop_secs is the length of a window, 0\.5 s"):
        crop_frames(in_windows(DATA, 0.5), CROPS)


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_a_clip_has_the_scores_that_tagging_gives_it(task):
    data = in_windows(DATA, 0.3)
    scores = np.random.default_rng(0).random((12, 2), np.float32)

    found = clip_scores(scores, data, task)

    for clip in range(3):
        overall = OverallScores(task)
        last = [overall.add(row) for row in scores[4 * clip : 4 * clip + 4]][-1]
        np.testing.assert_array_equal(found[clip], last)


def test_statistics_are_of_windows_with_sound():
    silent = np.full((4, 10, 64), PANNS.floor_db, np.float32)
    loud = silent.copy()
    loud[1:3, 5] = -20.0
    batches = [{"log_mel": tf.constant(clips), "id": tf.range(4)} for clips in (silent, loud)]

    (left,) = Sounding(batches, PANNS.floor_db)

    assert left["id"].numpy().tolist() == [1, 2]
    np.testing.assert_array_equal(left["log_mel"], loud[1:3])


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windowed")
    config = PrepareConfig("folder", CLIP_SECS, length_policy="repeat", payload="audio")
    prepare(source(folder / "raw", 12, 8, 8), config, folder / "records")
    return open_records(folder / "records")


@pytest.fixture(scope="module")
def experiment(records, tmp_path_factory):
    """A trained supernet of windows; the random noise of its clips cannot be told apart."""
    space = ofa.search_space("[2,2,2]", base_channels=4)
    folder = tmp_path_factory.mktemp("run") / "run"
    made = ofa.Experiment(folder, in_windows(records, WINDOW_SECS), space)
    train = ofa.TrainConfig(batch_size=4, calibration_clips=8, precision="float32")
    made.train_teacher(ofa.TeacherConfig(steps=2, base_channels=4, train=train))
    made.soft_labels()
    made.train_supernet(ofa.SupernetConfig(largest_steps=1, steps=2, train=train))
    return made


def test_every_stage_scores_clips_by_all_their_windows(experiment, records):
    windows = in_windows(records, WINDOW_SECS)
    subnet = experiment.space.smallest
    run = experiment.run
    evaluator = run.evaluator(run.load_supernet(), run.sizes(ofa.EvaluationConfig()))
    scores = evaluator.scores(
        subnet, evaluator.recalibrate(subnet), list(windows.evaluation_batches(EVALUATION, 4))
    )
    expected = np.max(scores.reshape(8, 2, -1), axis=1)

    found = experiment.evaluate(subnet)
    budget = "params<=8k,arena_bytes<=50k"
    searched = experiment.search(ofa.SearchConfig([budget], arena_reserve_bytes=10_000))
    config = ofa.ExportConfig(quantizations=("float32",), inputs=("log_mel", "waveform"))
    exported = experiment.export(config, subnet)

    labels = np.concatenate([b["labels"] for b in records.evaluation_batches(EVALUATION, 4)])
    assert found.metrics.mAP == pytest.approx(run.task.metrics(expected, labels).mAP, abs=1e-6)
    assert searched.budgets[0].budget == budget
    assert searched.budgets[0].best.costs["arena_bytes"] <= 40_000
    for file in exported.files:
        # A file that hears the waveform hears no more than the window, at its edges too.
        apart = 0.05 if "waveform" in file.path.name else 1e-6
        assert file.scores.own["mAP"] == pytest.approx(found.metrics.mAP, abs=apart)
        card = file.path.with_name(f"{file.path.name}.md").read_text()
        assert "clips in 2 windows of 0.32 s, scored by their highest: 12 train" in card
        # Of the whole records, whose clips are twice as long as the file's.
        again = evaluate_file(file.path, records).metrics.mAP
        assert again == pytest.approx(file.scores.own["mAP"], abs=1e-6)


def test_a_run_of_windows_opens_on_whole_records(experiment, records):
    opened = ofa.Experiment.open(experiment.workdir.path, records)

    subnet = experiment.space.largest
    assert opened.run.records.windows == 2
    assert opened.evaluate(subnet).metrics == experiment.evaluate(subnet).metrics
    with pytest.raises(ValueError, match="belongs to another experiment"):
        ofa.Experiment(experiment.workdir.path, records, experiment.space)


def test_a_run_of_whole_clips_does_not_open_on_longer_ones(records, tmp_path):
    space = ofa.search_space("[2,2,2]", base_channels=4)
    ofa.Experiment(tmp_path / "run", records, space)
    longer = PrepareConfig("folder", 2 * CLIP_SECS, length_policy="repeat")
    prepare(source(tmp_path / "raw", 2, 1, 1), longer, tmp_path / "longer")
    with pytest.raises(ValueError, match="belongs to another experiment"):
        ofa.Experiment.open(tmp_path / "run", open_records(tmp_path / "longer"))


def test_a_plan_for_small_data_trains_on_windows(experiment):
    train = small_stages(experiment.run).supernet.train
    assert (train.crop_secs, train.crop_silence) == (WINDOW_SECS, 0.5)


def test_a_teacher_of_whole_clips_scores_whole_clips(experiment, records, tmp_path):
    heard = []

    @keras.saving.register_keras_serializable("tests")
    class Mean(keras.layers.Layer):
        def call(self, log_mel):
            heard.append(log_mel.shape[1])
            return tf.nn.sigmoid(tf.reduce_mean(log_mel, axis=1)[:, :3])

    log_mel = keras.Input((records.frames, 64))
    keras.Model(log_mel, Mean()(log_mel)).save(tmp_path / "teacher.keras")
    heard.clear()
    copy = tmp_path / "run"
    shutil.copytree(experiment.workdir.path, copy)
    shutil.rmtree(copy / "soft_labels")
    (copy / "stages" / "soft_labels.json").unlink()

    result = ofa.Experiment.open(copy, records).soft_labels(
        ofa.SoftLabelsConfig(teacher_model=str(tmp_path / "teacher.keras"))
    )

    assert result.clips == 12
    assert set(heard) == {records.frames}
