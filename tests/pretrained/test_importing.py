"""Checkpoints become folders that train, convert and tag."""

import numpy as np
import pytest
import soundfile

import aec_ofa_tf as ofa
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.export.imported import export_imported
from aec_ofa_tf.models.keras_files import load_model
from aec_ofa_tf.pretrained.importing import ImportedWeights, audioset_labels
from tests.programs import run_program
from tests.recordings import source
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import open_records

pytest.importorskip("torch", reason="needs the extra torch")

from tests.pretrained.test_checkpoints import random_checkpoint

LABELS = [f"sound {number}" for number in range(7)]
SECS = 0.5


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> ImportedWeights:
    folder = tmp_path_factory.mktemp("imported")
    random_checkpoint(folder / "mn01.pt", 0.1)
    return ofa.import_weights(
        folder / "mn01.pt", folder / "run", clip_secs=SECS, mel_bins=40, labels=LABELS
    )


def test_audioset_has_527_labels():
    labels = audioset_labels()
    assert len(set(labels)) == 527
    assert (labels[0], labels[75], labels[526]) == ("Speech", "Bark", "Field recording")


def test_a_folder_is_opened_as_it_was_written(imported):
    assert ImportedWeights.open(imported.folder) == imported
    assert (imported.folder / "labels.txt").read_text().splitlines() == LABELS
    assert str(imported.space).startswith("mn01 ")
    assert load_model(imported.model_file).output_shape == (None, 7)
    with pytest.raises(ValueError, match="holds no imported weights"):
        ImportedWeights.open(imported.folder.parent)


def test_what_cannot_be_imported_is_told(imported, tmp_path):
    checkpoint = imported.folder.parent / "mn01.pt"
    with pytest.raises(ConfigError, match="labels=527 names do not fit a checkpoint of 7 outputs"):
        ofa.import_weights(checkpoint, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"one of efficientat, panns, received 'onnx'"):
        ofa.import_weights(checkpoint, tmp_path / "run", "onnx")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        ofa.import_weights(checkpoint, tmp_path / "mine", labels=LABELS)
    told = run_program(
        "import_weights", f"--checkpoint={checkpoint}", f"--workdir={tmp_path / 'run'}"
    )
    assert told.code == 1
    assert "--labels=527 names do not fit" in told.stderr
    assert not (tmp_path / "run").exists()


def test_int8_needs_records_and_records_must_fit(imported, tmp_path):
    with pytest.raises(ConfigError, match="int8 need recordings"):
        export_imported(imported, ofa.ExportConfig(quantizations=["int8"]))
    with pytest.raises(ConfigError, match="trains a network"):
        export_imported(imported, ofa.ExportConfig(quantizations=["int8_qat"]))
    prepare(source(tmp_path / "raw", train=8), PrepareConfig("folder", SECS), tmp_path / "records")
    records = open_records(tmp_path / "records")
    with pytest.raises(ConfigError, match="prepare with its front end"):
        export_imported(imported, ofa.ExportConfig(), records)


@pytest.mark.slow
def test_a_checkpoint_becomes_a_file_that_tags(imported, tmp_path):
    """The scores of the file are those of the Keras model on the log-mel of the clip."""
    out = tmp_path / "files"
    places = (f"--workdir={imported.folder}", f"--out={out}")
    converted = run_program("convert", *places, "--input=waveform")
    assert converted.code == 0, converted.stderr
    clip = np.random.default_rng(3).normal(0, 0.1, 16000).astype(np.float32)
    soundfile.write(tmp_path / "clip.wav", clip, 32000, subtype="FLOAT")
    tagged = run_program(
        "tag", f"--model={out / 'waveform-float32.tflite'}", "--top_k=7", tmp_path / "clip.wav"
    )
    assert tagged.code == 0, tagged.stderr
    (file,) = tagged.result["files"]
    features = ofa.log_mel(clip[None], imported.front_end)
    expected = dict(zip(LABELS, load_model(imported.model_file)(features)[0].numpy(), strict=True))
    assert {tag["label"]: tag["score"] for tag in file["tags"]} == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_records_with_its_front_end_give_int8_files(imported, tmp_path):
    config = PrepareConfig("folder", SECS, payload="audio", front_end=imported.front_end)
    prepare(source(tmp_path / "raw", train=12), config, tmp_path / "records")
    kinds = {"inputs": ["log_mel", "waveform"], "quantizations": ["int8"]}
    export = ofa.ExportConfig(**kinds, representative_clips=8, parity_clips=4, max_map_drop=1.0)
    result = export_imported(imported, export, open_records(tmp_path / "records"), tmp_path / "out")
    assert [file.path.name for file in result.files] == [
        "log_mel-int8.tflite",
        "waveform-int8.tflite",
    ]
    assert ofa.Tagger(result.files[1].path).info.labels == tuple(LABELS)
