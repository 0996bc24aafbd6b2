import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.models.cnn10 import Cnn10Network, blocks_of, parse_subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.models.unit import unit_sizes
from aec_ofa_tf.tasks import MULTI_LABEL
from aec_ofa_tf.training.sampler import (
    check_sampler,
    constant_sampler,
    sandwich_sampler,
    uniform_sampler,
)
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.training.trainer import Trainer
from tests.training.steps import NETWORK, NO_STRIPES, PLAIN, SPACE, batch, trainer


def test_the_loss_is_the_sum_over_subnets_of_the_mean_over_clips_and_classes():
    logits, targets = np.array([[0.3, -1.0], [2.0, 0.0]]), np.array([[1.0, 0.2], [0.0, 0.5]])
    scores = 1 / (1 + np.exp(-logits))
    expected = -np.mean(targets * np.log(scores) + (1 - targets) * np.log(1 - scores))

    received = MULTI_LABEL.loss(tf.constant(logits), tf.constant(targets))
    assert float(received) == pytest.approx(expected)


def test_a_step_is_a_function_of_weights_batch_seed_and_step_number():
    losses = []
    for seed in (0, 0, 1):
        model = trainer(sampler=uniform_sampler(SPACE.subnets(), 2))
        model.config = StepConfig(seed=seed)
        step = tf.function(model.step)
        losses.append([float(step(batch())) for _ in range(3)])

    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert len(set(losses[0])) == 3


def test_any_number_of_random_subnets_is_one_trace():
    model = trainer()
    step = tf.function(model.step)
    for index in range(12):
        step(batch(seed=index))

    assert step.experimental_get_tracing_count() == 1


def test_eager_and_traced_steps_agree():
    eager, traced = trainer(), trainer()
    eager.step(batch())
    tf.function(traced.step)(batch())

    for a, b in zip(eager.supernet.weights, traced.supernet.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-4)


def test_channels_that_no_sampled_subnet_uses_get_no_gradient():
    model = trainer(PLAIN, constant_sampler(SPACE.smallest))
    before = model.supernet.get_layer("block3_conv1").get_weights()
    model.step(batch())
    after = model.supernet.get_layer("block3_conv1").get_weights()
    width, inputs = blocks_of(SPACE.smallest)[2][0], blocks_of(SPACE.smallest)[1][-1]

    changed = before[0] != after[0]
    assert changed[:, :, :inputs, :width].any()
    assert not changed[:, :, inputs:].any()
    assert not changed[:, :, :, width:].any()


def test_a_step_works_under_fit():
    model = trainer()
    data = tf.data.Dataset.from_tensors(batch()).repeat(3)
    history = model.fit(data, epochs=2, verbose=0, shuffle=False)

    assert np.isfinite(history.history["loss"]).all()
    assert int(model.optimizer.iterations) == 6


def test_a_label_weight_is_a_weighted_sum_of_both_losses():
    losses = {}
    for name, config in {
        "soft": {"target": "soft_labels"},
        "hard": {"target": "labels"},
        "both": {"target": "soft_labels", "label_weight": 0.3},
    }.items():
        model = trainer(PLAIN, constant_sampler(SPACE.largest), **config)
        losses[name] = float(model.step(batch()))

    expected = 0.7 * losses["soft"] + 0.3 * losses["hard"]
    assert losses["both"] == pytest.approx(expected, rel=1e-5)


def test_training_a_single_subnet_learns_a_rule():
    spec = parse_subnet("4x2-4x2-4x2-4x1")
    keras.utils.set_random_seed(0)
    supernet = Supernet([spec], Cnn10Network(2, 40, 32, block_dropout=0, embedding_dropout=0))
    config = StepConfig("labels", spec_augment=NO_STRIPES)
    model = Trainer(supernet, constant_sampler(spec), config)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (32, 2)).astype(np.float32)
    clips = generator.normal(0, 0.5, (32, 40, 64)).astype(np.float32)
    # The first class alternates over time, the second over frequency.
    clips[:, ::2] += 2 * labels[:, :1, None]
    clips[:, :, ::2] += 2 * labels[:, 1:, None]
    step = tf.function(model.step)
    losses = [float(step({"log_mel": clips, "labels": labels})) for _ in range(60)]

    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_uniform_draws_cover_the_space_evenly_and_independently():
    sample = tf.function(uniform_sampler(SPACE.subnets(), 4))
    drawn = np.stack([sample(tf.constant([0, step])).numpy() for step in range(2000)])
    keys, counts = np.unique(drawn.reshape(-1, 8), axis=0, return_counts=True)

    assert drawn.shape == (2000, 4, 8, 1)
    assert len(keys) == SPACE.size == 128
    # 8000 draws over 128 subnets: 62.5 expected, standard deviation 7.9.
    assert counts.min() > 62.5 - 5 * 7.9
    assert counts.max() < 62.5 + 5 * 7.9


@pytest.mark.parametrize("config", [{"target": "oracle"}, {"label_weight": 1.5}])
def test_impossible_step_configurations_are_refused(config):
    with pytest.raises(ValueError, match="received"):
        StepConfig(**config)


