"""The tag program on the core install, with a thin random model in both forms."""

import dataclasses
import json
import os
import signal
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import ModelInfo
from tests.pipelines.tag.core_install import clean_environment, install_core

FRAMES = 64
CLIP = FRAMES * PANNS.hop_samples
RATE_HZ = PANNS.sample_rate_hz
LABELS = ("Dog", "Rain", "Speech, male", "Säge")


@pytest.fixture(scope="session")
def core_python(tmp_path_factory) -> Path:
    """Python where only the core is installed, as on a device."""
    return install_core(tmp_path_factory.mktemp("core_install"))


@pytest.fixture(scope="session")
def model() -> keras.Model:
    keras.utils.set_random_seed(4)
    network = Cnn10Network(classes=len(LABELS), frames=FRAMES, embedding_units=16)
    model = build_plain(parse_subnet("4x2-6x1-8x2-8x1"), network)
    # Brings log-mel in dB to the range that the random layers after it expect.
    model.get_layer("input_norm").moving_mean.assign(np.full(64, -40.0))
    model.get_layer("input_norm").moving_variance.assign(np.full(64, 25.0))
    return model


@pytest.fixture(scope="session")
def folder(tmp_path_factory, model) -> Path:
    folder = tmp_path_factory.mktemp("tag")
    info = ModelInfo(
        labels=LABELS,
        sample_rate_hz=RATE_HZ,
        clip_samples=CLIP,
        length_policy="repeat",
        front_end=PANNS,
        input="log_mel",
        quantization="float32",
        subnet="4x2-6x1-8x2-8x1",
        params=model.count_params(),
    )
    rng = np.random.default_rng(0)
    waveforms = rng.normal(0.0, 0.1, (2, CLIP)).astype(np.float32)
    clips = {"log_mel": log_mel(tf.constant(waveforms)).numpy(), "waveform": waveforms}
    requests = [
        ConversionRequest(
            folder / f"{form}.tflite", dataclasses.replace(info, input=form), clips[form]
        )
        for form in clips
    ]
    convert_models([(model, request) for request in requests])
    return folder


@pytest.fixture(scope="session")
def audio(tmp_path_factory) -> dict[str, Path]:
    """Two seconds at 44.1 kHz stereo, a fraction of a clip at 8 kHz, and what is no audio."""
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(1)
    seconds = np.arange(88200) / 44100
    long = 0.3 * np.sin(2 * np.pi * 700 * seconds * (1 + seconds)) + rng.normal(0, 0.02, 88200)
    soundfile.write(folder / "long.flac", np.stack([long, 0.5 * long], axis=1), 44100)
    soundfile.write(folder / "short.mp3", rng.normal(0, 0.2, 4000), 8000)
    (folder / "text.wav").write_text("this is no audio")
    (folder / "empty.ogg").touch()
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def tag(core_python, folder, tmp_path):
    """Runs the program where only the core is installed; `python` may be another."""

    def run(*arguments, python=core_python, form="waveform", **how):
        given = [*map(os.fspath, arguments)]
        if not any(argument.startswith("--model") for argument in given):
            given.insert(0, f"--model={folder / form}.tflite")
        return subprocess.run(
            [python, "-m", "pipelines.tag", *given],
            **{"cwd": tmp_path, "env": clean_environment(), "capture_output": True, **how},
            check=False,
        )

    return run


@pytest.fixture
def live(core_python, folder, tmp_path):
    """Starts the program on a pipe that stays open."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [core_python, "-m", "pipelines.tag", f"--model={folder}/waveform.tflite", *arguments],
            cwd=tmp_path,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Jobs in the background, the suite itself may be one, are begun with Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def last_json(result):
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout.splitlines()[-1])
