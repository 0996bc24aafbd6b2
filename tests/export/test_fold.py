"""Folding: the network without batch norms computes what the Keras model computes."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from aec_ofa_tf.export.fold import fold, unfold
from aec_ofa_tf.export.folded_graph import graph_from_json
from tests.export.graphs import randomise_norms
from tests.export.residual import build_residual

CLIP = (32, 16)
layers = keras.layers


def random_residual(**choices) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = build_residual(CLIP, 4, **choices)
    randomise_norms(model)
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return random_residual()


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *CLIP)).astype(np.float32)


def assert_same(one, other, clips):
    expected = one(clips, training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(other(clips, training=False), expected, atol=1e-5)


@pytest.mark.parametrize("choices", [{}, {"swish": False}, {"activation": None}])
def test_a_residual_network_with_folded_norms_is_the_same(clips, choices):
    model = random_residual(**choices)

    assert_same(model, unfold(model, fold(model).weights), clips)


def test_cnn10_with_folded_norms_is_the_same(random_cnn10):
    model = random_cnn10("8x2-5+6-9x1-12x1")
    clips = np.random.default_rng(0).normal(-40, 10, (4, *model.input_shape[1:]))

    assert_same(model, unfold(model, fold(model).weights), clips.astype(np.float32))


def test_the_graph_has_no_norms_and_fuses_relus(model):
    graph = fold(model).graph
    kinds = [layer.kind for layer in graph.layers]

    assert kinds[:3] == ["Input", "Scale", "Shift"]
    assert "BatchNormalization" not in kinds
    assert "Dropout" not in kinds
    assert kinds.count("ReLU") == 1  # after the addition of the branches
    activations = {layer.name: layer.activation for layer in graph.layers}
    assert activations["expand"] == activations["depth3"] == "relu"
    assert activations["depth5"] == "relu6"
    assert activations["stem"] == activations["project"] == "linear"
    assert graph["residual"].inputs == ("stem_act", "project")
    assert (graph.output, graph.activation, graph.logits) == ("scores", "softmax", "classifier")


def test_the_graph_of_cnn10_is_a_chain_with_two_pools(random_cnn10):
    graph = fold(random_cnn10("8x1-5x1-9x1-12x1")).graph

    assert [layer.name for layer in graph.layers][:6] == [
        *("log_mel", "input_scale", "input_shift", "image", "block1_conv1", "block1_pool")
    ]
    assert [layer.name for layer in graph.layers][-9:] == [
        *("mel_mean", "time_max", "time_mean", "pooled_sum", "pooled", "features"),
        *("embedding", "classifier", "scores"),
    ]
    assert graph["pooled"].kind == "ReLU"  # no convolution before it that could take it in


def test_the_graph_survives_json(model):
    graph = fold(model).graph

    assert graph_from_json(json.loads(json.dumps(dataclasses.asdict(graph)))) == graph


def _model(*sequence, shape=(8, 8, 1)):
    clip = x = keras.Input(shape, name="clip")
    for layer in sequence:
        x = layer(x)
    return keras.Model(clip, x)


def test_a_sequential_model_folds_too(clips):
    model = keras.Sequential(
        [
            keras.Input(CLIP),
            layers.Reshape((*CLIP, 1)),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.BatchNormalization(),
            layers.Conv2D(3, 3, dilation_rate=2),
            layers.BatchNormalization(scale=False, center=False),
            layers.Flatten(),
            layers.Dense(3, use_bias=False),
        ]
    )
    randomise = np.random.default_rng(0)
    for norm in model.layers:
        if isinstance(norm, layers.BatchNormalization):
            norm.moving_mean.assign(randomise.normal(size=norm.moving_mean.shape))
            norm.moving_variance.assign(randomise.uniform(0.5, 2, norm.moving_variance.shape))

    folded = fold(model)
    assert [layer.kind for layer in folded.graph.layers][2:4] == ["DepthwiseConv2D", "Conv2D"]
    assert_same(model, unfold(model, folded.weights), clips)


def test_a_norm_of_its_own_becomes_scale_and_shift():
    """A norm after an activation, and one whose input another layer takes too."""
    graph = fold(
        _model(
            layers.Conv2D(3, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="late_norm"),
        )
    ).graph
    assert [layer.name for layer in graph.layers] == ["clip", "conv", "late_scale", "late_shift"]

    clip = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, name="conv")(clip)
    graph = fold(
        keras.Model(clip, layers.Add()([x, layers.BatchNormalization(name="branch")(x)]))
    ).graph
    assert graph.layers[-1].inputs == ("conv", "branch_shift")


def test_a_rescaling_becomes_a_scale_and_a_shift_that_are_not_trained():
    model = _model(layers.Rescaling(0.25, 0.5, name="input"), layers.Conv2D(3, 3, name="conv"))
    folded = fold(model)

    scale, shift = folded.graph.layers[1:3]
    assert (scale.kind, scale.settings) == ("Scale", {"fixed": 0.25})
    assert (shift.kind, shift.settings) == ("Shift", {"fixed": 0.5})
    assert set(folded.weights) == {"conv/kernel", "conv/bias"}


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ([layers.Conv2DTranspose(2, 3, name="up")], "'up' of class Conv2DTranspose"),
        (
            [layers.Activation("gelu", name="smooth")],
            "'smooth'.*supported activations: linear, relu",
        ),
        ([layers.ReLU(negative_slope=0.1, name="leaky")], "activation of the layer 'leaky'"),
        ([layers.Conv2D(2, 3, activation="tanh", name="old")], "activation of the layer 'old'"),
        ([layers.BatchNormalization(axis=1, name="odd")], "'odd' normalises axis 1"),
        ([layers.Conv2D(4, 3), layers.Conv2D(4, 3, groups=2, name="some")], "'some' has groups"),
        ([keras.Sequential([layers.Dense(2)], name="inner")], "'inner' of class Sequential"),
        ([keras.ops.exp], "'exp.*' of class Exp"),
    ],
)
def test_what_is_not_supported_is_named(sequence, message):
    with pytest.raises(ValueError, match=message):
        fold(_model(*sequence))


def test_a_layer_that_is_used_twice_is_refused():
    twice = layers.Conv2D(1, 3, padding="same", name="twice")
    with pytest.raises(ValueError, match="'twice' is used 2 times"):
        fold(_model(twice, twice))
