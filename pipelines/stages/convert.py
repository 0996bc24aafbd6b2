"""Stage `convert`: searched subnets as standalone `.keras` and TFLite files."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import flags, logging

from aec_ofa_tf.costs.costs import costs, params
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.fine_tune import FineTuned
from aec_ofa_tf.export.parity import check_fine_tuned
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.files import fingerprint, sha256_of
from aec_ofa_tf.models.cnn10 import parse_subnet
from aec_ofa_tf.models.materialise import materialise
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.tagging.model_file import ModelInfo, read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from pipelines.experiment import Experiment
from pipelines.preflight import conversion_kinds
from pipelines.stages.conversion_clips import conversion_clips
from pipelines.stages.file_figures import KERAS_FILE, with_scores
from pipelines.stages.fine_tuning import FINE_TUNED_FILE, FLAG_NAMES, QUANTIZATION, fine_tuned
from pipelines.stages.fit import flag_values
from pipelines.stages.model_card import card_path
from pipelines.stages.models import save_model
from tfrecords.clip import TRAIN

FLAGS = flags.FLAGS
NAME = "convert"
EXPORT = "export"


def run_convert(experiment: Experiment) -> dict[str, Any]:
    """Converts the winner of every budget and scores every file on the evaluation split.

    The files of budget `params<=60k` stand in `export/params_max_60k`. Nothing is done again if
    the files are those of an earlier run with the same settings.

    Raises:
        ValueError: the search stage is not done.
    """
    winners = experiment.workdir.winners()
    names = "input quantization io_type parity_clips max_map_drop representative_clips seed"
    sizes = {
        "batch_size": experiment.batch_size,
        "calibration_clips": experiment.calibration_clips,
    }
    subnets = {budget_folder(budget): subnet for budget, subnet in winners.items()}
    settings = {"subnets": subnets, **sizes, **flag_values(*names.split())}
    if QUANTIZATION in FLAGS.quantization:
        settings |= flag_values(*FLAG_NAMES)
    settings["supernet"] = experiment.workdir.require_stage("supernet")["settings"]
    export = experiment.workdir.path / EXPORT
    done = experiment.workdir.same_result(NAME, settings)
    if done and all(_stands(file, export) for file in [*done["files"], *done["companions"]]):
        return {"files": done["files"]}
    folders = winner_folders(winners, export)
    files = with_scores(experiment, convert_subnets(experiment, folders))
    for folder, spec in folders.items():
        for stale in files_of_others(experiment, folder, spec):
            stale.unlink()
            card_path(stale).unlink(missing_ok=True)
    for file in files:
        score = f", mAP {file['mAP']:.3f}, Keras {file['keras_mAP']:.3f}" if "mAP" in file else ""
        logging.info("%s: %s bytes%s", file["file"], f"{file['bytes']:,}", score)
    stage = {"files": files, "companions": _companions(folders)}
    experiment.workdir.finish_stage(NAME, stage, settings)
    return {"files": files}


def winner_folders(winners: Mapping[str, str], export: Path) -> dict[Path, Subnet]:
    """A folder in `export` for the subnet of every budget."""
    return {
        export / budget_folder(budget): parse_subnet(subnet) for budget, subnet in winners.items()
    }


def _companions(folders: Iterable[Path]) -> list[dict[str, str]]:
    """What stands beside the TFLite files of these folders."""
    names = (KERAS_FILE, FINE_TUNED_FILE, FRONT_END_FILE)
    paths = [folder / name for folder in folders for name in names]
    return [{"file": str(path), "sha256": sha256_of(path)} for path in paths if path.is_file()]


def _stands(file: Mapping[str, Any], export: Path) -> bool:
    """Whether a file is in this folder still, as it was written."""
    path = Path(file["file"])
    is_here = path.is_file() and path.resolve().is_relative_to(export.resolve())
    return is_here and sha256_of(path) == file.get("sha256")


def files_of_others(experiment: Experiment, folder: Path, spec: Subnet) -> list[Path]:
    """The TFLite files in a folder that are of another subnet, or of the subnet trained otherwise.

    Beside them `model.keras` would mislead.
    """
    own = str(spec), _training_run(experiment)["run_fingerprint"]
    found = []
    for path in sorted(folder.glob("*.tflite")):
        try:
            info = read_info(path)
        except ValueError:  # none of ours
            continue
        if path.name != FRONT_END_FILE and own != (info.subnet, info.extra.get("run_fingerprint")):
            found.append(path)
    return found


def require_no_others(experiment: Experiment, folder: Path, spec: Subnet) -> None:
    """Refuses a folder that holds `files_of_others`.

    Raises:
        ValueError: it does.
    """
    others = files_of_others(experiment, folder, spec)
    if others:
        raise ValueError(
            f"{others[0]} is of another subnet than {spec}, or of another training run: use "
            "another --out"
        )


def convert_subnets(experiment: Experiment, folders: dict[Path, Subnet]) -> list[dict[str, Any]]:
    """Writes `model.keras` and the TFLite files that the flags name into each subnet's folder.

    Beside `int8_qat` files stands `model-fine_tuned.keras`, with which they are compared.

    Raises:
        ValueError: a combination of input and quantisation is unknown or refused.
        RuntimeError: fine-tuning or a conversion failed or cost too much mAP, or a file differs
            from Keras beyond its bound.
    """
    kinds = conversion_kinds(experiment.records.payload)
    supernet = experiment.load_supernet()
    evaluator = experiment.evaluator(supernet)
    models = {
        spec: materialise(supernet, spec, evaluator.recalibrate(spec))
        for spec in dict.fromkeys(folders.values())
    }
    clips = {feature: conversion_clips(experiment, feature) for feature, _ in kinds}
    with tempfile.TemporaryDirectory() as twins:
        tuned = _fine_tuned(experiment, models, clips.get("log_mel"), Path(twins))
        work = []
        for (folder, spec), kind in itertools.product(folders.items(), kinds):
            path, info = folder / _file_name(*kind), _info(experiment, spec, *kind)
            tuning = tuned[spec] if info.quantization == QUANTIZATION else None
            request = ConversionRequest(
                path,
                info,
                **clips[info.input],
                twin=tuning.twin if tuning else None,
                max_map_drop=FLAGS.max_map_drop,
            )
            if tuning:
                check_fine_tuned(models[spec], tuning.model, request)
            work.append((tuning.model if tuning else models[spec], request))
        conversions = convert_models(work)
    for folder, spec in folders.items():
        save_model(models[spec], folder / KERAS_FILE)
        if spec in tuned:
            save_model(tuned[spec].model, folder / FINE_TUNED_FILE)
    for _, request in work:  # of an earlier file
        card_path(request.path).unlink(missing_ok=True)
    return [_row(pair[1], conversion) for pair, conversion in zip(work, conversions, strict=True)]


def _fine_tuned(
    experiment: Experiment,
    models: dict[Subnet, keras.Model],
    clips: dict[str, np.ndarray] | None,
    folder: Path,
) -> dict[Subnet, FineTuned]:
    """Subnets as `int8_qat` files are made of; none where no such file is wanted."""
    if QUANTIZATION not in FLAGS.quantization:
        return {}
    clips = clips or conversion_clips(experiment, "log_mel")
    return fine_tuned(experiment, models, clips["representative_clips"], folder)


def budget_folder(budget: str) -> str:
    """A budget as a folder name: `params<=60k` becomes `params_max_60k`."""
    for sign, word in (("<=", "_max_"), (">=", "_min_"), ("+-", "_pm_")):
        budget = budget.replace(sign, word)
    return re.sub(r"[^A-Za-z0-9.]+", "_", budget)


def _file_name(feature: str, quantization: str) -> str:
    """`log_mel-int8.tflite`, or `log_mel-int8-io_int8.tflite` with integers at both ends."""
    ends = "" if FLAGS.io_type == "float32" else f"-io_{FLAGS.io_type}"
    return f"{feature}-{quantization}{ends}.tflite"


def _info(experiment: Experiment, spec: Subnet, input_kind: str, quantization: str) -> ModelInfo:
    records = experiment.records
    return ModelInfo(
        labels=records.labels,
        sample_rate_hz=records.front_end.sample_rate_hz,
        clip_samples=records.clip_samples,
        length_policy=records.length_policy,
        front_end=asdict(records.front_end),
        input=input_kind,
        quantization=quantization,
        subnet=str(spec),
        params=params(spec, experiment.network),
        extra=_extra(experiment, spec, quantization),
        io_type=FLAGS.io_type,
    )


def _extra(experiment: Experiment, spec: Subnet, quantization: str) -> dict[str, Any]:
    network = experiment.network
    extra = {
        "macs": costs(spec, network)["macs"],
        "embedding_units": network.embedding_units,
        "pool_last": network.pool_last,
        **_training_run(experiment),
    }
    if quantization != QUANTIZATION:
        return extra
    clips = min(FLAGS.qat_clips, experiment.records.clips(TRAIN))
    return {**extra, "fine_tuning": {**flag_values(*FLAG_NAMES), "qat_clips": clips}}


def _training_run(experiment: Experiment) -> dict[str, Any]:
    """What the weights come from, for the model card."""
    records = experiment.records
    settings = experiment.workdir.require_stage("supernet")["settings"]
    run = {"config": experiment.config(), "supernet": settings}
    return {
        "run": experiment.workdir.path.resolve().name,
        "run_fingerprint": fingerprint(run),
        "dataset": records.manifest.configuration["dataset"],
        "records_fingerprint": records.fingerprint,
        "training_steps": settings["largest_steps"] + settings["supernet_steps"],
        "seed": settings["seed"],
    }


def _row(request: ConversionRequest, conversion: Any) -> dict[str, Any]:
    info = request.info
    return {
        **asdict(conversion),
        "subnet": info.subnet,
        "params": info.params,
        "macs": info.extra["macs"],
        "sha256": sha256_of(Path(request.path)),
    }