def test_the_sandwich_takes_the_ends_of_the_space_and_draws_what_lies_between():
    sample = tf.function(sandwich_sampler(SPACE, 5))
    first, again, other = (sample(tf.constant([0, step])).numpy() for step in (1, 1, 2))

    assert first.shape == (5, 8, 1)
    np.testing.assert_array_equal(first[0], SPACE.largest.row())
    np.testing.assert_array_equal(first[1], SPACE.smallest.row())
    np.testing.assert_array_equal(first, again)
    assert (first[2:] != other[2:]).any()
    ends = sandwich_sampler(SPACE, 2)(tf.constant([0, 1]))
    np.testing.assert_array_equal(ends, first[:2])
    with pytest.raises(ValueError, match="at least 2 a step"):
        sandwich_sampler(SPACE, 1)


def test_the_sandwich_draws_from_the_subnets_of_a_budget():
    config = SupernetConfig(sample_budget="params<=5k")
    members = config.sampled(SPACE, NETWORK, PANNS).sample(30, seed=0)
    sample = sandwich_sampler(SPACE, 40, members)
    rows = sample(tf.constant([0, 3])).numpy()
    allowed = [np.array(subnet.row()) for subnet in members]

    assert all(params(subnet, NETWORK) <= 5000 for subnet in members)
    assert len(members) == 30
    for row in rows[2:]:
        assert any((row == one).all() for one in allowed)
    assert len(np.unique(rows[2:].reshape(38, -1), axis=0)) > 10
    check_sampler(sample, SPACE, unit_sizes(SPACE))


def test_an_online_teacher_that_answers_as_it_did_for_the_cache_changes_nothing():
    answers = batch()["soft_labels"]
    cached = trainer(mixup=False)
    online = trainer(target="teacher", teacher=lambda log_mel: answers)

    assert float(cached.step(batch())) == float(online.step(batch()))


def test_an_online_teacher_hears_the_mixed_clips_without_stripes():
    heard = []

    def teacher(log_mel):
        heard.append(log_mel)
        return tf.zeros([4, 5])

    model = trainer(PLAIN, target="teacher", teacher=teacher, mixup=True)
    data = batch(8)
    step_inputs = model.inputs(data, [tf.constant([0, n]) for n in range(5)])
    weights = step_inputs.draws.mixup.numpy()[:, None, None]
    expected = weights * data["log_mel"][::2] + (1 - weights) * data["log_mel"][1::2]

    np.testing.assert_allclose(heard[0], expected, atol=1e-6)


def test_in_place_distillation_teaches_the_largest_by_labels_and_the_others_by_its_scores():
    model = trainer(PLAIN, sandwich_sampler(SPACE, 2), target="largest", spec_augment=NO_STRIPES)
    data, supernet = batch(), model.supernet
    specs = (SPACE.largest, SPACE.smallest)
    largest, smallest = (supernet(data["log_mel"], spec)[0] for spec in specs)
    expected = MULTI_LABEL.loss(largest, data["labels"]) + MULTI_LABEL.loss(
        smallest, tf.sigmoid(largest)
    )

    assert float(model.step(data)) == pytest.approx(float(expected), rel=1e-5)


def test_in_place_distillation_sends_no_gradient_into_its_teacher():
    both = trainer(PLAIN, sandwich_sampler(SPACE, 2), target="largest", spec_augment=NO_STRIPES)
    alone = trainer(
        PLAIN, constant_sampler(SPACE.largest), target="labels", spec_augment=NO_STRIPES
    )
    for model in (both, alone):
        model.step(batch())
    width = blocks_of(SPACE.smallest)[3][0]
    # What the smallest subnet does not use moved as if the largest had been alone.
    one, other = (m.supernet.get_layer("block4_conv1").get_weights()[0] for m in (both, alone))

    np.testing.assert_allclose(one[..., width:], other[..., width:], atol=1e-6)
    assert np.abs(one[..., :width] - other[..., :width]).max() > 1e-4


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_weights_statistics_and_logits_in_float32(dtype):
    model = trainer(PLAIN, dtype=dtype, spec_augment=NO_STRIPES)
    exact = trainer(PLAIN, spec_augment=NO_STRIPES)
    widths = tf.constant(SPACE.largest.row())
    logits, moments = model.supernet(batch()["log_mel"], subnet=widths)
    shared, _ = model.supernet.stem(batch()["log_mel"], widths, None)

    assert shared.dtype.name == dtype.removeprefix("mixed_")
    assert logits.dtype == tf.float32
    assert {vector.dtype for pair in moments.values() for vector in pair} == {tf.float32}
    assert {variable.dtype for variable in model.supernet.weights} == {"float32"}
    losses = [float(one.step(batch())) for one in (model, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


def test_a_step_that_overflows_in_float16_is_left_out_and_the_scale_halved():
    model = trainer(PLAIN, dtype="mixed_float16")
    optimizer = model.optimizer
    optimizer.dynamic_scale.assign(2.0**60)
    before = [weight.numpy().copy() for weight in model.supernet.weights]
    model.step(batch())

    assert float(optimizer.dynamic_scale) == 2.0**59
    assert int(optimizer.iterations) == 0
    for weight, old in zip(model.supernet.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    optimizer.dynamic_scale.assign(2.0**10)
    model.step(batch())
    assert int(optimizer.iterations) == 1


def test_a_teacher_is_needed_if_and_only_if_it_is_the_target():
    with pytest.raises(ValueError, match="if and only if"):
        trainer(target="teacher")
    with pytest.raises(ValueError, match="if and only if"):
        trainer(teacher=lambda log_mel: log_mel)
