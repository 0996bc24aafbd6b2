"""Converts the trained networks of a run to `.keras` and TFLite files."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from aec_ofa_tf.costs.costs import params, subnet_costs
from aec_ofa_tf.dataset import TRAIN
from aec_ofa_tf.export.clips import ConversionClips, conversion_clips
from aec_ofa_tf.export.config import QAT, ExportConfig
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.fine_tune import FineTuned, fine_tune_networks
from aec_ofa_tf.export.parity import check_fine_tuned
from aec_ofa_tf.export.request import Conversion, ConversionRequest
from aec_ofa_tf.export.results import (
    FINE_TUNED_FILE,
    MODEL_FILE,
    ConvertedFile,
)
from aec_ofa_tf.files import fingerprint, sha256_of
from aec_ofa_tf.models.keras_files import load_model, save_model
from aec_ofa_tf.models.materialise import materialise
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tagging.model_file import LABELS_FILE, WINDOWS, ModelInfo, read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from aec_ofa_tf.training.results import SubnetResult
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.stages import SUPERNET, TEACHER
from aec_ofa_tf.training.windowed import windows_of


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network to convert.

    Attributes:
        subnet: the subnet.
        network: the static parts of the network.
        model: the Keras model, whose outputs are scores.
        stage: the stage that trained the network.
        steps: number of training steps.
    """

    subnet: Subnet
    network: NetworkConfig
    model: keras.Model
    stage: str
    steps: int


def trained_subnets(run: Run, subnets: list[Subnet], sizes: Sizes) -> dict[Subnet, TrainedNetwork]:
    """Materialises and recalibrates subnets of the trained supernet.

    Raises:
        ValueError: the supernet is not trained.
    """
    supernet = run.load_supernet()
    evaluator = run.evaluator(supernet, sizes)
    settings = run.workdir.require_stage(SUPERNET).settings
    steps = settings["largest_steps"] + settings["steps"]
    found = {}
    for subnet in dict.fromkeys(subnets):
        statistics = evaluator.recalibrate(subnet)
        model = materialise(supernet, subnet, statistics, run.task.activation)
        found[subnet] = TrainedNetwork(subnet, run.network, model, SUPERNET, steps)
    return found


def teacher(run: Run) -> TrainedNetwork:
    """Loads the trained teacher.

    Raises:
        ValueError: the teacher is not trained.
    """
    config = run.trained_teacher()
    model = load_model(run.teacher_path)
    network = config.network(run.network)
    return TrainedNetwork(config.subnet, network, model, TEACHER, config.steps)


def trained_alone(run: Run, name: str) -> TrainedNetwork:
    """Loads a network that the stage `subnet` has trained.

    Args:
        run: the experiment.
        name: name of the training, and of the file in `subnets` of the run directory.

    Raises:
        ValueError: there is no such training, or it is not finished.
    """
    folder = run.workdir.path / "subnets"
    path = folder / f"{name}.keras"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.keras"))) or "none"
        raise ValueError(f"{folder} has no network {name}; trained alone: {known}")
    record = run.workdir.require_stage(name)
    result = SubnetResult(**(record.result or {}))
    subnet = run.space.parse_subnet(result.subnet)
    return TrainedNetwork(subnet, run.network, load_model(path), name, record.settings["steps"])


def convert_networks(
    run: Run, config: ExportConfig, folders: Mapping[Path, TrainedNetwork], sizes: Sizes
) -> list[ConvertedFile]:
    """Writes `model.keras` and the TFLite files of a configuration into each network's folder.

    With `int8_qat` files it also writes `model-fine_tuned.keras`, which they are compared with.

    Raises:
        ValueError: a combination of input and quantisation is unknown or cannot be converted.
        RuntimeError: fine-tuning or a conversion failed or lost too much accuracy, or a file
            differs from Keras beyond its bound.
    """
    kinds = config.kinds(run.records.payload)
    features = dict.fromkeys(feature for feature, _ in kinds)
    clips = {
        feature: conversion_clips(run.records, config, feature, sizes.batch_size)
        for feature in features
    }
    with tempfile.TemporaryDirectory() as twins:
        tuned = _fine_tuned(run, config, folders, clips.get("log_mel"), sizes, Path(twins))
        work = []
        for (folder, network), kind in itertools.product(folders.items(), kinds):
            tuning = tuned[id(network)] if kind[1] == QAT else None
            request = _request(run, config, folder, network, kind, clips[kind[0]], tuning)
            if tuning:
                check_fine_tuned(network.model, tuning.model, request)
            work.append((tuning.model if tuning else network.model, request))
        conversions = convert_models(work)
    for folder, network in folders.items():
        save_model(network.model, folder / MODEL_FILE)
        if id(network) in tuned:
            save_model(tuned[id(network)].model, folder / FINE_TUNED_FILE)
    requests = [request for _, request in work]
    return [converted_file(*pair) for pair in zip(requests, conversions, strict=True)]


