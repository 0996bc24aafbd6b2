"""Fine-tunes networks by distillation, in float32 and with simulated int8 arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from absl import logging

from aec_ofa_tf.export.child import (
    CALIBRATION_FILE,
    CLIPS_FILE,
    TARGETS_FILE,
    TRAINER,
    TUNED_FILE,
    TWIN_FOLDER,
    WEIGHTS_FILE,
    TuningJob,
    TuningLosses,
    read_losses,
    run_jobs,
    write_tuning_job,
)
from aec_ofa_tf.export.clips import tuning_clips, with_mixtures
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.fold import fold, unfold
from aec_ofa_tf.export.folded_graph import FoldedGraph
from aec_ofa_tf.export.request import FineTuning
from aec_ofa_tf.models.keras_files import load_model
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tasks import TASKS, Task, get_task
from aec_ofa_tf.training.run import Run

_CLIPS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class TuningData:
    """The data of fine-tuning.

    Attributes:
        clips: float32 [clips, frames, mel_bins] log-mel in dB.
        targets: float32 [clips, classes], soft labels in [0, 1].
        calibration_clips: float32 [clips, frames, mel_bins]; they set the initial ranges of the
            network's activations.
    """

    clips: np.ndarray
    targets: np.ndarray
    calibration_clips: np.ndarray


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network after fine-tuning.

    Attributes:
        model: the network in float32; the quantised file is compared with it.
        twin: folder of a SavedModel of the same network, fine-tuned in the same way with simulated
            int8 arithmetic; `convert_models` makes `int8_qat` files from it.
        losses: the losses of both networks.
    """

    model: keras.Model
    twin: Path
    losses: TuningLosses


def fine_tune(
    model: keras.Model, data: TuningData, settings: FineTuning, folder: Path
) -> FineTuned:
    """Fine-tunes a network towards soft labels, twice, in a child process.

    Batch norms are folded first, so that the trained weights are those of the file. Both networks
    are trained on the same clips in the same order, so they differ only by int8. The loss is that
    of the task whose activation is the model's last one. The same arguments give the same weights
    on one type of machine.

    Args:
        model: a plain Keras model that `fold` accepts, whose scores are sigmoids (multi_label) or
            a softmax (single_label); it is not changed.
        data: clips, not augmented, with soft labels.
        settings: steps, learning rate, batch size and seed.
        folder: an empty folder for the result's files; keep it until the files are converted.

    Returns:
        The float32 network and the folder of the network with simulated int8 arithmetic.

    Raises:
        ValueError: a layer is not supported (`fold`), the model's outputs are logits, or the data
            do not match the model.
        RuntimeError: the child process failed.
    """
    folded = fold(model)
    task = _task(folded.graph)
    _check(model, data)
    write_tuning_job(TuningJob(folded.graph, task.name, settings), folder)
    np.savez(folder / WEIGHTS_FILE, **folded.weights)
    arrays = {
        CLIPS_FILE: data.clips,
        TARGETS_FILE: data.targets,
        CALIBRATION_FILE: data.calibration_clips,
    }
    for name, array in arrays.items():
        np.save(folder / name, array.astype(np.float32, copy=False))
    # With simulated int8 arithmetic, and without, to compare.
    run_jobs(["-m", TRAINER], folder, "fine-tuning for int8_qat", 2 * settings.steps, "step")
    # These files are large, and conversion reads only the twin.
    for name in arrays:
        (folder / name).unlink()
    with np.load(folder / TUNED_FILE, allow_pickle=False) as archive:
        tuned = {name: archive[name] for name in archive.files}
    return FineTuned(unfold(model, tuned), folder / TWIN_FOLDER, read_losses(folder))


def fine_tune_networks(
    run: Run,
    config: ExportConfig,
    models: Mapping[str, keras.Model],
    calibration_clips: np.ndarray,
    folder: Path,
) -> dict[str, FineTuned]:
    """Fine-tunes the networks of an experiment, as `int8_qat` files need them.

    Args:
        run: the run, whose records are used.
        config: steps, learning rate, batch size and number of clips.
        models: the networks by name.
        calibration_clips: float32 [clips, frames, mel_bins].
        folder: folder for the files that the conversion reads.

    Raises:
        RuntimeError: fine-tuning failed.
    """
    clips, targets_of = tuning_targets(run, config)
    settings = FineTuning(
        config.qat_steps, config.qat_learning_rate, config.qat_batch_size, config.seed
    )
    tuned = {}
    for name, model in models.items():
        logging.info("fine-tuning %s on %d clips", name, len(clips))
        part = folder / name.replace(" ", "-")
        part.mkdir()
        tuned[name] = fine_tune(
            model, TuningData(clips, targets_of(model), calibration_clips), settings, part
        )
    return tuned


def tuning_targets(
    run: Run, config: ExportConfig
) -> tuple[np.ndarray, Callable[[keras.Model], np.ndarray]]:
    """The clips of fine-tuning, and what networks learn of them.

    The targets are the teacher's soft labels if the run has them; otherwise the scores of the run's
    frozen largest subnet, or, without one, of each network before fine-tuning. Such scores can be
    had for any sound, and those of mixtures say more than those of clips, which the network knows:
    as many mixtures as clips are then added.

    Args:
        run: the run, whose records are used.
        config: number of clips and seed.

    Returns:
        float32 [clips, frames, mel_bins] log-mel in dB; and a function from a network to its
        targets, float32 [clips, classes].
    """
    clips, ids = tuning_clips(run.records, config.qat_clips, _CLIPS_AT_ONCE)
    soft_labels = run.records.read_soft_labels(run.soft_labels_path, ids)
    if soft_labels is not None:
        return clips, lambda network: soft_labels
    clips = with_mixtures(clips, run.records.front_end.floor_db, config.seed)
    if not run.frozen_path.exists():
        return clips, lambda network: _scores(network, clips)
    scores = _scores(load_model(run.frozen_path), clips)
    return clips, lambda network: scores


def _task(graph: FoldedGraph) -> Task:
    """The task whose activation is the network's last one."""
    tasks = {task.activation: task for task in map(get_task, TASKS)}
    if graph.activation not in tasks:
        raise ValueError(
            f"int8_qat is for networks that end in {' or '.join(tasks)}, received one whose last "
            f"layer is {graph.output!r} with the activation {graph.activation}"
        )
    return tasks[graph.activation]


def _check(model: keras.Model, data: TuningData) -> None:
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


def _scores(model: keras.Model, clips: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(clips, batch_size=_CLIPS_AT_ONCE, verbose=0))
