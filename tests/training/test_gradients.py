"""One definition of a step, computed in four ways: shared or not, by slices or by masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import MULTI_LABEL
from aec_ofa_tf.training.gradients import LossConfig, separate_gradients, shared_gradients
from aec_ofa_tf.training.learnt import TeacherOutput
from aec_ofa_tf.training.sampler import constant_sampler, uniform_sampler
from aec_ofa_tf.training.step_config import StepConfig
from aec_ofa_tf.training.trainer import Trainer
from tests.models.conftest import randomised
from tests.training.steps import NO_STRIPES, PLAIN, SPACE, batch, four, trainer, two

# In float32 a ReLU's input may round to the other side of 0, which moves all gradients before it:
# 2.6e-3 of one was seen, where the median is 3e-7. Float64 tells that nothing else differs.
BOUNDS = {"float64": 1e-10, "float32": 5e-3}
# Sums over more channels round otherwise, and a scale's gradient of norm 0.01 is a
# difference of larger numbers: 1.06e-4 was seen. Float64 tells that it is rounding.
MASKS_BOUNDS = {"float64": 1e-10, "float32": 3e-4}
# The widest first layer, the widest second layer and the widest output are in three members.
UNEVEN = [
    parse_subnet(t)
    for t in ("4x2-9+2-3x1-5x2", "4x2-3+6-7x1-8x1", "4x2-8x1-6x2-4+3", "4x2-5+4-2+7-3x1")
]


def step_of(model: Trainer, data: dict[str, tf.Tensor], widths: tf.Tensor, gradients):
    """Loss and gradients of one step with all its draws."""
    seeds = [tf.constant([0, n]) for n in range(5)]
    inputs = model.inputs(data, seeds)
    return gradients(model.supernet, inputs, widths, LossConfig(MULTI_LABEL.loss))


def assert_same(received, expected, names, bound: float):
    """Norm of the difference over norm, per variable; a relative figure per element is noise."""
    for a, b, name in zip(received, expected, names, strict=True):
        difference = np.linalg.norm(np.asarray(a) - np.asarray(b))
        norm = np.linalg.norm(np.asarray(b))
        assert difference <= bound * norm, (name, difference, norm)


def paths(supernet: Supernet) -> list[str]:
    return [v.path for v in supernet.stem_variables + supernet.branch_variables]


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("seed", range(3))
def test_shared_gradients_are_those_of_separate_passes(dtype, seed):
    model = trainer(dtype=dtype, mixup=True)
    randomised(model.supernet, seed)
    widths = four(None) if seed == 0 else model.sampler(tf.constant([0, seed]))
    data = batch(8, seed)
    loss, shared = step_of(model, data, widths, shared_gradients)
    expected, separate = step_of(model, data, widths, separate_gradients)

    assert loss.shape == widths.shape[:1]
    np.testing.assert_allclose(loss, expected, rtol=min(BOUNDS[dtype], 1e-4))
    assert_same(shared, separate, paths(model.supernet), BOUNDS[dtype])
    assert sum(np.linalg.norm(gradient) > 1e-3 for gradient in separate) > len(separate) // 2


def both_executions(subnets, dtype: str, seed: int) -> list[Trainer]:
    """The same network, weights, subnets and draws, executed by slices and by masks."""
    network = Cnn10Network(classes=5, frames=40, embedding_units=16)
    models = []
    for execution in ("slices", "masks"):
        keras.utils.set_random_seed(seed)
        supernet = randomised(Supernet(subnets, network, dtype, execution), seed)
        models.append(Trainer(supernet, uniform_sampler(subnets, 3), StepConfig()))
    return models


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("subnets", [SPACE.subnets(), UNEVEN], ids=["one width", "uneven"])
@pytest.mark.parametrize("seed", range(2))
def test_masks_and_slices_give_the_same_logits_losses_gradients_and_moments(dtype, subnets, seed):
    slices, masks = both_executions(subnets, dtype, seed)
    data, bound = batch(4, seed), MASKS_BOUNDS[dtype]
    widths = slices.sampler(tf.constant([1, seed]))
    for subnet in widths:
        logits, moments = slices.supernet(data["log_mel"], subnet=subnet)
        other, others = masks.supernet(data["log_mel"], subnet=subnet)
        given, _ = slices.supernet(data["log_mel"], subnet=subnet, statistics=moments)
        masked, _ = masks.supernet(data["log_mel"], subnet=subnet, statistics=moments)
        assert_same([other, masked], [logits, given], ["own", "given"], bound)
        assert moments.keys() == others.keys()
        for name, pair in moments.items():
            assert_same(others[name], pair, [name, name], bound)
    loss, expected = step_of(slices, data, widths, shared_gradients)
    for way in (shared_gradients, separate_gradients):
        again, received = step_of(masks, data, widths, way)
        np.testing.assert_allclose(again, loss, rtol=bound)
        assert_same(received, expected, paths(slices.supernet), bound)


def test_masks_have_static_shapes_and_run_through_xla():
    plain = trainer(sampler=two)
    compiled = trainer(sampler=two, execution="masks", jit_compile=True)
    step = tf.function(compiled.step, autograph=False)
    losses = [float(step(batch(seed=n))) for n in range(3)]
    expected = [float(plain.step(batch(seed=n))) for n in range(3)]

    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    shared, _ = compiled.supernet.stem(batch()["log_mel"], two(None)[0], None)
    assert shared.shape == (4, 20, 32, 8)


def test_features_are_learnt_through_xla():
    learnt = {"target": "teacher", "teacher": teacher_of(32), "feature_weight": 1.0}
    plain = trainer(sampler=two, **learnt)
    compiled = trainer(sampler=two, execution="masks", jit_compile=True, **learnt)

    assert float(compiled.step(batch())) == pytest.approx(float(plain.step(batch())), rel=1e-4)


def test_xla_is_refused_where_shapes_are_dynamic():
    with pytest.raises(ValueError, match="static shapes of execution='masks'"):
        trainer(jit_compile=True)


def teacher_of(channels: int):
    """Scores and features that depend on the clips."""

    def teach(log_mel: tf.Tensor) -> TeacherOutput:
        means = tf.reduce_mean(log_mel, axis=1)
        scores = tf.sigmoid(means[:, :5])
        return TeacherOutput(scores, tf.tile(tf.exp(means), [1, 2])[:, :channels])

    return teach


@pytest.mark.parametrize("execution", ["slices", "masks"])
def test_features_are_learnt_by_every_subnet_in_its_own_channels(execution):
    channels = SPACE.largest.choices[-1][0]
    learnt = {"target": "teacher", "feature_weight": 0.5, "mixup": True, "mixup_domain": "power"}
    teach = teacher_of(channels)
    common = {"execution": execution, **learnt}
    model = trainer(PLAIN, four, teacher=teach, **common)
    common["feature_weight"] = 0.0
    plain = trainer(PLAIN, four, teacher=lambda log_mel: teach(log_mel).scores, **common)
    data, seed = batch(8), tf.constant([0, 0])  # those of the first step
    seeds = [tf.random.experimental.stateless_fold_in(seed, n) for n in range(6)]
    inputs = model.inputs(data, seeds)
    teachers = teach(inputs.log_mel).features
    expected = 0.0
    for row in four(None):
        shared, _ = model.supernet.stem(inputs.log_mel, row, inputs.draws)
        features = model.supernet.features(shared, row, inputs.draws)[0].numpy().mean((1, 2))
        width = max(row[-2:, 0])  # the last convolution may be absent
        errors = np.square(features[:, :width] - teachers[:, :width]).sum(1)
        expected += 0.5 * np.mean(errors / np.square(teachers[:, :width]).sum(1))

    difference = float(model.step(data)) - float(plain.step(data))
    assert difference == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("gradients", [shared_gradients, separate_gradients])
def test_gradients_of_features_are_those_of_separate_passes_by_masks(gradients):
    results = []
    for execution in ("slices", "masks"):
        model = trainer(
            execution=execution,
            dtype="float64",
            target="teacher",
            feature_weight=2.0,
            teacher=teacher_of(SPACE.largest.choices[-1][0]),
        )
        randomised(model.supernet, 1)
        inputs = model.inputs(batch(8), [tf.constant([0, n]) for n in range(6)])
        losses = model.loss_config(inputs)._replace(scale=lambda loss: loss)
        results.append(gradients(model.supernet, inputs, four(None), losses)[1])
    assert_same(results[1], results[0], paths(model.supernet), MASKS_BOUNDS["float64"])


def outputs_of(supernet: Supernet, log_mel: tf.Tensor, row: tf.Tensor) -> dict[int, tf.Tensor]:
    """The outputs of all units before the mean."""
    maps: dict[int, tf.Tensor] = {}
    shared, _ = supernet.stem(log_mel, row, None, tap=maps.__setitem__)
    supernet.features(shared, row, None, tap=maps.__setitem__)
    return maps


def teacher_with_maps(dtype: str = "float32"):
    """Scores and the maps at the ends of SPACE's stages, of another network."""
    keras.utils.set_random_seed(7)
    network = Supernet([SPACE.largest], PLAIN, dtype)

    def teach(log_mel: tf.Tensor) -> TeacherOutput:
        maps = outputs_of(network, log_mel, tf.constant(SPACE.largest.row()))
        ends = np.cumsum(SPACE.stage_units) - 1
        scores = tf.fill([tf.shape(log_mel)[0], 5], 0.5)
        return TeacherOutput(scores, None, {end: maps[end] for end in ends})

    return teach


