"""What a step tells besides its loss: losses by size, and the norm of the gradients."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.space import as_space
from aec_ofa_tf.training.gradients import shared_gradients
from aec_ofa_tf.training.sampler import constant_sampler
from tests.training.steps import PLAIN, SPACE, batch, four, trainer


def test_a_detailed_step_is_a_step():
    plain, detailed = trainer(sampler=four), trainer(sampler=four)
    losses = [float(plain.step(batch(seed=n))) for n in range(3)]
    details = [detailed.detailed_step(batch(seed=n)) for n in range(3)]

    assert [float(step.loss) for step in details] == losses
    for weight, other in zip(plain.supernet.weights, detailed.supernet.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    np.testing.assert_array_equal(details[0].subnets, four(None))


def test_losses_are_summed_by_the_sizes_of_subnets():
    details = trainer(sampler=four).detailed_step(batch())
    smallest, largest, drawn, again = details.losses.numpy()

    sums, counts = details.by_size(SPACE).numpy()
    assert sums == pytest.approx([largest, smallest + again, drawn])
    assert counts.tolist() == [1, 2, 1]


def test_the_only_subnet_of_a_space_is_the_largest():
    only = as_space([SPACE.smallest])
    details = trainer(sampler=constant_sampler(SPACE.smallest)).detailed_step(batch())

    assert details.by_size(only).numpy()[1].tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_the_gradient_norm_is_that_of_the_unscaled_losses(dtype):
    model = trainer(PLAIN, four, dtype=dtype)
    seeds = model.seeds(0)
    inputs = model.inputs(batch(), seeds)
    config = model.loss_config(inputs)._replace(scale=lambda loss: loss)
    _, gradients = shared_gradients(model.supernet, inputs, four(None), config)
    expected = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))

    norm = model.detailed_step({**batch(), "step": tf.constant(0, tf.int64)}).gradient_norm
    assert float(norm) == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 0.02)
