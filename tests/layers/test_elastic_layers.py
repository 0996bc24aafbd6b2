import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.layers.batch_norm import ElasticBatchNorm, Moments
from aec_ofa_tf.layers.convolution import ElasticConv2D
from aec_ofa_tf.layers.dense import ElasticDense
from aec_ofa_tf.models.cnn10.layers import ConvBNReLU


@pytest.fixture
def random():
    """Draws float32 arrays of the given shape, the same in every run of a test."""
    generator = np.random.default_rng(0)
    return lambda *shape: generator.normal(size=shape).astype(np.float32)


def test_convolution_at_full_width_is_plain_keras(random):
    x = random(2, 7, 6, 5)
    elastic, plain = ElasticConv2D(4), keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    elastic.build(x.shape)
    plain.build(x.shape)
    plain.set_weights(elastic.get_weights())

    np.testing.assert_allclose(elastic(x), plain(x), atol=1e-5)


@pytest.mark.parametrize(("inputs", "width"), [(5, 4), (5, 1), (3, 2), (1, 4)])
def test_a_narrower_convolution_is_the_hand_sliced_one(random, inputs, width):
    x = random(2, 7, 6, inputs)
    elastic = ElasticConv2D(4)
    elastic.build((None, 7, 6, 5))
    kernel = elastic.get_weights()[0][:, :, :inputs, :width]

    received = tf.function(elastic)(tf.constant(x), width=tf.constant(width))
    np.testing.assert_allclose(received, tf.nn.conv2d(x, kernel, 1, "SAME"), atol=1e-5)


def test_golden_convolution_of_ones():
    elastic = ElasticConv2D(2)
    elastic.build((None, 3, 3, 1))
    elastic.set_weights([np.ones((3, 3, 1, 2), np.float32)])

    # A 3x3 kernel of ones counts the cells in reach: 4 in a corner, 6 at an edge, 9 inside.
    expected = [[4, 6, 4], [6, 9, 6], [4, 6, 4]]
    np.testing.assert_allclose(elastic(np.ones((1, 3, 3, 1)), width=1)[0, :, :, 0], expected)


def test_batch_norm_at_full_width_is_plain_keras_in_training_and_inference(random):
    x = random(3, 5, 4, 6) * 3 + 1
    elastic = ElasticBatchNorm()
    plain = keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.0)
    gamma, beta = random(6), random(6)
    elastic.build(x.shape)
    plain.build(x.shape)
    elastic.set_weights([gamma, beta])
    plain.set_weights([gamma, beta, np.zeros(6), np.ones(6)])

    received, moments = elastic(x)
    np.testing.assert_allclose(received, plain(x, training=True), atol=1e-4)
    # With momentum 0 Keras' moving statistics are those of the batch.
    np.testing.assert_allclose(moments.mean, plain.moving_mean, atol=1e-5)
    np.testing.assert_allclose(moments.variance, plain.moving_variance, rtol=1e-4)
    given, _ = elastic(x, moments=moments)
    np.testing.assert_allclose(given, plain(x, training=False), atol=1e-4)


def test_batch_norm_returns_the_biased_variance_padded_to_full_width(random):
    x = random(2, 3, 1, 4)
    elastic = ElasticBatchNorm()
    elastic.build((None, 3, 1, 6))
    _, moments = elastic(x)

    np.testing.assert_allclose(moments.mean, [*x.mean((0, 1, 2)), 0, 0], atol=1e-6)
    np.testing.assert_allclose(moments.variance, [*x.var((0, 1, 2)), 0, 0], rtol=1e-5)


def test_epsilon_is_panns_and_not_rounded_up():
    elastic = ElasticBatchNorm()
    elastic.build((None, 1, 1, 1))
    moments = Moments(tf.zeros([1]), tf.zeros([1]))

    received, _ = elastic(np.ones((1, 1, 1, 1), np.float32), moments=moments)
    np.testing.assert_allclose(received, 1 / np.sqrt(1e-5), rtol=1e-6)


def test_dense_uses_the_rows_of_its_input(random):
    elastic = ElasticDense(3)
    elastic.build((None, 5))
    elastic.set_weights([random(5, 3), random(3)])
    kernel, bias = elastic.get_weights()

    for inputs in (5, 2):
        x = random(4, inputs)
        np.testing.assert_allclose(elastic(x), x @ kernel[:inputs] + bias, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [ElasticConv2D(3, name="a"), ElasticBatchNorm(1e-4), ElasticDense(7), ConvBNReLU(5)],
)
def test_configuration_makes_the_layer_again(layer):
    again = type(layer).from_config(layer.get_config())

    assert again.get_config() == layer.get_config()


def test_a_narrow_unit_is_a_prefix_of_a_wide_one(random):
    x = random(2, 6, 5, 3)
    unit = ConvBNReLU(8)
    unit.build(x.shape)
    unit.set_weights([random(*weight.shape) for weight in unit.weights])

    wide, wide_moments = unit(x, choice=(8,))
    narrow, narrow_moments = unit(x, choice=(3,))
    np.testing.assert_allclose(narrow, wide[..., :3], atol=1e-5)
    np.testing.assert_allclose(
        narrow_moments[unit.name].mean[:3], wide_moments[unit.name].mean[:3], atol=1e-6
    )


@pytest.mark.parametrize(
    "make",
    [lambda: ElasticConv2D(0), lambda: ElasticDense(0), lambda: ElasticConv2D(3, kernel_size=0)],
)
def test_sizes_must_be_positive(make):
    with pytest.raises(ValueError, match="must be positive"):
        make()
