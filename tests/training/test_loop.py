"""The step loop: what it resumes from, and what it refuses."""

import itertools
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.checkpoints import CheckpointStore
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.loop import Feed, LoopConfig, StepLoop
from aec_ofa_tf.training.sampler import uniform_sampler
from tests.training.steps import SPACE, batch, trainer

STEPS = 7


class KillError(Exception):
    """Stands for kill -9: whatever is not in a checkpoint is gone."""


def position(step: int) -> dict[str, int]:
    epoch, index = divmod(4 * step, 10)
    return {"seed": 0, "epoch": epoch, "index": index}


def feed(killed_at: int | None = None) -> Feed:
    def batches_from(start: int):
        for step in itertools.count(start):
            if step == killed_at:
                raise KillError
            yield {**batch(seed=step), "step": tf.constant(step, tf.int64)}

    return Feed(batches_from, batch_size=4, ids=lambda step: [f"clip-{step}"])


def new_loop(directory, dtype: str = "float32", **averages: object) -> StepLoop:
    model = trainer(sampler=uniform_sampler(SPACE.subnets(), 2), dtype=dtype)
    if averages:
        model.compile(optimizer=keras.optimizers.Adam(1e-3, **averages), auto_scale_loss=False)
    if dtype == "mixed_float16":
        # The first steps overflow and are left out, as may happen at any time.
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), 2.0**20)
        model.compile(optimizer=scaled, auto_scale_loss=False)
    store = CheckpointStore(directory, model.supernet, model.optimizer, position)
    return StepLoop(model, open_devices("none"), store, SummaryLog(None), lambda step: None, "test")


def state(loop: StepLoop) -> list[np.ndarray]:
    variables = [*loop.trainer.supernet.weights, *loop.trainer.optimizer.variables]
    return [np.array(variable) for variable in variables]


AVERAGES = {"use_ema": True, "ema_momentum": 0.75}


@pytest.mark.parametrize(
    ("dtype", "skips_steps", "averages"),
    [("float32", False, {}), ("mixed_float16", True, {}), ("float32", False, AVERAGES)],
)
def test_killed_at_any_step_a_run_ends_with_the_state_of_an_unbroken_one(
    tmp_path, dtype, skips_steps, averages
):
    config = LoopConfig(STEPS, checkpoint_every=2)
    loop = new_loop(tmp_path / "unbroken", dtype, **averages)
    fresh = state(loop)
    loop.run(feed(), loop.store.restore(), config)
    expected = state(loop)
    taken = int(loop.trainer.optimizer.iterations)
    assert 0 < taken <= STEPS
    assert (taken < STEPS) == skips_steps
    for killed_at in range(STEPS):
        loop.store = CheckpointStore(
            tmp_path / str(killed_at), loop.trainer.supernet, loop.trainer.optimizer, position
        )
        forget(loop, fresh)
        with pytest.raises(KillError):
            loop.run(feed(killed_at), loop.store.restore(), config)
        forget(loop, fresh)
        step = loop.store.restore()
        assert step == killed_at // 2 * 2
        assert loop.run(feed(), step, config) == STEPS

        for array, again in zip(state(loop), expected, strict=True):
            np.testing.assert_array_equal(array, again)


def test_a_phase_ends_with_the_average_of_its_weights_and_is_validated_with_it(tmp_path):
    plain, loop = new_loop(tmp_path / "plain"), new_loop(tmp_path / "loop", **AVERAGES)
    weights = plain.trainer.supernet.trainable_variables
    expected, seen = [], []
    plain.validate = lambda step: expected.append([np.array(weight) for weight in weights])
    own = loop.trainer.supernet.trainable_variables
    loop.validate = lambda step: seen.append([np.array(weight) for weight in own])
    for each in (plain, loop):
        each.run(feed(), 0, LoopConfig(STEPS, checkpoint_every=2, validate_every=1))

    average = expected[0]
    for step in range(STEPS):
        if step:
            pairs = zip(average, expected[step], strict=True)
            average = [0.75 * before + 0.25 * weight for before, weight in pairs]
        for ours, theirs in zip(seen[step], average, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(own, average, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def forget(loop: StepLoop, fresh: list[np.ndarray]) -> None:
    """Sets everything that a checkpoint should hold to what a new process has."""
    variables = [*loop.trainer.supernet.weights, *loop.trainer.optimizer.variables]
    for variable, value in zip(variables, fresh, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("at", [3, STEPS])
def test_a_sigterm_ends_training_with_a_checkpoint_also_after_the_last_step(tmp_path, at):
    loop = new_loop(tmp_path)
    loop.validate = lambda step: signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        loop.run(feed(), 0, LoopConfig(STEPS, validate_every=at))
    assert ended.value.code == 128 + signal.SIGTERM
    assert loop.store.steps() == [min(at + 1, STEPS)]


def test_a_checkpoint_holds_seed_step_and_position(tmp_path):
    loop = new_loop(tmp_path)
    loop.store.save(4)

    reader = tf.train.load_checkpoint(str(tmp_path / "step-4"))
    stored = {
        name: int(reader.get_tensor(f"position/{name}/.ATTRIBUTES/VARIABLE_VALUE"))
        for name in ("step", "seed", "epoch", "index")
    }
    assert stored == {"step": 4, "seed": 0, "epoch": 1, "index": 6}


def test_a_checkpoint_of_another_place_in_the_data_is_refused(tmp_path):
    loop = new_loop(tmp_path)
    loop.store.save(4)
    other = CheckpointStore(
        tmp_path,
        loop.trainer.supernet,
        loop.trainer.optimizer,
        lambda step: {**position(step), "seed": 1},
    )

    with pytest.raises(ValueError, match="seed, batch size and records must be those"):
        other.restore()


def test_a_loss_that_is_not_finite_names_the_clips_of_its_step(tmp_path):
    loop = new_loop(tmp_path)
    broken = {**batch(), "log_mel": tf.fill([4, 40, 64], float("nan"))}
    bad = Feed(lambda start: itertools.repeat(broken), 4, lambda step: [f"clip-{step}"])

    with pytest.raises(RuntimeError, match="the loss is nan at step 1; clips of that step: clip-0"):
        loop.run(bad, 0, LoopConfig(2))
    assert loop.store.steps() == []
