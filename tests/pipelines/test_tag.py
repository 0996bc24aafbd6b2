"""The tag program: any file in, labels and scores out, without TensorFlow."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.bundle import ModelInfo
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import build_cnn10
from aec_ofa_tf.spec import NetworkConfig, SubnetSpec
from tfrecords.decode import fit_length, read_waveform

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 64
LABELS = ("Dog", "Rain", "Speech, male", "Säge")
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras", "apache_beam", "sklearn"):
            raise ImportError(f"{name} is not part of the core install")

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(4)
    network = NetworkConfig(classes=len(LABELS), frames=FRAMES, embedding_units=16)
    model = build_cnn10(SubnetSpec.parse("4x2-6x1-8x2-8x1"), network)
    # Brings log-mel in dB to the range that the random layers after it expect.
    model.get_layer("input_norm").moving_mean.assign(np.full(64, -40.0))
    model.get_layer("input_norm").moving_variance.assign(np.full(64, 25.0))
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model) -> Path:
    folder = tmp_path_factory.mktemp("tag")
    info = ModelInfo(
        labels=LABELS,
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=FRAMES * PANNS.hop_samples,
        length_policy="repeat",
        front_end=dataclasses.asdict(PANNS),
        input="log_mel",
        quantization="float32",
        subnet="4x2-6x1-8x2-8x1",
        params=model.count_params(),
    )
    rng = np.random.default_rng(0)
    waveforms = rng.normal(0.0, 0.1, (2, info.clip_samples)).astype(np.float32)
    clips = {"log_mel": log_mel(tf.constant(waveforms)).numpy(), "waveform": waveforms}
    requests = [
        ConversionRequest(
            folder / f"{form}.tflite", dataclasses.replace(info, input=form), clips[form]
        )
        for form in clips
    ]
    convert_models([(model, request) for request in requests])
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(BLOCKER)
    return folder


@pytest.fixture(scope="module")
def audio(tmp_path_factory) -> dict[str, Path]:
    """Two seconds at 44.1 kHz stereo, a fraction of a clip at 8 kHz, and what is no audio."""
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(1)
    seconds = np.arange(88200) / 44100
    long = 0.3 * np.sin(2 * np.pi * 700 * seconds * (1 + seconds)) + rng.normal(0, 0.02, 88200)
    soundfile.write(folder / "long.flac", np.stack([long, 0.5 * long], axis=1), 44100)
    soundfile.write(folder / "short.mp3", rng.normal(0, 0.2, 4000), 8000)
    (folder / "text.wav").write_text("this is no audio")
    return {path.stem: path for path in folder.iterdir()}


def run_tag(folder, *arguments):
    """Runs the program where TensorFlow cannot be imported."""
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "pipelines.tag", *map(os.fspath, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def last_json(result):
    return json.loads(result.stdout.splitlines()[-1])


def keras_scores(model, file):
    clip = FRAMES * PANNS.hop_samples
    waveform = read_waveform(file, PANNS.sample_rate_hz)
    starts = [*range(0, max(1, len(waveform) - clip), clip), max(0, len(waveform) - clip)]
    windows = [fit_length(waveform[start : start + clip], clip, "repeat") for start in starts]
    return model(log_mel(tf.constant(np.stack(windows))), training=False).numpy().max(axis=0)


def test_tensorflow_is_out_of_reach_in_these_tests(folder):
    result = subprocess.run(
        [sys.executable, "-c", "import tensorflow"],
        env={**os.environ, "PYTHONPATH": str(folder / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not part of the core install" in result.stderr


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_tags_are_what_keras_says(folder, audio, model, form):
    result = run_tag(
        folder,
        f"--model={folder / form}.tflite",
        "--top_k=4",
        audio["long"],
        audio["short"],
    )
    assert result.returncode == 0, result.stderr
    files = last_json(result)["files"]
    assert [file["file"] for file in files] == [str(audio["long"]), str(audio["short"])]
    for file in files:
        expected = dict(zip(LABELS, keras_scores(model, file["file"]), strict=True))
        received = {tag["label"]: tag["score"] for tag in file["tags"]}
        assert received == pytest.approx(expected, abs=1e-4)
        assert [*received] == sorted(received, key=received.__getitem__, reverse=True)
    assert np.ptp(list(expected.values())) > 0.01


def test_a_reader_sees_a_table_before_the_json(folder, audio):
    result = run_tag(folder, f"--model={folder}/log_mel.tflite", "--top_k=1", audio["long"])
    name, best, _ = result.stdout.splitlines()
    (tag,) = last_json(result)["files"][0]["tags"]
    assert name == str(audio["long"])
    assert best.split(maxsplit=1) == [f"{tag['score']:.3f}", tag["label"]]


def test_a_bad_file_is_listed_and_the_others_are_tagged(folder, audio, tmp_path):
    missing = tmp_path / "missing.wav"
    result = run_tag(
        folder, f"--model={folder}/log_mel.tflite", audio["text"], audio["long"], missing
    )
    assert result.returncode == 1
    text, long, gone = last_json(result)["files"]
    assert text["file"] == str(audio["text"])
    assert "undecodable" in text["error"]
    assert len(long["tags"]) == 3
    assert gone["error"] == "missing"
    assert "2 of 3 files could not be tagged" in result.stderr
    assert str(missing) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_that_is_not_utf8_is_tagged(folder, audio, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.flac"
    try:
        Path(os.fsdecode(name)).write_bytes(audio["long"].read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    result = run_tag(folder, f"--model={folder}/log_mel.tflite", os.fsdecode(name))
    assert result.returncode == 0, result.stderr
    assert os.fsencode(last_json(result)["files"][0]["file"]) == name


def test_a_damaged_model_is_named(folder, audio, tmp_path):
    content = (folder / "waveform.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    result = run_tag(folder, f"--model={tmp_path}/cut.tflite", audio["long"])
    assert result.returncode == 1
    assert "cut.tflite carries no model card" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=x.tflite"], "no audio files given"),
        (["a.wav"], "--model"),
        (["--model=missing.tflite", "a.wav"], "error: there is no model at missing.tflite"),
        (["--model=x.tflite", "--top_k=0", "a.wav"], "top_k"),
    ],
)
def test_wrong_usage_says_so(folder, arguments, message):
    result = run_tag(folder, *arguments)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