def planned_files(config: ExportConfig, payload: str, folders: Iterable[Path]) -> list[Path]:
    """The files that an export of this configuration writes into folders, cards apart."""
    names = [file_name(*kind, config.io_type) for kind in config.kinds(payload)]
    names += [MODEL_FILE, LABELS_FILE, FRONT_END_FILE]
    names += [FINE_TUNED_FILE] if config.uses_qat else []
    return [folder / name for folder in folders for name in names]


def files_of_others(run: Run, folder: Path, network: Subnet, stage: str) -> list[Path]:
    """The TFLite files in a folder that are of another network or of another training run.

    `model.keras` must not be written beside them, because they were not made from it.
    """
    own = str(network), _run_fingerprint(run, stage)
    found = []
    for path in sorted(folder.glob("*.tflite")):
        try:
            info = read_info(path)
        except ValueError:  # not written by this project
            continue
        if path.name != FRONT_END_FILE and own != (info.subnet, info.extra.get("run_fingerprint")):
            found.append(path)
    return found


def require_no_others(run: Run, folder: Path, network: Subnet, stage: str) -> None:
    """Checks that a folder contains no `files_of_others`.

    Raises:
        ValueError: the folder contains such a file.
    """
    others = files_of_others(run, folder, network, stage)
    if others:
        raise ValueError(
            f"{others[0]} is of another subnet than {network}, or of another training run: use "
            "another folder (out)"
        )


def _fine_tuned(
    run: Run,
    config: ExportConfig,
    folders: Mapping[Path, TrainedNetwork],
    clips: ConversionClips | None,
    sizes: Sizes,
    folder: Path,
) -> dict[int, FineTuned]:
    """Fine-tuned networks for `int8_qat` files by `id` of the network; {} without such files."""
    if not config.uses_qat:
        return {}
    clips = clips or conversion_clips(run.records, config, "log_mel", sizes.batch_size)
    networks = {id(network): network for network in folders.values()}
    models = {f"{n.stage} {n.subnet}": n.model for n in networks.values()}
    tuned = fine_tune_networks(run, config, models, clips.representative_clips, folder)
    return {key: tuned[f"{n.stage} {n.subnet}"] for key, n in networks.items()}


def _request(
    run: Run,
    config: ExportConfig,
    folder: Path,
    network: TrainedNetwork,
    kind: tuple[str, str],
    clips: ConversionClips,
    tuning: FineTuned | None,
) -> ConversionRequest:
    info = _info(run, config, network, *kind)
    return ConversionRequest(
        folder / file_name(*kind, config.io_type),
        info,
        clips.parity_clips,
        clips.representative_clips,
        twin=tuning.twin if tuning else None,
        parity_labels=clips.parity_labels,
        max_map_drop=config.max_map_drop,
        split_channels=config.split_channels,
        target=config.target,
    )


def file_name(feature: str, quantization: str, io_type: str) -> str:
    """`log_mel-int8.tflite`, or `log_mel-int8-io_int8.tflite` with int8 inputs and outputs."""
    ends = "" if io_type == "float32" else f"-io_{io_type}"
    return f"{feature}-{quantization}{ends}.tflite"


def _info(
    run: Run, config: ExportConfig, network: TrainedNetwork, input_kind: str, quantization: str
) -> ModelInfo:
    records = run.records
    return ModelInfo(
        labels=records.labels,
        sample_rate_hz=records.front_end.sample_rate_hz,
        clip_samples=records.clip_samples,
        length_policy=records.length_policy,
        front_end=records.front_end,
        input=input_kind,
        quantization=quantization,
        subnet=str(network.subnet),
        params=params(network.subnet, network.network),
        extra=_extra(run, config, network, quantization),
        io_type=config.io_type,
        task=network.network.task,
        network=network.network.family.upper(),
    )


def _extra(
    run: Run, config: ExportConfig, network: TrainedNetwork, quantization: str
) -> dict[str, object]:
    """The information about its training in a model file, as JSON values."""
    records = run.records
    extra = {
        "macs": subnet_costs(network.subnet, network.network)["macs"],
        **network.network.family_fields,
        "run": run.workdir.path.resolve().name,
        "run_fingerprint": _run_fingerprint(run, network.stage),
        "dataset": records.summary.name,
        "records_fingerprint": records.fingerprint,
        "training_steps": network.steps,
        "seed": run.workdir.require_stage(network.stage).settings["seed"],
    }
    if windows_of(records) > 1:
        extra[WINDOWS] = windows_of(records)
    if quantization != QAT:
        return extra
    clips = min(config.qat_clips, records.clips(TRAIN))
    return {**extra, "fine_tuning": {**config.qat_settings, "qat_clips": clips}}


def _run_fingerprint(run: Run, stage: str) -> str:
    settings = run.workdir.require_stage(stage).settings
    return fingerprint({"config": run.config, stage: settings})


def converted_file(request: ConversionRequest, conversion: Conversion) -> ConvertedFile:
    """A finished file with the facts of its request."""
    info = request.info
    return ConvertedFile(
        **{field.name: getattr(conversion, field.name) for field in fields(conversion)},
        subnet=info.subnet,
        params=info.params,
        macs=info.extra["macs"],
        sha256=sha256_of(Path(request.path)),
    )