@pytest.mark.parametrize("members", [SPACE.subnets(), [SPACE.subnets()[37]]], ids=["all", "one"])
@pytest.mark.parametrize("gradients", [shared_gradients, separate_gradients])
def test_maps_are_learnt_by_every_subnet_in_its_own_channels(members, gradients):
    rows = four(None) if len(members) > 1 else tf.constant([members[0].row()])
    teach, log_mel = teacher_with_maps(), batch(4)["log_mel"]
    supernet = Supernet(members, PLAIN)
    config = StepConfig("teacher", map_weight=0.5, spec_augment=NO_STRIPES)
    model = Trainer(supernet, lambda seed: rows, config, teach)
    model.compile(optimizer="adam")
    inputs = model.inputs(batch(4), [tf.constant([0, n]) for n in range(9)])
    losses = model.loss_config(inputs)
    loss, _ = gradients(supernet, inputs, rows, losses)
    without, _ = gradients(supernet, inputs, rows, losses._replace(map_weight=0.0))

    expected, compared = 0.0, set()
    for row in rows:
        own, teachers = outputs_of(supernet, log_mel, row), teach(log_mel).maps
        # The stem's last map has the channels of the widest subnet.
        elastic = range(supernet.fixed_units, supernet.stem_units)
        numbers = [number for number in teachers if number not in elastic]
        for number in numbers:
            width = [w for w in row[: number + 1, 0].numpy() if w][-1]
            own_map, teachers_map = (
                values[number].numpy()[..., :width] for values in (own, teachers)
            )
            errors = np.square(own_map - teachers_map).sum((1, 2, 3))
            errors /= np.square(teachers_map).sum((1, 2, 3))
            expected += 0.5 * errors.mean() / len(numbers)
            compared.add(number)
    assert float(tf.reduce_sum(loss - without)) == pytest.approx(expected, rel=1e-4)
    assert compared == {1, 3, 5, 7}


