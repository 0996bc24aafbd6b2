"""TFLite models of layers and of whole subnets with random weights, to be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.export.child import CONVERTER, ConversionJob, run_jobs, write_jobs
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.network import NetworkConfig, Part
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import ModelInfo, write_bundle

_REPRESENTATIVE_CLIPS = 2


def open_parts(
    parts: Sequence[Part | Subnet], network: NetworkConfig, quantization: str, threads: int = 1
) -> list[TFLiteModel]:
    """Converts layers and subnets in one child process and opens the files.

    In int8 a layer within a network takes and gives integers; the network's two ends are float32,
    as in the files of `pipelines.convert`.

    Args:
        parts: what to convert.
        network: what is static.
        quantization: "float32", "float16", "dynamic" or "int8".
        threads: of the interpreters.

    Returns:
        A model per part, which has computed one random clip.

    Raises:
        RuntimeError: the converter failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [
            _write_model(part, network, quantization, index, folder)
            for index, part in enumerate(parts)
        ]
        write_jobs(jobs, folder)
        purpose = f"converting {len(jobs)} layers and subnets to {quantization}"
        run_jobs(["-m", CONVERTER], folder, purpose, len(jobs))
        return [_open(part, job, folder, threads) for part, job in zip(parts, jobs, strict=True)]


def _write_model(
    part: Part | Subnet, network: NetworkConfig, quantization: str, index: int, folder: Path
) -> ConversionJob:
    """Writes a part's Keras model, and clips for int8, for the converter."""
    integers = quantization == "int8" and isinstance(part, Part)
    if isinstance(part, Part):
        model, ends = part.model(), (part.is_first, part.is_last)
    else:
        model, ends = build_plain(part, network), (True, True)
    keeps_floats = [not integers or is_end for is_end in ends]
    return write_job(model, network, quantization, keeps_floats, index, folder)


def write_job(
    model: keras.Model,
    network: NetworkConfig,
    quantization: str,
    keeps_floats: Sequence[bool],
    index: int,
    folder: Path,
) -> ConversionJob:
    """Writes a model with random weights, and clips for int8, for the converter.

    Args:
        model: the model; its batch norms and biases are drawn.
        network: whose layers it has.
        quantization: as for `open_parts`.
        keeps_floats: whether input and output of an int8 file are float32.
        index: number of the job in its folder, and seed of the draws.
        folder: the folder in which the converter will run.
    """
    rng = np.random.default_rng(index)
    randomise(model, rng)
    model.save(folder / f"{index}.keras")
    clips = rng.normal(size=(_REPRESENTATIVE_CLIPS, *model.input_shape[1:])).astype(np.float32)
    np.save(folder / f"{index}.npy", clips)
    return ConversionJob(
        content="log_mel",
        quantization=quantization,
        samples=network.frames * PANNS.hop_samples,
        front_end=PANNS,
        output=f"{index}.flatbuffer",
        model=f"{index}.keras",
        representative=f"{index}.npy",
        integer_input=not keeps_floats[0],
        integer_output=not keeps_floats[1],
    )


def randomise(model: keras.Model, rng: np.random.Generator) -> None:
    """Gives a new model values of a trained one's kind: additions of zeros would be left out.

    Args:
        model: whose batch norms and biases are drawn; its kernels stay.
        rng: where from.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.3, layer.beta.shape))
        elif isinstance(layer, keras.layers.Dense):
            layer.bias.assign(rng.normal(0.0, 0.3, layer.bias.shape))


def _open(part: Part | Subnet, job: ConversionJob, folder: Path, threads: int) -> TFLiteModel:
    info = ModelInfo(
        labels=(),
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=job.samples,
        length_policy="pad",
        front_end=job.front_end,
        input=job.content,
        quantization=job.quantization,
        subnet=str(part.row if isinstance(part, Part) else part),
        params=0,
    )
    path = folder / f"{job.output}.tflite"
    write_bundle((folder / job.output).read_bytes(), info, path)
    model = TFLiteModel(path, threads)
    model.scores(np.load(folder / job.representative, allow_pickle=False)[0])
    return model
