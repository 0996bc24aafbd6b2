import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.models.checks import check_no_norms
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, cnn10_subnet, parse_subnet
from aec_ofa_tf.models.materialise import build_plain, copy_subnet, materialise
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from tests.models.conftest import random_statistics, randomised


def every_depth_and_width(space) -> list[Subnet]:
    """Few subnets in which every choice of every block occurs."""
    most = max(len(choices) for choices in space.block_choices)
    specs = [
        cnn10_subnet(tuple(choices[index % len(choices)] for choices in space.block_choices))
        for index in range(most)
    ]
    return [*specs, space.smallest, space.largest]


def assert_same_logits(received, expected):
    bound = 1e-4 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(received, expected, rtol=0, atol=bound)


def test_supernet_at_a_spec_is_the_materialised_model(supernet, space, clips):
    statistics = random_statistics(supernet)
    forward = tf.function(lambda widths: supernet(clips, subnet=widths, statistics=statistics)[0])

    for spec in every_depth_and_width(space):
        expected = forward(tf.constant(spec.row())).numpy()
        logits = materialise(supernet, spec, statistics, classifier_activation=None)
        scores = materialise(supernet, spec, statistics)
        assert_same_logits(logits.predict(clips, verbose=0), expected)
        np.testing.assert_allclose(
            scores.predict(clips, verbose=0), 1 / (1 + np.exp(-expected)), atol=1e-4
        )
    assert forward.experimental_get_tracing_count() == 1


def test_different_subnets_are_really_different(supernet, space, clips):
    statistics = random_statistics(supernet)
    logits = [
        supernet(clips, spec, statistics=statistics)[0].numpy()
        for spec in every_depth_and_width(space)[:6]
    ]

    for index, one in enumerate(logits):
        for other in logits[index + 1 :]:
            assert np.abs(one - other).max() > 1e-3


def test_the_batch_s_own_moments_are_those_of_keras_in_training(supernet, space, clips):
    spec = space.smallest
    _, moments = supernet(clips, spec)
    expected, _ = supernet(clips, spec)
    network = dataclasses.replace(supernet.network, block_dropout=0.0, embedding_dropout=0.0)
    model = build_plain(spec, network, classifier_activation=None)
    model.set_weights(materialise(supernet, spec, moments).get_weights())

    assert_same_logits(model(clips, training=True).numpy(), expected.numpy())
    assert_same_logits(model(clips, training=False).numpy(), expected.numpy())


def test_materialising_leaves_the_supernet_as_it_was_and_copies(supernet, space, clips):
    before = [weight.numpy().copy() for weight in supernet.weights]
    model = materialise(supernet, space.smallest, random_statistics(supernet))
    for weight in model.weights:
        weight.assign(weight * 0 + 7)

    for weight, old in zip(supernet.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_a_copied_subnet_computes_what_it_computed_in_the_supernet(supernet, space, clips):
    for spec in (space.smallest, space.subnets()[777], space.largest):
        single = copy_subnet(supernet, spec)
        expected, _ = supernet(clips, spec)
        assert_same_logits(single(clips)[0].numpy(), expected.numpy())
        trainable = sum(weight.numpy().size for weight in single.trainable_weights)
        assert trainable == params(spec, supernet.network)


def test_the_teacher_s_last_pool_is_a_setting_of_both(clips):
    network = Cnn10Network(classes=3, frames=40, embedding_units=16, pool_last=True)
    spec = parse_subnet("4x2-5x2-6x2-7x2")
    teacher = randomised(Supernet([spec], network))
    statistics = random_statistics(teacher)

    model = materialise(teacher, spec, statistics, classifier_activation=None)
    assert model.get_layer("block4_pool").output.shape[1:3] == (2, 4)
    assert_same_logits(model(clips).numpy(), teacher(clips, statistics=statistics)[0].numpy())


def test_the_materialised_model_opens_without_this_project(supernet, space, tmp_path, clips):
    import subprocess
    import sys

    model = materialise(supernet, space.smallest, random_statistics(supernet))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "clips.npy", clips)
    code = (
        "import sys; sys.modules.update(aec_ofa_tf=None, tfrecords=None, pipelines=None)\n"
        "import keras, numpy as np\n"
        "model = keras.models.load_model('model.keras', safe_mode=True)\n"
        "np.save('scores.npy', model(np.load('clips.npy'), training=False))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    expected = keras.ops.convert_to_numpy(model(clips, training=False))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-6)


def test_members_have_equally_many_units_and_there_is_one():
    network = Cnn10Network(classes=3, frames=40)
    with pytest.raises(ValueError, match="equally many units"):
        Supernet([parse_subnet("4x2-4x1"), parse_subnet("4x2-4x1-4x1")], network)
    with pytest.raises(ValueError, match="at least one subnet"):
        Supernet([], network)


def test_weights_of_unequal_members_have_the_shapes_that_the_widest_need(clips):
    # The widest first layer, the widest second layer and the widest output are in three members.
    specs = [parse_subnet(t) for t in ("4x2-9+2-3x1-5x2", "4x2-3+6-7x1-8x1", "4x2-8x1-6x2-4+3")]
    supernet = randomised(Supernet(specs, Cnn10Network(5, 40, embedding_units=8)))
    statistics = random_statistics(supernet)

    for spec in specs:
        expected, _ = supernet(clips, spec, statistics=statistics)
        model = materialise(supernet, spec, statistics, classifier_activation=None)
        assert_same_logits(model(clips).numpy(), expected.numpy())


def test_bfloat16_computes_nearly_the_same_with_float32_logits(space, network, clips):
    exact = randomised(Supernet(space.subnets()[:2], network))
    mixed = Supernet(space.subnets()[:2], network, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())

    logits, moments = mixed(clips)
    assert logits.dtype == tf.float32
    assert all(vector.dtype == tf.float32 for pair in moments.values() for vector in pair)
    np.testing.assert_allclose(logits, exact(clips)[0], atol=0.15)
    statistics = random_statistics(exact)
    given, _ = mixed(clips, statistics=statistics)
    np.testing.assert_allclose(given, exact(clips, statistics=statistics)[0], atol=0.15)


def test_thin_and_full_size_networks_have_one_shape():
    for base in (4, 16):
        space = cnn10_space("[2,2,X]", base)
        assert space.full_widths == (base, 2 * base, 4 * base, 8 * base)


def test_a_unit_behind_the_mean_over_frames_has_no_batch_norm():
    network = Cnn10Network(classes=3, frames=40, embedding_units=8)
    first = Supernet([parse_subnet("4x2-4x1-4x1-4x1")], network).unit_layers[0]
    with pytest.raises(ValueError, match=f"{first.name} follows the mean over frames and has a ba"):
        check_no_norms([first])
