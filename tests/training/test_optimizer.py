import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.training.config import TrainConfig
from aec_ofa_tf.training.optimizer import TransferAdamW, averaged, new_optimizer
from aec_ofa_tf.training.origins import TransferConfig

TRANSFER = TransferConfig("mn.keras", classifier_steps=2, body_warmup_steps=2, body_rate=0.5)
RATE = 0.1


def train(
    new: Callable[[Sequence[keras.Variable]], keras.Optimizer], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values of head and body, which both begin at 1, before each step and after the last."""
    head, body = (keras.Variable(np.ones(1, np.float32)) for _ in range(2))
    optimizer = new([head])
    optimizer.build([body, head])
    values = [(1.0, 1.0)]
    apply = tf.function(
        lambda: optimizer.apply([tf.ones([1]), tf.ones([1])], [body, head]), autograph=False
    )
    for _ in range(count):
        apply()
        values.append((float(head.numpy()[0]), float(body.numpy()[0])))
    return tuple(np.array(values).T)


def test_only_the_head_is_trained_at_first_and_then_the_body_at_its_rate():
    head, body = train(partial(TransferAdamW, RATE, 0.0, False, TRANSFER), 5)
    # Adam's step is the rate where all gradients are equal.
    np.testing.assert_allclose(np.diff(head), [-RATE] * 5, rtol=1e-4)
    np.testing.assert_allclose(
        np.diff(body), np.array([0, 0, -0.25, -0.5, -0.5]) * RATE, rtol=1e-4, atol=1e-9
    )


def test_the_head_is_trained_as_by_adamw_and_decay_goes_by_the_rate_of_the_variable():
    config = TrainConfig(learning_rate=RATE, weight_decay=0.3)
    reference, _ = train(lambda _: new_optimizer(config, 5), 5)
    head, body = train(partial(TransferAdamW, RATE, 0.3, False, TRANSFER), 5)
    np.testing.assert_allclose(head, reference, rtol=1e-6)
    np.testing.assert_array_equal(body[:3], 1.0)
    np.testing.assert_allclose(body[3], 1 - 0.25 * RATE * (0.3 + 1), rtol=1e-4)


@pytest.mark.parametrize("transfer", [None, TransferConfig("mn.keras")])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-9])
def test_small_gradients_count_by_epsilon(weight_decay, transfer):
    """In its first step Keras' Adam compares the gradient's root of 1 - beta_2 with epsilon."""
    gradient, moment = 4e-8, 4e-8 * math.sqrt(1 - 0.999)
    moves = []
    for epsilon in (1e-7, 1e-8):
        config = TrainConfig(learning_rate=RATE, weight_decay=weight_decay, adam_epsilon=epsilon)
        weight = keras.Variable(np.zeros(1, np.float32))
        optimizer = new_optimizer(config, 5, transfer, [weight])
        optimizer.build([weight])
        optimizer.apply([tf.constant([gradient])], [weight])
        moves.append(-float(weight.numpy()[0]))
    np.testing.assert_allclose(
        moves, [RATE * moment / (moment + epsilon) for epsilon in (1e-7, 1e-8)], rtol=1e-3
    )


@pytest.mark.parametrize("transfer", [None, TransferConfig("mn.keras")])
def test_lazy_adam_leaves_alone_what_has_no_gradient_in_a_step(transfer):
    gradients = [[1.0, 1.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 3.0, 0.0]]
    lazy, plain = (steps_of(gradients, transfer, lazy_adam=value) for value in (True, False))

    changes = np.diff(lazy, axis=0) != 0
    np.testing.assert_array_equal(changes, np.array(gradients) != 0)
    assert np.diff(plain, axis=0)[1, 1] != 0  # Adam moves it by the moments of the first step
    # A weight with a gradient in every step is trained as ever.
    np.testing.assert_allclose(lazy[:, 0], plain[:, 0], rtol=1e-6)


@pytest.mark.parametrize("transfer", [None, TransferConfig("mn.keras")])
@pytest.mark.parametrize("lazy_adam", [True, False])
def test_the_average_of_weights_is_lent_and_given_back(transfer, lazy_adam):
    gradients = [[1.0, 1.0, 1.0], [2.0, -1.0, 1.0], [1.0, 3.0, 1.0]]
    config = {"ema_momentum": 0.75, "lazy_adam": lazy_adam}
    weight, optimizer = new_weight(3, transfer, **config)
    expected = None
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [weight])
        value = weight.numpy()
        expected = value if expected is None else 0.75 * expected + 0.25 * value

    last = weight.numpy()
    with averaged(optimizer, [weight]):
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(weight.numpy(), last)
    assert not np.allclose(last, expected)


def steps_of(
    gradients: Sequence[Sequence[float]], transfer: TransferConfig | None, **config: object
) -> np.ndarray:
    """A weight that begins at 1, before each step and after the last, [steps + 1, values]."""
    weight, optimizer = new_weight(len(gradients[0]), transfer, weight_decay=0.1, **config)
    values = [weight.numpy()]
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [weight])
        values.append(weight.numpy())
    return np.array(values)


def new_weight(
    size: int, transfer: TransferConfig | None, **config: object
) -> tuple[keras.Variable, keras.Optimizer]:
    weight = keras.Variable(np.ones(size, np.float32))
    optimizer = new_optimizer(TrainConfig(learning_rate=RATE, **config), 5, transfer, [weight])
    optimizer.build([weight])
    return weight, optimizer