def test_gradients_of_maps_are_the_same_four_ways():
    results = []
    for execution in ("slices", "masks"):
        model = trainer(
            PLAIN,
            execution=execution,
            dtype="float64",
            target="teacher",
            map_weight=2.0,
            teacher=teacher_with_maps("float64"),
        )
        randomised(model.supernet, 1)
        inputs = model.inputs(batch(8), [tf.constant([0, n]) for n in range(9)])
        losses = model.loss_config(inputs)._replace(scale=lambda loss: loss)
        for gradients in (shared_gradients, separate_gradients):
            results.append(gradients(model.supernet, inputs, four(None), losses)[1])
    for other in results[1:]:
        assert_same(other, results[0], paths(model.supernet), MASKS_BOUNDS["float64"])


def test_kept_statistics_are_used_in_the_step():
    model = trainer(PLAIN, two)
    _, moments = model.supernet(batch(seed=5)["log_mel"], SPACE.largest)
    kept = Trainer(
        model.supernet, constant_sampler(SPACE.largest), StepConfig("labels"), statistics=moments
    )
    data = batch()
    inputs = kept.inputs(data, [tf.constant([0, n]) for n in range(6)])
    losses = LossConfig(MULTI_LABEL.loss)
    rows = kept.sampler(tf.constant([0, 0]))
    logits, _ = model.supernet(data["log_mel"], SPACE.largest, moments)
    expected = float(MULTI_LABEL.loss(logits, data["labels"]))

    bare = inputs._replace(draws=None)
    for gradients in (shared_gradients, separate_gradients):
        received = gradients(model.supernet, bare, rows, losses)[0]
        assert received.numpy() == pytest.approx([expected])


@pytest.mark.parametrize("name", ["feature_weight", "map_weight"])
def test_features_need_a_teacher(name):
    with pytest.raises(ValueError, match=f"{name} needs the target 'teacher'"):
        StepConfig("labels", **{name: 1.0})
