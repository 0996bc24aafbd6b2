"""TFLite files of an imported network, with or without records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.export.clips import conversion_clips
from aec_ofa_tf.export.config import QAT, ExportConfig
from aec_ofa_tf.export.convert import convert_models
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.export.results import MODEL_FILE, ExportResult
from aec_ofa_tf.export.run import converted_file, file_name
from aec_ofa_tf.export.scoring import with_latency
from aec_ofa_tf.models.keras_files import load_model, save_model
from aec_ofa_tf.ownership import MODELS, claim
from aec_ofa_tf.pretrained.importing import ImportedWeights
from aec_ofa_tf.tagging.model_file import ModelInfo

_SIGNALS = 4
_BATCH_SIZE = 16
_FROM_CLIPS = ("int8", "float16")
"""Quantisations that are fitted to recordings."""


def export_imported(
    imported: ImportedWeights,
    config: ExportConfig,
    records: Dataset | None = None,
    out: Path | None = None,
) -> ExportResult:
    """Converts an imported network to TFLite files, which are not scored.

    Args:
        imported: the network.
        config: the files to make.
        records: recordings for the comparison with Keras and the scales of int8, with the front
            end and the clip length of the network; their labels are not used. Without records,
            files are compared on noise and tones, and only float32 and dynamic can be made.
        out: folder for the files; by default `export` of the import's folder.

    Raises:
        ConfigError: a quantisation needs records or training, or the records do not fit.
        ValueError: the folder has files of somebody else.
        RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
    """
    _check(imported, config, records)
    folder = out or imported.folder / "export"
    claim(folder, MODELS)
    model = load_model(imported.model_file)
    kinds = config.kinds("audio" if records is None else records.payload)
    work = []
    for (feature, quantization), clips in zip(
        kinds, _clips_of(imported, config, records, [feature for feature, _ in kinds]), strict=True
    ):
        info = _info(imported, config, feature, quantization)
        path = folder / file_name(feature, quantization, config.io_type)
        work.append((model, ConversionRequest(path, info, *clips, target=config.target)))
    conversions = convert_models(work)
    save_model(model, folder / MODEL_FILE)
    requests = [request for _, request in work]
    files = [converted_file(*pair) for pair in zip(requests, conversions, strict=True)]
    return ExportResult(tuple(with_latency(files)))


def _check(imported: ImportedWeights, config: ExportConfig, records: Dataset | None) -> None:
    wanted = set(config.quantizations)
    if QAT in wanted:
        raise ConfigError(
            f"quantizations={QAT!r} trains a network, and this one was imported: train a subnet "
            "from it, or use int8",
            "quantizations",
            owner=ExportConfig,
        )
    if records is None:
        fitted = sorted(wanted & set(_FROM_CLIPS))
        if fitted:
            raise ConfigError(
                f"quantizations={','.join(fitted)} need recordings, from which their numbers are "
                "found: give the data_dir of records with this front end, or use float32 or "
                "dynamic",
                *("quantizations", "data_dir"),
                owner=ExportConfig,
            )
    elif (records.front_end, records.clip_secs) != (imported.front_end, imported.clip_secs):
        raise ConfigError(
            f"the records have clips of {records.clip_secs:g} s by {records.front_end}, the "
            f"imported network takes {imported.clip_secs:g} s by {imported.front_end}: prepare "
            "with its front end, or import with another clip_secs",
            "clip_secs",
        )


def _clips_of(
    imported: ImportedWeights,
    config: ExportConfig,
    records: Dataset | None,
    features: list[str],
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Clips for the comparison and for the quantisation, for every file."""
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for feature in dict.fromkeys(features):
        if records is None:
            found[feature] = _signals(imported, feature), None
        else:
            clips = conversion_clips(records, config, feature, _BATCH_SIZE)
            found[feature] = clips.parity_clips, clips.representative_clips
    return [found[feature] for feature in features]


def _signals(imported: ImportedWeights, feature: str) -> np.ndarray:
    """Noise that fades in, with a tone, one octave higher in every clip."""
    samples = imported.front_end.clip_samples(imported.clip_secs)
    seconds = np.arange(samples) / imported.front_end.sample_rate_hz
    noise = np.random.default_rng(0).normal(0, 0.1, (_SIGNALS, samples))
    tones = [0.3 * np.sin(2 * np.pi * 250 * 2**octave * seconds) for octave in range(_SIGNALS)]
    clips = (noise * seconds / seconds[-1] + np.array(tones)).astype(np.float32)
    return clips if feature == "waveform" else log_mel(clips, imported.front_end).numpy()


def _info(
    imported: ImportedWeights, config: ExportConfig, feature: str, quantization: str
) -> ModelInfo:
    network, costs = imported.network, subnet_costs(imported.subnet, imported.network)
    return ModelInfo(
        labels=imported.labels,
        sample_rate_hz=imported.front_end.sample_rate_hz,
        clip_samples=imported.front_end.clip_samples(imported.clip_secs),
        length_policy="pad",
        front_end=imported.front_end,
        input=feature,
        quantization=quantization,
        subnet=str(imported.subnet),
        params=int(costs["params"]),
        extra={
            "macs": costs["macs"],
            **network.family_fields,
            "checkpoint_format": imported.format,
            "checkpoint_sha256": imported.checkpoint_sha256,
        },
        io_type=config.io_type,
        task=network.task,
        network=network.family.upper(),
    )
