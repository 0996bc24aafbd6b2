"""A CNN10 fine-tuned by distillation, in float32 and with its int8 arithmetic simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from absl import logging

from aec_ofa_tf.export.folded import fold, folded_layers, unfold
from aec_ofa_tf.export.job import run_child
from aec_ofa_tf.export.tuning import (
    CALIBRATION_FILE,
    CLIPS_FILE,
    PROGRESS,
    TARGETS_FILE,
    TUNED_FILE,
    TWIN_FOLDER,
    WEIGHTS_FILE,
    FineTuning,
    TuningJob,
    read_losses,
    write_tuning_job,
)


@dataclass(frozen=True, eq=False)
class TuningData:
    """What a network is fine-tuned on.

    Attributes:
        clips: float32 [clips, frames, mel_bins] log-mel in dB.
        targets: float32 [clips, classes], soft labels in [0, 1].
        calibration_clips: float32 [clips, frames, mel_bins]; the ranges of the network's
            activations start from these.
    """

    clips: np.ndarray
    targets: np.ndarray
    calibration_clips: np.ndarray


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network after fine-tuning.

    Attributes:
        model: in float32, of `build_cnn10`: what the quantised file is compared with.
        twin: folder of a SavedModel of the same network that was fine-tuned in the same way with
            int8 arithmetic simulated; `convert_models` makes `int8_qat` files of it.
        losses: of every step, of "float32" and "int8_qat".
    """

    model: keras.Model
    twin: Path
    losses: dict[str, list[float]]


def fine_tune(
    model: keras.Model, data: TuningData, settings: FineTuning, folder: Path
) -> FineTuned:
    """Fine-tunes a network towards soft labels, twice, in a child process.

    Batch norms are folded first, so that the weights that are trained are those of the file.
    Both networks see the same clips in the same order: their difference is what int8 costs.
    The same arguments give the same weights, on one type of machine.

    Args:
        model: of `build_cnn10`, with sigmoid scores; it is not changed.
        data: clean clips with soft labels.
        settings: how.
        folder: an empty folder that the answer refers to; keep it until files are made.

    Returns:
        The float32 network and the folder of the simulated one.

    Raises:
        ValueError: the model is none of these, or the data do not fit it.
        RuntimeError: the child process failed.
    """
    _check(model, data)
    _, frames, mel_bins = model.input_shape
    job = TuningJob(folded_layers(model), frames, mel_bins, settings)
    write_tuning_job(job, folder)
    np.savez(folder / WEIGHTS_FILE, **fold(model))
    arrays = {
        CLIPS_FILE: data.clips,
        TARGETS_FILE: data.targets,
        CALIBRATION_FILE: data.calibration_clips,
    }
    for name, array in arrays.items():
        np.save(folder / name, array.astype(np.float32, copy=False))
    run_child(["-m", "aec_ofa_tf.export.qat_trainer"], folder, "fine-tuning for int8_qat", _report)
    # They are large, and the twin is all that conversion reads.
    for name in arrays:
        (folder / name).unlink()
    with np.load(folder / TUNED_FILE, allow_pickle=False) as archive:
        tuned = {name: archive[name] for name in archive.files}
    return FineTuned(unfold(model, tuned), folder / TWIN_FOLDER, read_losses(folder))


def _report(line: str) -> None:
    if line.startswith(PROGRESS):
        logging.info("%s", line)


def _check(model: keras.Model, data: TuningData) -> None:
    layer = model.layers[-1]
    if layer.name != "classifier" or layer.activation is not keras.activations.sigmoid:
        raise ValueError(
            "int8_qat is for networks of build_cnn10 whose scores are sigmoids, received one that "
            f"ends in {layer.name!r}"
        )
    clip, classes = model.input_shape[1:], model.output_shape[1:]
    shapes = data.clips.shape[1:], data.targets.shape[1:], data.calibration_clips.shape[1:]
    few = min(len(data.clips), len(data.calibration_clips)) < 1
    if shapes != (clip, classes, clip) or few or len(data.clips) != len(data.targets):
        raise ValueError(
            f"expected clips of shape {clip} and a row of {classes[0]} soft labels for each, and "
            f"calibration clips; received arrays of shapes {data.clips.shape}, "
            f"{data.targets.shape} and {data.calibration_clips.shape}"
        )
    if not (data.targets.min() >= 0.0 and data.targets.max() <= 1.0):
        raise ValueError(
            "soft labels lie between 0 and 1, received values from "
            f"{data.targets.min()} to {data.targets.max()}"
        )
