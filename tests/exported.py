"""Thin random CNN10s and their TFLite files, converted once for all tests of the package."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import Conversion, ConversionRequest
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import ModelInfo
from tests.programs import new_interpreters
from tests.shared import made_once

FRAMES = 64
SAMPLES = FRAMES * PANNS.hop_samples
LABELS = ("Dog", "Rain", "Speech, male", "Glocke", "Säge")

# Every combination of depths, with even and odd widths among them.
DEPTH_COMBINATIONS = (
    "8x2-6x1-12x1-20x1",
    "8x2-6x1-12x1-13+20",
    "8x2-6x1-9x2-20x1",
    "8x2-16x1-12x2-7x2",
    "8x2-5+6-12x1-20x1",
    "8x2-6x2-19x1-20x2",
    "8x2-6x2-12x2-20x1",
    "8x2-16x2-32x2-64x2",
)
SMALLEST, LARGEST = DEPTH_COMBINATIONS[0], DEPTH_COMBINATIONS[-1]


Conversions = dict[tuple[str, str, str], Conversion]


@dataclass(frozen=True)
class Exported:
    """Results of one child process: models by spec, conversions by (spec, form, quantisation)."""

    folder: Path
    models: dict[str, keras.Model]
    conversions: Conversions

    def path(self, spec: str, form: str, quantization: str = "float32") -> Path:
        return Path(self.conversions[spec, form, quantization].file)


def randomise(model: keras.Model, seed: int) -> None:
    """Batch norms of a trained network's kind, so that folding them wrongly would show."""
    rng = np.random.default_rng(seed)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0.0, 0.3, norm.beta.shape))
        norm.momentum = 0.0
    # Statistics near those of real input keep scores of deep networks from saturating.
    model(log_mel(tf.constant(make_waveforms(16, seed=1))), training=True)
    for norm in norms:
        variance = norm.moving_variance.numpy()
        noise = rng.normal(0.0, 0.2, variance.shape) * np.sqrt(variance)
        norm.moving_mean.assign(norm.moving_mean.numpy() + noise)
        norm.moving_variance.assign(variance * rng.uniform(0.7, 1.4, variance.shape))


@pytest.fixture(scope="session")
def random_cnn10() -> Callable[..., keras.Model]:
    def build(spec: str, seed: int = 0, activation: str | None = "sigmoid") -> keras.Model:
        keras.utils.set_random_seed(seed)
        network = Cnn10Network(classes=len(LABELS), frames=FRAMES, embedding_units=24)
        model = build_plain(parse_subnet(spec), network, activation)
        randomise(model, seed)
        return model

    return build


@pytest.fixture(params=DEPTH_COMBINATIONS)
def spec(request) -> str:
    return request.param


@pytest.fixture
def smallest() -> str:
    return SMALLEST


@pytest.fixture
def largest() -> str:
    return LARGEST


@pytest.fixture(scope="session")
def info() -> ModelInfo:
    return ModelInfo(
        labels=LABELS,
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=SAMPLES,
        length_policy="repeat",
        front_end=PANNS,
        input="log_mel",
        quantization="float32",
        subnet=LARGEST,
        params=1234,
        network="CNN10",
        extra={"trained_on": "noise"},
    )


def make_waveforms(count: int, seed: int) -> np.ndarray:
    """Noise and tones over 80 dB of level; the last clip is digital silence."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(SAMPLES) / PANNS.sample_rate_hz
    clips = []
    for level in np.geomspace(1e-4, 0.5, count - 1):
        tone = np.sin(2 * np.pi * rng.uniform(100, 12000) * seconds)
        clips.append(level * (tone + rng.uniform(0, 1) * rng.normal(0, 0.5, SAMPLES)))
    return np.array([*clips, np.zeros(SAMPLES)], np.float32)


@pytest.fixture(scope="session")
def waveforms() -> np.ndarray:
    """Clips that no conversion was calibrated on."""
    return make_waveforms(8, seed=7)


def median_labels(model: keras.Model, clips: np.ndarray) -> np.ndarray:
    """Labels of log-mel clips that the model ranks perfectly: its scores above the median."""
    scores = model(clips, training=False).numpy()
    return (scores > np.median(scores, axis=0)).astype(np.uint8)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, random_cnn10, info) -> Exported:
    models = {spec: random_cnn10(spec, seed) for seed, spec in enumerate(DEPTH_COMBINATIONS)}
    models["logits"] = random_cnn10(LARGEST, len(DEPTH_COMBINATIONS) - 1, activation=None)
    folder, conversions = made_once(
        tmp_path_factory, "exported", lambda folder: (folder, converted(folder, models, info))
    )
    return Exported(folder, models, conversions)


def converted(folder: Path, models: dict[str, keras.Model], info: ModelInfo) -> Conversions:
    """Every file of the models that a test looks at."""
    seen = make_waveforms(16, seed=1)
    clips = {"waveform": seen, "log_mel": log_mel(tf.constant(seen)).numpy()}
    labels = {spec: median_labels(models[spec], clips["log_mel"]) for spec in models}
    wanted = [(spec, "log_mel", "float32") for spec in models]
    wanted += [(spec, "waveform", "float32") for spec in (SMALLEST, LARGEST)]
    wanted += [(LARGEST, "log_mel", q) for q in ("float16", "dynamic", "int8")]
    wanted += [(LARGEST, "waveform", "int8")]
    work = [
        (
            models[spec],
            ConversionRequest(
                path=folder / f"{spec}_{form}_{quantization}.tflite",
                info=dataclasses.replace(info, input=form, quantization=quantization, subnet=spec),
                parity_clips=clips[form],
                representative_clips=clips[form] if quantization == "int8" else None,
                parity_labels=labels[spec],
            ),
        )
        for spec, form, quantization in wanted
    ]
    with new_interpreters():
        return dict(zip(wanted, convert_models(work), strict=True))
