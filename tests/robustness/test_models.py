"""The figures of model files under every condition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.models.keras_files import save_model
from aec_ofa_tf.robustness.conditions import CONDITIONS, Gain, WhiteNoise
from aec_ofa_tf.robustness.measure import Scorer, measure_robustness
from aec_ofa_tf.robustness.models import file_robustness
from aec_ofa_tf.robustness.results import CLEAN, Robustness
from aec_ofa_tf.robustness.store import read_stored, store_file
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.training.windowed import in_windows
from aec_ofa_tf.workdir import Workdir
from tests.exported import LABELS, SAMPLES
from tests.recordings import RATE_HZ, noise, write
from tfrecords.clip import Clip, Source
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import Records, open_records

SECS = SAMPLES / RATE_HZ
CLIPS = 15


def records(folder, payload: str = "audio") -> Records:
    """Noise of several levels, one label each, all of it in the evaluation split but one clip."""
    clips = []
    for number in range(CLIPS + 1):
        level = 10.0 ** (-(number % 7) / 3)
        path = write(folder / f"{number}.wav", level * noise(SECS, seed=number), subtype="FLOAT")
        split = "evaluation" if number < CLIPS else "train"
        clips.append(Clip(str(number), str(path), (LABELS[number % len(LABELS)],), split))
    config = PrepareConfig("folder", SECS, "repeat", payload)
    prepare(Source(LABELS, tuple(clips)), config, folder / "records")
    return open_records(folder / "records")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Records:
    return records(tmp_path_factory.mktemp("audio"))


def test_a_file_gets_a_figure_for_every_condition_whatever_its_input(
    data, exported, largest, tmp_path
):
    save_model(exported.models[largest], tmp_path / "model.keras")
    paths = [
        tmp_path / "model.keras",
        exported.path(largest, "log_mel"),
        exported.path(largest, "waveform"),
    ]
    results = [file_robustness(path, data, figure="mAP", batch_size=4) for path in paths]

    expected = [CLEAN, *(condition.name for condition in CONDITIONS)]
    for found in results:
        assert list(found.figures) == expected
        assert (found.figure, found.split, found.clips) == ("mAP", "evaluation", CLIPS)
        # Scores that are closer than rounding may change places.
        values = np.array(list(found.figures.values()))
        np.testing.assert_allclose(values, list(results[0].figures.values()), atol=0.1)
    assert results[2] == file_robustness(paths[2], data, figure="mAP", batch_size=15)
    assert file_robustness(paths[1], data).figure == "accuracy"


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_an_int8_file_is_scored_on_the_changed_waveforms_themselves(data, exported, largest, form):
    path, condition = exported.path(largest, form, "int8"), WhiteNoise(-40.0)
    model = TFLiteModel(path)
    (batch,) = data.evaluation_batches("evaluation", CLIPS, ("waveform",))
    waveforms = np.stack(
        [
            condition(one, RATE_HZ, clip_id)
            for one, clip_id in zip(batch["waveform"].numpy(), batch["id"].numpy(), strict=True)
        ]
    )
    features = log_mel(tf.constant(waveforms)).numpy().astype(np.float16).astype(np.float32)
    scores = model.batch_scores(waveforms if form == "waveform" else features)

    found = file_robustness(path, data).figures[condition.name]
    assert found == evaluate_scores(scores, batch["labels"].numpy(), single_label=True).accuracy


def test_clean_clips_are_those_of_the_records(data):
    seen = []

    def score(batch) -> np.ndarray:
        seen.append(batch["log_mel"].numpy())
        return batch["labels"].numpy()

    found = measure_robustness(
        Scorer("log_mel", score, "accuracy"), data, batch_size=CLIPS, conditions=(Gain(-20.0),)
    )
    (clean,) = data.evaluation_batches("evaluation", CLIPS)

    assert found.figures == {CLEAN: 1.0, "gain -20 dB": 1.0}
    np.testing.assert_array_equal(seen[0], clean["log_mel"])
    np.testing.assert_allclose(seen[1], clean["log_mel"] - 20.0, atol=0.04)


def test_windows_are_heard_alone_clean_and_changed(data):
    windows, seen = in_windows(data, data.clip_secs / 2), []

    def score(batch) -> np.ndarray:
        seen.append(batch["log_mel"].numpy())
        return batch["labels"].numpy()

    found = measure_robustness(
        Scorer("log_mel", score, "accuracy"), windows, batch_size=CLIPS, conditions=(Gain(-20.0),)
    )

    assert found.clips == CLIPS
    assert found.figures == {CLEAN: 1.0, "gain -20 dB": 1.0}
    # To the frames at the edges, which the clip's own log-mel has otherwise.
    assert len(seen[0]) == 2 * CLIPS
    np.testing.assert_allclose(seen[1], seen[0] - 20.0, atol=0.04)


def test_log_mel_records_are_refused_in_a_sentence(exported, smallest, tmp_path):
    with pytest.raises(ConfigError, match="hold none: prepare another directory with payload="):
        file_robustness(exported.path(smallest, "log_mel"), records(tmp_path, "log_mel"))


def test_a_split_without_clips_is_refused(data, exported, smallest):
    with pytest.raises(ValueError, match="no validation clips"):
        file_robustness(exported.path(smallest, "log_mel"), data, "validation")


RESULT = Robustness("accuracy", "evaluation", 15, {CLEAN: 0.9, "a": 0.4, "b": 0.95})


def test_results_say_what_is_lost_and_survive_json():
    assert RESULT.worst == "a"
    assert RESULT.lost == pytest.approx({"a": 0.5, "b": -0.05})
    assert Robustness.from_dict(RESULT.as_dict()) == RESULT
    assert "0.4000" in str(RESULT)
    with pytest.raises(ValueError, match="begin with that of clean"):
        Robustness("accuracy", "evaluation", 15, {"a": 0.4})


def test_a_run_keeps_the_result_of_a_file_as_long_as_it_has_the_same_bytes(tmp_path):
    run = tmp_path / "run"
    path = run / "export" / "8x1" / "a.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    assert store_file(path, RESULT) is None  # no run yet

    (run / "config.json").write_text("{}")
    assert store_file(path, RESULT) == Workdir(run)
    (kept,) = read_stored(Workdir(run))
    assert (kept.model, kept.result) == ("export/8x1/a.tflite", RESULT)
    path.write_bytes(b"two")
    assert read_stored(Workdir(run)) == ()
