"""The files to measure: given files, files with random weights, hand-written counterparts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.fine_tune import TuningData, fine_tune
from aec_ofa_tf.export.part_files import randomise
from aec_ofa_tf.export.request import ConversionRequest, FineTuning, check_kind
from aec_ofa_tf.models.cnn10 import blocks_of, cnn10_subnet, parse_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tagging.model_file import INPUTS, ModelInfo, read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from pipelines.benchmarks.clips import synthetic_clips
from pipelines.benchmarks.handwritten import handwritten_cnn10
from pipelines.benchmarks.settings import TFLiteSettings
from pipelines.benchmarks.tflite_files import ModelFile

_QUANTIZATIONS = ("float32", "float16", "dynamic", "int8")
_CLIPS = 4
_THIN = cnn10_subnet(((4, 4), (4,), (4,), (4,)))
Work = list[tuple[keras.Model, ConversionRequest]]


def prepare_files(
    settings: TFLiteSettings, folder: Path
) -> tuple[list[ModelFile], dict[ModelFile, ModelFile]]:
    """The files to measure, and hand-written counterparts of the float32 files with log-mel input.

    Without `settings.models`, the files are made from the largest and the smallest subnet of the
    space with random weights, in every input and quantisation, and named by their path in
    `folder`. int8_qat needs training, so there is only one small file with waveform input, to
    measure its front end. Last in the list are the front ends beside the files with log-mel input.

    Raises:
        ValueError: a given file is not one that `pipelines.convert` wrote.
        RuntimeError: a conversion failed.
    """
    work: Work = [] if settings.models else _random_work(settings, folder)
    files = [ModelFile(str(path), path, read_info(path)) for path in settings.models]
    files += [ModelFile(_name(made.path, folder), made.path, made.info) for _, made in work]
    twins: dict[ModelFile, ModelFile] = {}
    for file in files:
        model = _handwritten(file) if file.kind == ("log_mel", "float32") else None
        if model is not None:
            path = folder / "handwritten" / str(len(twins)) / "model.tflite"
            twins[file] = ModelFile(f"handwritten {file.name}", path, file.info)
            work.append((model, _request(path, file.info)))
    _convert(work)
    return [*files, *_front_ends(files, folder)], twins


def _convert(work: Work) -> None:
    """Converts the models with the same clip length and front end in one child process each."""
    groups: dict[str, Work] = {}
    for model, request in work:
        key = f"{request.info.clip_samples} {request.info.front_end}"
        groups.setdefault(key, []).append((model, request))
    for group in groups.values():
        convert_models(group)


def _front_ends(files: Sequence[ModelFile], folder: Path) -> list[ModelFile]:
    """The front ends beside the files, one for each clip length and configuration."""
    paths = {file.path for file in files}
    found: dict[str, ModelFile] = {}
    for file in files:
        path = file.path.parent / FRONT_END_FILE
        if file.info.input == "log_mel" and path.exists() and path not in paths:
            key = f"{file.info.clip_samples} {file.info.front_end}"
            found.setdefault(key, ModelFile(_name(path, folder), path, read_info(path)))
    return list(found.values())


def _name(path: Path, folder: Path) -> str:
    """The path of a file, relative to `folder` if the suite made it."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _random_work(settings: TFLiteSettings, folder: Path) -> Work:
    work: Work = []
    kinds = _kinds()
    for spec in dict.fromkeys((settings.space.largest, settings.space.smallest)):
        model = build_plain(spec, settings.network)
        _make_plausible(model)
        info = _info(spec, settings)
        for form, quantization in kinds:
            card = dataclasses.replace(info, input=form, quantization=quantization)
            path = folder / str(spec) / f"{form}-{quantization}.tflite"
            work.append((model, _request(path, card)))
    return [*work, _tuned_work(settings, folder)]


def _tuned_work(settings: TFLiteSettings, folder: Path) -> tuple[keras.Model, ConversionRequest]:
    """A small int8_qat file with waveform input; its front end does not depend on the widths."""
    model = build_plain(_THIN, settings.network)
    _make_plausible(model)
    card = dataclasses.replace(_info(_THIN, settings), quantization="int8_qat")
    clips = _request(folder, card).parity_clips
    data = TuningData(clips, model.predict(clips, verbose=0), clips)
    place = folder / "tuning"
    place.mkdir()
    tuned = fine_tune(model, data, FineTuning(steps=1, batch_size=1), place)
    request = _request(
        folder / str(_THIN) / "waveform-int8_qat.tflite",
        dataclasses.replace(card, input="waveform"),
    )
    return tuned.model, dataclasses.replace(request, twin=tuned.twin)


def _kinds() -> list[tuple[str, str]]:
    """Input and quantisation of every file that can be made without training."""
    kinds = []
    for kind in itertools.product(INPUTS, _QUANTIZATIONS):
        try:
            check_kind(*kind)
        except ValueError as error:
            logging.info("%s", error)
        else:
            kinds.append(kind)
    return kinds


def _handwritten(file: ModelFile) -> keras.Model | None:
    """A hand-written Keras model with the sizes in a file's card; None if the card lacks a size."""
    info, front_end = file.info, file.info.front_end
    frames, classes = info.clip_samples // front_end.hop_samples, len(info.labels)
    if "embedding_units" not in info.extra:
        logging.warning("the card of %s lacks a size: no hand-written counterpart", file.name)
        return None
    model = handwritten_cnn10(
        blocks_of(parse_subnet(info.subnet)),
        frames,
        classes,
        front_end.mel_bins,
        info.extra["embedding_units"],
        info.extra["pool_last"],
    )
    _make_plausible(model)
    return model


def _make_plausible(model: keras.Model) -> None:
    """Sets random weights, and an input norm that normalises log-mels in dB."""
    randomise(model, np.random.default_rng(0))
    norm = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    norm.moving_mean.assign(np.full(norm.moving_mean.shape, -40.0))
    norm.moving_variance.assign(np.full(norm.moving_variance.shape, 100.0))


def _info(spec: Subnet, settings: TFLiteSettings) -> ModelInfo:
    network, front_end = settings.network, settings.front_end
    return ModelInfo(
        labels=tuple(f"class {number}" for number in range(network.classes)),
        sample_rate_hz=front_end.sample_rate_hz,
        clip_samples=network.frames * front_end.hop_samples,
        length_policy="pad",
        front_end=front_end,
        input="log_mel",
        quantization="float32",
        subnet=str(spec),
        params=params(spec, network),
        network=network.family.upper(),
        extra=network.family_fields,
    )


def _request(path: Path, info: ModelInfo) -> ConversionRequest:
    clips = np.array(list(synthetic_clips(info.clip_samples, info.sample_rate_hz).values()))
    clips = clips[:_CLIPS].astype(np.float32)
    if info.input == "log_mel":
        clips = log_mel(tf.constant(clips), info.front_end).numpy()
    return ConversionRequest(path, info, clips, clips)
