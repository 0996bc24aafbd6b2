"""A family that lives in one file is trained, searched, costed, materialised and exported."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from optuna.storages import InMemoryStorage

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import layer_macs, params, subnet_costs
from aec_ofa_tf.costs.members import ListedMembers
from aec_ofa_tf.models.family import network_from_config, space_from_config, to_config
from aec_ofa_tf.models.materialise import build_plain, copy_subnet, materialise
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.algorithms import search
from aec_ofa_tf.search.analyses import sensitivity
from aec_ofa_tf.search.evolutionary import EvolutionarySearch, EvolutionSettings
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.gradients import separate_gradients, shared_gradients
from aec_ofa_tf.training.sampler import sandwich_sampler, uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer
from tests.families.toy import ToyNetwork, ToySpace
from tests.models.conftest import randomised

SPACE = ToySpace()
FRAMES = 24
NETWORK = ToyNetwork(classes=3, frames=FRAMES, mel_bins=16, task="single_label")


def batch(seed: int = 0, clips: int = 6) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(seed)
    labels = np.eye(3, dtype=np.float32)[np.arange(clips) % 3]
    log_mel = generator.normal(0, 1, (clips, FRAMES, 16)).astype(np.float32)
    log_mel += 2 * labels.argmax(1)[:, None, None]
    return {"log_mel": tf.constant(log_mel), "labels": tf.constant(labels)}


def new_trainer(execution: str = "slices", dtype: str = "float32", **config) -> Trainer:
    keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, NETWORK, dtype, execution)
    trainer = Trainer(supernet, uniform_sampler(SPACE, 4), StepConfig("labels", **config))
    trainer.compile(optimizer=keras.optimizers.Adam(1e-2), metrics=["accuracy"])
    return trainer


def test_a_subnet_is_its_choices_and_its_text():
    assert SPACE.size == 25
    assert str(SPACE.largest) == "c8-k5h12-k5h12"
    assert str(SPACE.smallest) == "c8-id-id"
    subnet = SPACE.parse_subnet("c8-k3h12-id")
    assert subnet.row() == [[8, 0, 0], [8, 3, 12], [0, 0, 0]]
    assert space_from_config(to_config(SPACE)) == SPACE
    assert network_from_config(to_config(NETWORK)) == NETWORK


def test_training_learns_and_keras_reports_it():
    trainer = new_trainer()
    data = tf.data.Dataset.from_tensors(batch()).repeat(8)
    history = trainer.fit(
        data, validation_data=data.take(1), epochs=4, verbose=0, shuffle=False
    ).history

    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_accuracy"][-1] > history["val_accuracy"][0] - 1e-6
    assert trainer.predict(data.take(1), verbose=0).sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("execution", ["slices", "masks"])
def test_shared_gradients_are_those_of_separate_passes_by_slices_and_by_masks(execution):
    reference, trainer = new_trainer(dtype="float64"), new_trainer(execution, "float64")
    randomised(reference.supernet)
    trainer.supernet.set_weights(reference.supernet.get_weights())
    seeds = [tf.constant([0, n]) for n in range(5)]
    inputs = reference.inputs(batch(), seeds)
    some = ("c8-id-k5h6", "c8-k3h12-k3h6", "c8-k5h12-id", "c8-id-id")
    subnets = tf.constant([SPACE.parse_subnet(text).row() for text in some])
    config = reference.loss_config(inputs)
    config = config._replace(scale=lambda loss: loss)
    expected, separate = separate_gradients(reference.supernet, inputs, subnets, config)
    loss, shared = shared_gradients(trainer.supernet, inputs, subnets, config)

    assert trainer.supernet.stem_units == 1
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    for received, wanted in zip(shared, separate, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-10)


@pytest.fixture(scope="module")
def evaluator() -> SubnetEvaluator:
    keras.utils.set_random_seed(1)
    supernet = randomised(Supernet(SPACE, NETWORK))
    return SubnetEvaluator(supernet, [batch(seed) for seed in range(2)])


def test_the_tree_scores_every_subnet_as_alone(evaluator):
    test = [batch(7)]
    found = dict(TreeEvaluator(evaluator).scores(SPACE.subnets(), test))

    assert len(found) == SPACE.size
    for subnet in SPACE.subnets()[::4]:
        alone = evaluator.scores(subnet, evaluator.recalibrate(subnet), test)
        np.testing.assert_allclose(found[subnet], alone, atol=1e-5)
        np.testing.assert_allclose(alone.sum(axis=1), 1, atol=1e-5)


def test_the_materialised_and_the_copied_subnet_are_the_supernet_at_it(evaluator):
    clips = batch(3)["log_mel"]
    for subnet in SPACE.subnets()[::3]:
        statistics = evaluator.recalibrate(subnet)
        logits, _ = evaluator.supernet(clips, subnet, statistics)
        model = materialise(evaluator.supernet, subnet, statistics)
        np.testing.assert_allclose(model(clips), tf.nn.softmax(logits), atol=1e-5)
        own, _ = evaluator.supernet(clips, subnet)
        np.testing.assert_allclose(
            copy_subnet(evaluator.supernet, subnet)(clips)[0], own, atol=1e-4
        )


def test_costs_are_keras_counts(evaluator):
    for subnet in SPACE.subnets()[::3]:
        model = build_plain(subnet, NETWORK)
        trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        assert params(subnet, NETWORK) == trained
        counted = {}
        for layer in model.layers:
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                pixels = int(np.prod(layer.output.shape[1:3]))
                counted[layer.name] = pixels * int(np.prod(layer.kernel.shape))
            elif isinstance(layer, keras.layers.Dense):
                counted[layer.name] = int(np.prod(layer.kernel.shape))
        assert layer_macs(subnet, NETWORK) == counted
    # A residual connection holds its input while the depthwise convolution is computed.
    pixels = FRAMES // 2 * 8
    assert NETWORK.rows(SPACE.largest)[2].peak_elements == pixels * (12 + 12 + 8)
    least = subnet_costs(SPACE.smallest, NETWORK)["params"]
    assert Budget.parse(f"params<={least}").members(SPACE.subnets(), NETWORK) == [SPACE.smallest]


def test_evolution_and_analyses_follow_from_the_stages():
    members = SPACE.subnets()
    settings = EvolutionSettings(4, 3, 0, InMemoryStorage(), "toy", "one")
    budget, cost = Budget.parse("params<=1M"), lambda one: subnet_costs(one, NETWORK)
    listed = ListedMembers(budget, cost, members)
    algorithm = EvolutionarySearch(SPACE, listed, settings, "accuracy")
    score = lambda one: {"accuracy": params(one, NETWORK)}  # noqa: E731
    found = search(
        {budget: algorithm},
        lambda wanted: {one: score(one) for one in wanted},
        lambda one: 0,
        "accuracy",
    )[budget]

    values = [metrics["accuracy"] for metrics in found.values()]
    assert values == sorted(values, reverse=True)
    rows = sensitivity({one: float(params(one, NETWORK)) for one in members}, SPACE, "accuracy")
    assert {(row["block"], row["choice"]) for row in rows} >= {(2, "kernel"), (3, "hidden")}
    assert all(row["accuracy"] > 0 for row in rows)


def test_a_saved_supernet_opens_again(evaluator, tmp_path):
    evaluator.supernet.save(tmp_path / "toy.keras")
    again = keras.models.load_model(tmp_path / "toy.keras")
    clips = batch(3)["log_mel"]
    subnet = SPACE.parse_subnet("c8-k3h6-k5h12")

    np.testing.assert_array_equal(again(clips, subnet)[0], evaluator.supernet(clips, subnet)[0])
    assert sandwich_sampler(again.space, 3)(tf.constant([0, 1])).shape == (3, 3, 3)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_subnet_is_converted_and_tagged(evaluator, tmp_path, quantization):
    from aec_ofa_tf.export.convert import convert_models
    from aec_ofa_tf.export.request import ConversionRequest
    from aec_ofa_tf.tagging.interpreter import TFLiteModel
    from aec_ofa_tf.tagging.model_file import ModelInfo

    subnet = SPACE.parse_subnet("c8-k3h12-k5h6")
    model = materialise(evaluator.supernet, subnet, evaluator.recalibrate(subnet))
    clips = batch(5, clips=12)["log_mel"].numpy()
    info = ModelInfo(
        labels=("low", "middle", "high"),
        sample_rate_hz=PANNS.sample_rate_hz,
        clip_samples=FRAMES * PANNS.hop_samples,
        length_policy="pad",
        front_end=dataclasses.replace(PANNS, mel_bins=16),
        task="single_label",
        input="log_mel",
        quantization=quantization,
        subnet=str(subnet),
        params=params(subnet, NETWORK),
    )
    request = ConversionRequest(tmp_path / "toy.tflite", info, clips, clips)
    (conversion,) = convert_models([(model, request)])
    tagger = TFLiteModel(conversion.file)
    scores = np.stack([tagger.scores(clip) for clip in clips])

    expected = model.predict(clips, verbose=0)
    bound = 1e-5 if quantization == "float32" else 0.25
    assert np.abs(scores.reshape(expected.shape) - expected).max() < bound
