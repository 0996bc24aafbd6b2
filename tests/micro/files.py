"""Random subnets as int8 files with int8 ends."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import Conversion, ConversionRequest
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.tagging.model_file import ModelInfo
from tests.export.graphs import randomise_norms


def random_subnets(space: SearchSpace, count: int, seed: int = 0) -> list[Subnet]:
    """Distinct subnets, every stage drawn by itself."""
    rng = np.random.default_rng(seed)
    found: dict[Subnet, None] = {}
    while len(found) < count:
        found[space.build([o[int(rng.integers(len(o)))] for o in space.stages])] = None
    return list(found)


def info_of(subnet: Subnet, network: NetworkConfig, front_end: FrontEndConfig = PANNS) -> ModelInfo:
    front_end = dataclasses.replace(front_end, mel_bins=network.mel_bins)
    return ModelInfo(
        labels=tuple(f"Sound {number}" for number in range(network.classes)),
        sample_rate_hz=front_end.sample_rate_hz,
        clip_samples=network.frames * front_end.hop_samples,
        length_policy="pad",
        front_end=front_end,
        input="log_mel",
        quantization="int8",
        subnet=str(subnet),
        params=1,
        io_type="int8",
        task=network.task,
        network=network.family.upper(),
    )


def clips_for(network: NetworkConfig, count: int = 8) -> np.ndarray:
    """Noise in dB, each clip with its own level and slope."""
    rng = np.random.default_rng(1)
    shape = (count, network.frames, network.mel_bins)
    slopes = rng.normal(0, 20, (count, 1, 1)) * np.linspace(-1, 1, network.mel_bins)
    levels = rng.normal(-30, 10, (count, 1, 1))
    return (rng.normal(0, 5, shape) + slopes + levels).astype(np.float32)


def convert_all(
    subnets: list[Subnet],
    network: NetworkConfig,
    folder: Path,
    target: str = "tflite",
    front_end: FrontEndConfig = PANNS,
) -> list[Conversion]:
    """Files of subnets with random weights."""
    clips = clips_for(network)
    work = []
    for number, subnet in enumerate(subnets):
        keras.utils.set_random_seed(number)
        model = build_plain(subnet, network)
        randomise_norms(model)
        path = folder / str(number) / "model.tflite"
        info = info_of(subnet, network, front_end)
        request = ConversionRequest(path, info, clips, clips, target=target)
        work.append((model, request))
    return convert_models(work)
