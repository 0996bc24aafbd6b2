"""`fit`, `evaluate`, `predict`, callbacks, metrics and saved files, as Keras has them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.cnn10 import Cnn10Network
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import MULTI_LABEL, SINGLE_LABEL
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.sampler import uniform_sampler
from aec_ofa_tf.training.trainer import StepConfig, Trainer
from tests.models.conftest import random_statistics, randomised
from tests.training.steps import NETWORK, PLAIN, SPACE, batch, trainer


def data(count: int = 3) -> tf.data.Dataset:
    """Batches of the seeds 0, 1, ..."""
    batches = [batch(seed=seed) for seed in range(count)]
    stacked = {name: tf.stack([one[name] for one in batches]) for name in batches[0]}
    return tf.data.Dataset.from_tensor_slices(stacked)


def compiled(**config) -> Trainer:
    model = trainer(PLAIN, uniform_sampler(SPACE, 2), **config)
    auc = keras.metrics.AUC(multi_label=True, name="auc")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), metrics=[auc])
    return model


def test_fit_reports_mean_losses_and_validates_with_metrics_and_callbacks():
    model, seen = compiled(), []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    history = model.fit(
        data(), validation_data=data(2), epochs=2, verbose=0, shuffle=False, callbacks=[callback]
    ).history

    assert set(history) == {"loss", "val_loss", "val_auc"}
    assert min(history["loss"]) > 0.5
    assert len(seen) == 2


def test_evaluate_is_the_loss_and_the_metrics_of_the_watched_subnet():
    model = compiled(class_weights=(1.0, 2.0, 1.0, 1.0, 0.0))
    randomised(model.supernet)
    for subnet in (SPACE.largest, SPACE.smallest):
        model.watch(subnet)
        found = model.evaluate(data(2), verbose=0, return_dict=True)
        losses = []
        for seed in range(2):
            one = batch(seed=seed)
            logits, _ = model.supernet(one["log_mel"], subnet)
            losses.append(MULTI_LABEL.loss(logits, one["labels"], model.config.class_weights))
        assert found["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-5)
        assert 0 < found["auc"] < 1


def test_predict_uses_the_statistics_that_it_is_given():
    model = compiled()
    evaluator = SubnetEvaluator(randomised(model.supernet), [batch()])
    statistics = evaluator.recalibrate(SPACE.smallest)
    own = model.predict(data(2), verbose=0)
    model.watch(SPACE.smallest, statistics)
    found = model.predict(data(2), verbose=0)

    expected = evaluator.scores(SPACE.smallest, statistics, [batch(seed=n) for n in range(2)])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(own - found).max() > 1e-3
    clips = batch()["log_mel"].numpy()
    np.testing.assert_allclose(model.predict(clips, verbose=0), found[:4], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_supernet_is_saved_and_opened_and_computes_the_same(tmp_path, dtype):
    supernet = randomised(Supernet(SPACE, NETWORK, dtype))
    supernet.save(tmp_path / "supernet.keras")
    again = keras.models.load_model(tmp_path / "supernet.keras")

    assert again.network == NETWORK
    assert again.get_config() == supernet.get_config()
    clips = batch()["log_mel"]
    for subnet in (SPACE.smallest, SPACE.largest):
        np.testing.assert_array_equal(again(clips, subnet)[0], supernet(clips, subnet)[0])


def test_a_supernet_takes_a_subnet_or_its_choices_and_gives_its_plain_model():
    supernet = randomised(Supernet(SPACE, NETWORK))
    clips, subnet, statistics = batch()["log_mel"], SPACE.smallest, random_statistics(supernet)
    logits, _ = supernet(clips, subnet, statistics)
    same, _ = supernet(clips, tf.constant(subnet.row()), statistics)

    np.testing.assert_array_equal(logits, same)
    scores = supernet.subnet_model(subnet, statistics)(clips)
    np.testing.assert_allclose(scores, tf.sigmoid(logits), atol=1e-5)
    assert supernet.subnet_model(subnet, statistics).name == "cnn10"


def test_a_single_label_network_learns_by_cross_entropy_and_scores_by_softmax():
    network = Cnn10Network(5, 40, embedding_units=32, block_dropout=0.0, embedding_dropout=0.0,
                           task="single_label")  # fmt: skip
    weights = (1.0, 3.0, 1.0, 1.0, 1.0)
    model = trainer(network, uniform_sampler([SPACE.largest], 1), target="labels",
                    class_weights=weights)  # fmt: skip
    one = batch()
    one["labels"] = tf.one_hot([0, 1, 2, 1], 5)
    scores = model.supernet.subnet_model(SPACE.largest, random_statistics(model.supernet))
    np.testing.assert_allclose(tf.reduce_sum(scores(one["log_mel"]), 1), 1, atol=1e-5)
    logits = tf.Variable(np.random.default_rng(0).normal(0, 1, (4, 5)))
    with tf.GradientTape() as tape:
        loss = SINGLE_LABEL.loss(logits, one["labels"], weights)
    shares = np.array([1, 3, 1, 3]) / np.mean(weights)
    chosen = tf.nn.softmax(logits).numpy()[np.arange(4), [0, 1, 2, 1]]
    assert float(loss) == pytest.approx(-np.mean(shares * np.log(chosen)))
    expected = shares[:, None] * (tf.nn.softmax(logits).numpy() - one["labels"].numpy()) / 4
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, atol=1e-9)
    assert np.isfinite(float(model.step(one)))


def test_class_weights_are_one_per_class_and_not_negative():
    with pytest.raises(ValueError, match="need 5 values, received 2"):
        trainer(class_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="cannot be negative"):
        StepConfig(class_weights=(1.0, -2.0))
