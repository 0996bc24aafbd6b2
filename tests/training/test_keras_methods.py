"""`fit`, `evaluate`, `predict`, callbacks, metrics and saved files, as Keras has them."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.models.keras_files import load_supernet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import MULTI_LABEL, SINGLE_LABEL
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.sampler import sandwich_sampler, uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer
from tests.models.conftest import random_statistics, randomised
from tests.training.steps import NETWORK, PLAIN, SPACE, batch, trainer


def data(count: int = 3) -> tf.data.Dataset:
    """Batches of the seeds 0, 1, ..."""
    batches = [batch(seed=seed) for seed in range(count)]
    stacked = {name: tf.stack([one[name] for one in batches]) for name in batches[0]}
    return tf.data.Dataset.from_tensor_slices(stacked)


def compiled(eager: bool = False, **config) -> Trainer:
    model = trainer(PLAIN, uniform_sampler(SPACE, 2), **config)
    auc = keras.metrics.AUC(multi_label=True, name="auc")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), metrics=[auc], run_eagerly=eager)
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
    for weights in ((1.0, -2.0), (1.0, float("nan")), (1.0, float("inf")), (0.0, 0.0)):
        with pytest.raises(ValueError, match="finite, none is negative and not all are 0"):
            StepConfig(class_weights=weights)


def pair() -> tuple[np.ndarray, np.ndarray]:
    one = batch()
    return one["log_mel"].numpy(), one["labels"].numpy().astype(int)


def test_log_mel_and_labels_train_and_are_scored_like_the_dict():
    entries = {name: value for name, value in batch().items() if name != "soft_labels"}
    found = []
    for x, y in (pair(), (entries, None)):
        model, how = compiled(eager=True, target="labels"), {"batch_size": 4, "verbose": 0}
        validation = x if y is None else (x, y)
        history = model.fit(x, y, validation_data=validation, shuffle=False, **how).history
        scored = [*model.evaluate(x, y, **how), *model.test_on_batch(x, y)]
        found.append([history["val_loss"][0], *scored, *np.ravel(model.train_on_batch(x, y))])
    np.testing.assert_allclose(*found, rtol=1e-5)
    model.fit(tf.data.Dataset.from_tensors(pair()), shuffle=False, verbose=0)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.fit(*pair(), sample_weight=np.ones(4), verbose=0), "no weights of clips"),
        (lambda m: m.fit(batch(), sample_weight=np.ones(4), verbose=0), "no weights of clips"),
        (lambda m: m.fit(*pair(), class_weight={0: 2.0}, verbose=0), "no weights of clips"),
        (lambda m: m.evaluate(batch(), sample_weight=np.ones(4)), "no weights of clips"),
        (lambda m: m.train_on_batch(*pair(), np.ones(4)), "no weights of clips"),
        (lambda m: m.step((*pair(), np.ones(4))), "no weights of clips"),
        (lambda m: m.compile("adam", loss="mse"), "loss of a Trainer is that of the network's"),
        (lambda m: m.compile("adam", weighted_metrics=["auc"]), "leave out loss"),
        (lambda m: m.step({"log_mel": batch()["log_mel"]}), r"no 'labels'.*target 'labels'"),
        (lambda m: m.test_step({"log_mel": batch()["log_mel"]}), "'labels', needed for evaluation"),
        (lambda m: m.step({"labels": batch()["labels"]}), "no 'log_mel', needed for every step"),
        (lambda m: m.step((pair()[0], pair()[1][:, :3])), r"labels are \[clips, 5\]"),
        (lambda m: m.step((pair()[0], [0, 1, 2, 3])), r"labels are \[clips, 5\].*\(4,\)"),
        (lambda m: m.step((pair()[0][:, :, :32], pair()[1])), "40 frames and 64 mel bins"),
    ],
)  # fmt: skip
def test_inputs_that_a_trainer_does_not_support_are_named(use, message):
    with pytest.raises(ValueError, match=message):
        use(compiled(eager=True, target="labels"))


def test_the_default_target_is_named_if_a_batch_lacks_it():
    with pytest.raises(ValueError, match=r"no 'soft_labels'.*StepConfig\.target"):
        compiled().step(pair())


def test_a_trainer_is_not_saved_whole_but_its_weights_and_network_are(tmp_path):
    model, path = compiled(eager=True, target="labels"), str(tmp_path / "checkpoint.keras")
    for save in (
        lambda: model.fit(*pair(), callbacks=[keras.callbacks.ModelCheckpoint(path)], verbose=0),
        lambda: model.save(path),
    ):
        with pytest.raises((ValueError, NotImplementedError), match=r"trainer\.supernet\.save"):
            save()
    assert int(model.optimizer.iterations) == 0
    weights = str(tmp_path / "a.weights.h5")
    checkpoint = keras.callbacks.ModelCheckpoint(weights, save_weights_only=True)
    model.fit(*pair(), callbacks=[checkpoint], verbose=0)
    again = trainer(PLAIN, target="labels")
    again.load_weights(weights)
    for ours, theirs in zip(model.supernet.weights, again.supernet.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_saved_supernet_opens_in_a_process_that_has_imported_only_the_package(tmp_path):
    Supernet(SPACE, NETWORK).save(tmp_path / "s.keras")
    code = "import sys, aec_ofa_tf as ofa; network = ofa.load_supernet(sys.argv[1]); print(network)"
    run = [sys.executable, "-c", code, str(tmp_path / "s.keras")]
    assert "of 128 subnets" in subprocess.run(run, capture_output=True, text=True).stdout
    trainer().supernet.subnet_model("smallest", random_statistics(trainer().supernet)).save(
        tmp_path / "plain.keras"
    )
    with pytest.raises(ValueError, match="a plain Keras model"):
        load_supernet(tmp_path / "plain.keras")


def test_a_sampler_fits_the_supernet_and_the_target():
    supernet, config = Supernet(SPACE, NETWORK), StepConfig("labels")
    with pytest.raises(TypeError, match="sampler is a function, such as uniform_sampler"):
        Trainer(supernet, SPACE, config)
    with pytest.raises(TypeError, match="config is a StepConfig"):
        Trainer(supernet, uniform_sampler(SPACE, 2), "labels")
    with pytest.raises(ValueError, match="not in the supernet's space"):
        Trainer(supernet, uniform_sampler(cnn10_space("[2,2,X]", 8), 2), config)
    with pytest.raises(ValueError, match="use sandwich_sampler"):
        Trainer(supernet, uniform_sampler(SPACE, 4), StepConfig("largest"))
    assert Trainer(supernet, sandwich_sampler(SPACE, 2), StepConfig("largest"))


def test_subnets_and_clips_of_another_network_are_refused():
    supernet, clips = Supernet(SPACE, NETWORK), batch()["log_mel"]
    evaluator, model = SubnetEvaluator(supernet, [batch()]), compiled()
    statistics = evaluator.recalibrate("smallest")
    other = cnn10_space("[2,2,X]", 8).largest
    uses = (
        lambda subnet: supernet(clips, subnet),
        lambda subnet: supernet.subnet_model(subnet, statistics),
        model.watch,
        evaluator.recalibrate,
        lambda subnet: evaluator.scores(subnet, statistics, [batch()]),
    )
    for use in uses:
        use("smallest")
        with pytest.raises(ValueError, match=f"{other} is not in the search space"):
            use(other)
        with pytest.raises(TypeError, match="subnet is a Subnet or its text"):
            use({})
    with pytest.raises(ValueError, match=r"statistics have \d+ channels.*recalibrate this one"):
        supernet.subnet_model("largest", statistics)
    with pytest.raises(ValueError, match=r"shape \[8, 1\]"):
        supernet(clips, tf.zeros([7, 1], tf.int32))
    for wrong in (clips[:, :, :32], clips[:, :30], clips[0]):
        for use in (supernet, lambda c: evaluator.scores("smallest", statistics, [{"log_mel": c}])):
            with pytest.raises(ValueError, match="needs log-mel of 40 frames and 64 mel bins"):
                use(wrong)
    with pytest.raises(ValueError, match="no training mode"):
        supernet(clips, training=True)


def test_a_supernet_computes_its_largest_subnet_by_default():
    supernet, clips = randomised(Supernet(SPACE, NETWORK)), batch()["log_mel"]
    np.testing.assert_array_equal(supernet(clips)[0], supernet(clips, SPACE.largest)[0])


def test_a_summary_shows_the_shape_of_every_layer():
    lines: list[str] = []
    Supernet(SPACE, NETWORK).summary(print_fn=lambda text: lines.append(text), line_length=120)
    text = "\n".join(lines)
    assert "?" not in text
    assert "(None, None, None, 32)" in text
    assert "(None, 5)" in text
