"""The child process that fine-tunes: `python -m aec_ofa_tf.export.qat_trainer` in a job folder.

It trains the network twice on the same clips in the same order: in float32, to compare the
quantised file with, and with simulated int8 arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from aec_ofa_tf.export.child import (
    BEGUN,
    CALIBRATION_FILE,
    CLIPS_FILE,
    TARGETS_FILE,
    TUNED_FILE,
    TWIN_FOLDER,
    WEIGHTS_FILE,
    TuningJob,
    TuningLosses,
    read_tuning_job,
    write_losses,
)
from aec_ofa_tf.export.request import FineTuning
from aec_ofa_tf.export.twin import build_twin, named_variables, set_output_ranges
from aec_ofa_tf.keras_settings import pin
from aec_ofa_tf.tasks import get_task


def main() -> None:
    """Runs the job of the working directory."""
    pin(tf_keras.backend)
    folder = Path.cwd()
    job = read_tuning_job(folder)
    with np.load(folder / WEIGHTS_FILE) as archive:
        weights = {name: archive[name] for name in archive.files}
    clips, targets, calibration = (
        np.load(folder / name, allow_pickle=False)
        for name in (CLIPS_FILE, TARGETS_FILE, CALIBRATION_FILE)
    )
    plain = build_twin(job.graph, weights)
    quantized = build_twin(job.graph, weights, quantized=True)
    set_output_ranges(quantized, plain, calibration)
    losses = TuningLosses(
        float32=train(plain, job, clips, targets, "float32"),
        int8_qat=train(quantized, job, clips, targets, "int8_qat"),
    )
    tuned = {name: variable.numpy() for name, variable in named_variables(plain).items()}
    np.savez(folder / TUNED_FILE, **tuned)
    _save(quantized, job.graph.input_shape, folder / TWIN_FOLDER)
    write_losses(losses, folder)


def train(
    model: tf_keras.Model,
    job: TuningJob,
    clips: np.ndarray,
    targets: np.ndarray,
    name: str,
) -> tuple[float, ...]:
    """Trains a twin in place towards soft labels.

    Args:
        model: the twin, from `build_twin`.
        job: the model's layers, the task and the settings.
        clips: float32 [clips, frames, mel_bins].
        targets: float32 [clips, classes] in [0, 1].
        name: name of the twin in messages.

    Returns:
        The loss of every step, before its update.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    settings = job.settings
    logits = tf_keras.Model(model.input, model.get_layer(job.graph.logits).output)
    step = _step_function(logits, list(named_variables(model).values()), job)
    losses: list[float] = []
    for number, rows in enumerate(_order(len(clips), settings), start=1):
        print(f"{BEGUN}step {number} of {name}", flush=True)
        losses.append(float(step(tf.constant(clips[rows]), tf.constant(targets[rows]))))
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(
                f"the loss of step {number} of {name} is {losses[-1]}: lower the learning rate"
            )
    # The scales of the weights are updated only by the next call in training.
    logits(tf.constant(clips[rows]), training=True)
    return tuple(losses)


def _step_function(
    logits: tf_keras.Model, variables: list[tf.Variable], job: TuningJob
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The train step, from a batch and its soft labels to the loss before the update."""
    settings, loss_of = job.settings, get_task(job.task).loss
    schedule = tf_keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    optimizer = tf_keras.optimizers.Adam(schedule)
    optimizer.build(variables)

    # AutoGraph has nothing to convert here, and takes longer than the rest of tracing.
    @tf.function(autograph=False)
    def step(batch: tf.Tensor, soft_labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(logits(batch, training=True), soft_labels)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def _order(clips: int, settings: FineTuning) -> list[np.ndarray]:
    """Indices of every step's clips: one permutation after another, cut into batches."""
    generator = np.random.default_rng(settings.seed)
    needed = settings.steps * settings.batch_size
    epochs = -(-needed // clips)
    order = np.concatenate([generator.permutation(clips) for _ in range(epochs)])
    return list(order[:needed].reshape(settings.steps, settings.batch_size))


def _save(model: tf_keras.Model, clip_shape: tuple[int, ...], folder: Path) -> None:
    """Writes a twin for inference as a SavedModel whose `scores` maps one clip to its scores."""
    module = tf.Module()
    # If the model itself were saved, Keras would trace every layer separately.
    module.kept = model.variables
    module.scores = tf.function(
        partial(model, training=False),
        input_signature=[tf.TensorSpec((1, *clip_shape), tf.float32)],
        autograph=False,
    )
    tf.saved_model.save(module, str(folder))


if __name__ == "__main__":
    main()
