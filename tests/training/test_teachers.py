"""Soft labels of teachers that this run did not train."""

from pathlib import Path

import keras
import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.tagging.tagger import Tagger
from aec_ofa_tf.training.origins import SoftLabelsConfig
from aec_ofa_tf.training.stored_scores import StoredScores
from tests.recordings import source
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import open_records

CLIPS = 6


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    config = PrepareConfig("folder", 0.5, payload="audio")
    prepare(source(folder / "raw", train=CLIPS), config, folder / "records")
    return open_records(folder / "records")


@pytest.fixture
def experiment(records, tmp_path) -> Experiment:
    return Experiment(tmp_path / "run", records, cnn10_space("[2,2,2]", 4))


def soft_labels(experiment: Experiment, **config: str) -> np.ndarray:
    """The soft labels of a teacher in stored order, with those of the ids of the records."""
    assert experiment.soft_labels(SoftLabelsConfig(**config)).clips == CLIPS
    ids = clips(experiment.run.records)["id"]
    return experiment.run.records.read_soft_labels(experiment.run.soft_labels_path, ids)


def clips(records) -> dict:
    (batch,) = records.evaluation_batches("train", CLIPS, ("log_mel", "waveform"))
    return batch


def write_csv(path: Path, ids, labels, scores) -> Path:
    lines = [",".join(["id", *labels])]
    lines += [",".join([clip, *map(str, row)]) for clip, row in zip(ids, scores, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_stored_scores_become_the_soft_labels_of_their_clips(experiment, tmp_path, kind):
    ids = [clip.decode() for clip in clips(experiment.run.records)["id"].numpy()]
    scores = np.random.default_rng(0).uniform(size=(CLIPS, 4)).astype(np.float32)
    # In another order, with a clip and a label that the records do not have.
    order = [3, 1, 2, 0, 5, 4]
    names, rows = [*(ids[n] for n in order), "other.wav"], [*scores[order], scores[0]]
    labels = ["siren", "wind", "dog", "rain"]
    path = tmp_path / f"scores.{kind}"
    if kind == "csv":
        write_csv(path, names, labels, rows)
    else:
        np.savez(path, ids=np.array(names), labels=np.array(labels), scores=np.array(rows))
    found = soft_labels(experiment, teacher_scores=str(path))

    np.testing.assert_allclose(found, scores[:, [2, 3, 0]], rtol=1e-6)


def test_what_is_wrong_with_stored_scores_is_told(records, experiment, tmp_path):
    ids = [clip.decode() for clip in clips(records)["id"].numpy()]
    half = np.full((CLIPS, 3), 0.5)
    lacking = write_csv(tmp_path / "lacking.csv", ids[1:], records.labels, half[1:])
    with pytest.raises(
        ValueError, match=rf"no scores of 1 of 6 training clips, such as '{ids[0]}'"
    ):
        experiment.soft_labels(SoftLabelsConfig(teacher_scores=str(lacking)))
    others = write_csv(tmp_path / "others.csv", ids, ["dog", "rain", "wind"], half)
    with pytest.raises(ValueError, match="other labels than the records: it lacks 'siren'"):
        experiment.soft_labels(SoftLabelsConfig(teacher_scores=str(others)))
    with pytest.raises(ValueError, match=r"sum to 1\.500"):
        StoredScores.read(lacking).of_classes(records.labels, single_label=True)
    logits = write_csv(tmp_path / "logits.csv", ids, records.labels, half * 3)
    with pytest.raises(ValueError, match=r"are not all in \[0, 1\]"):
        experiment.soft_labels(SoftLabelsConfig(teacher_scores=str(logits)))
    write_csv(tmp_path / "labels.csv", ids, ["dog", "rain", "dog"], half)
    write_csv(tmp_path / "twice.csv", [*ids, ids[2]], records.labels, [*half, half[0]])
    (tmp_path / "torn.csv").write_text("id,dog,rain\na.wav,0.1\n")
    (tmp_path / "words.csv").write_text("id,dog\na.wav,loud\n")
    (tmp_path / "no.csv").write_text("clip,dog\na.wav,0.1\n")
    np.savez(tmp_path / "other.npz", scores=half)
    (tmp_path / "torn.npz").write_bytes(b"PK")
    for name, message in {
        "twice.csv": f"the clip '{ids[2]}' occurs twice",
        "labels.csv": "the label 'dog' occurs twice",
        "torn.csv": "line 2 has 2 cells instead of 3",
        "words.csv": "does not hold clip ids and scores",
        "no.csv": "the first line must be id and the labels",
        "other.npz": "does not hold clip ids and scores",
        "torn.npz": "does not hold clip ids and scores",
        "scores.txt": "must be a .csv or an .npz file",
    }.items():
        with pytest.raises(ValueError, match=message):
            StoredScores.read(tmp_path / name)
    with pytest.raises(ConfigError, match="two sources"):
        SoftLabelsConfig(teacher_scores="a.csv", teacher_model="b.keras")


@pytest.mark.parametrize("feature", ["log_mel", "waveform"])
def test_a_keras_file_teaches(experiment, records, tmp_path, feature):
    shape = {"log_mel": (records.frames, 64), "waveform": (records.clip_samples,)}[feature]
    clip = keras.Input(shape)
    scores = keras.layers.Dense(3, activation="sigmoid")(keras.layers.Flatten()(clip))
    model = keras.Model(clip, scores)
    model.save(tmp_path / "teacher.keras")
    (tmp_path / "labels.txt").write_text("siren\ndog\nrain\n")
    found = soft_labels(experiment, teacher_model=str(tmp_path / "teacher.keras"))

    expected = model(clips(records)[feature]).numpy()[:, [1, 2, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_keras_file_of_logits_or_of_other_clips_is_refused(experiment, records, tmp_path):
    layers = [keras.Input([records.clip_samples]), keras.layers.Dense(3, bias_initializer="ones")]
    keras.Sequential(layers).save(tmp_path / "logits.keras")
    with pytest.raises(ValueError, match=r"logits\.keras: the scores of clip .* not all in"):
        experiment.soft_labels(SoftLabelsConfig(teacher_model=str(tmp_path / "logits.keras")))
    keras.Sequential([keras.Input([99]), keras.layers.Dense(3)]).save(tmp_path / "t.keras")
    with pytest.raises(ValueError, match=r"takes clips of shape \(99,\); the records have log_mel"):
        experiment.soft_labels(SoftLabelsConfig(teacher_model=str(tmp_path / "t.keras")))


@pytest.mark.slow
def test_a_tflite_file_teaches_with_a_front_end_of_its_own(experiment, records, tmp_path):
    features = front_end("keyword_16k")
    network = Cnn10Network(3, features.frames(0.5), mel_bins=40, embedding_units=8)
    info = ModelInfo(
        labels=("rain", "siren", "dog"),
        sample_rate_hz=16000,
        clip_samples=8000,
        length_policy="pad",
        front_end=features,
        input="waveform",
        quantization="float32",
        subnet="4x2-4x1-4x1-4x1",
        params=1,
    )
    path = tmp_path / "teacher.tflite"
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)
    model = build_plain(parse_subnet(info.subnet), network, "sigmoid")
    convert_models([(model, ConversionRequest(path, info, noise))])
    found = soft_labels(experiment, teacher_model=str(path))

    halved = clips(records)["waveform"].numpy()
    tagger = Tagger(path)
    assert tagger.info.labels == info.labels
    # Each clip by itself, at half the rate; soxr's filter rings at the ends.
    import soxr

    expected = [tagger.tag(soxr.resample(clip, 32000, 16000)) for clip in halved]
    np.testing.assert_allclose(found, np.array(expected)[:, [2, 0, 1]], atol=1e-5)
    assert found.std() > 0
