"""The pool before a MobileNet's first convolution: the same network on a smaller image."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.augment import SpecAugmentConfig
from aec_ofa_tf.costs.costs import layer_macs, macs, params
from aec_ofa_tf.models.family import network_from_config, space_from_config, to_config
from aec_ofa_tf.models.materialise import build_plain, copy_subnet, load_plain, materialise
from aec_ofa_tf.models.mobilenet import MobilenetNetwork, MobilenetSpace, mobilenet_space
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.sampler import sandwich_sampler
from aec_ofa_tf.training.trainer import StepConfig, Trainer
from tests.models.conftest import randomised

FRAMES, MEL_BINS, CLASSES = 39, 23, 3  # neither fills its last pool
NAME = "mn01 width=0.5,1 expand=0.5,1 last=0.5,1 hidden=0.5,1 kernel=full"
SPACE = mobilenet_space(f"{NAME} pool=4x2")
NETWORK = SPACE.network(CLASSES, FRAMES, MEL_BINS, task="single_label")
SMALL = mobilenet_space(NAME).network(CLASSES, 9, 11, task="single_label")
SOME = [SPACE.largest, SPACE.smallest, SPACE.subnet_at(SPACE.size // 3)]


def clips(seed: int = 0, count: int = 4) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(-40, 12, (count, FRAMES, MEL_BINS)).astype(np.float32)


def means(log_mel: np.ndarray) -> np.ndarray:
    """By NumPy: the means of 4 frames x 2 mel bins, without what is left over."""
    cut = log_mel[:, :36, :22]
    return cut.reshape(len(cut), 9, 4, 11, 2).mean(axis=(2, 4))


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    keras.utils.set_random_seed(0)
    return randomised(Supernet(SPACE, NETWORK))


def test_it_is_the_network_without_a_pool_on_the_means(supernet):
    unpooled = Supernet(mobilenet_space(NAME), SMALL)
    unpooled.set_weights(supernet.get_weights())
    for subnet in SOME:
        np.testing.assert_allclose(
            supernet(clips(), subnet)[0], unpooled(means(clips()), subnet)[0], atol=1e-4
        )


def test_twin_copy_and_tree_are_the_supernet(supernet):
    batches = [{"log_mel": tf.constant(clips(seed))} for seed in range(2)]
    evaluator = SubnetEvaluator(supernet, batches)
    found = dict(TreeEvaluator(evaluator).scores(SOME, batches[1:]))
    for subnet in SOME:
        statistics = evaluator.recalibrate(subnet)
        model = materialise(supernet, subnet, statistics)
        assert [layer.name for layer in model.layers[:4]] == [
            *("log_mel", "image", "input_pool", "input_norm")
        ]
        scores = evaluator.scores(subnet, statistics, batches[1:])
        # The twin scales after the pool, the supernet before it.
        np.testing.assert_allclose(model(clips(1)), scores, atol=5e-4)
        np.testing.assert_allclose(found[subnet], scores, atol=1e-4)
        copy, _ = copy_subnet(supernet, subnet)(clips())
        np.testing.assert_allclose(copy, supernet(clips(), subnet)[0], atol=1e-5)


def test_a_step_trains_with_crops_masks_and_mixtures():
    keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, NETWORK)
    masks = SpecAugmentConfig(time_frames=9, mel_bins=5)
    config = StepConfig("labels", mixup=True, crop_frames=21, spec_augment=masks)
    trainer = Trainer(supernet, sandwich_sampler(SPACE, 2), config)
    trainer.compile(optimizer=keras.optimizers.Adam(1e-2))
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(8) % CLASSES]
    before = [np.array(weight) for weight in supernet.trainable_weights]
    trainer.fit({"log_mel": clips(count=8), "labels": labels}, batch_size=8, verbose=0)
    moved = [
        np.abs(old - new).max() for old, new in zip(before, supernet.trainable_weights, strict=True)
    ]
    assert np.isfinite(moved).all()
    assert min(moved) > 0


def test_pretrained_weights_of_the_network_without_a_pool_are_a_start(supernet):
    plain = build_plain(SPACE.largest, replace(SMALL, frames=FRAMES, mel_bins=MEL_BINS))
    fresh = Supernet(SPACE, NETWORK)
    statistics = load_plain(fresh, plain)
    pooled = build_plain(SPACE.largest, SMALL)
    pooled.set_weights(plain.get_weights())
    # Rounding of fifteen blocks.
    received = tf.nn.softmax(fresh(clips(), SPACE.largest, statistics)[0])
    np.testing.assert_allclose(received, pooled(means(clips())), atol=1e-4)


def test_costs_are_those_of_the_smaller_image():
    for subnet in SOME:
        assert params(subnet, NETWORK) == params(subnet, SMALL)
        assert macs(subnet, NETWORK) == macs(subnet, SMALL)
        assert layer_macs(subnet, NETWORK) == layer_macs(subnet, SMALL)
        row = NETWORK.rows(subnet)[0]
        assert row.peak_elements == FRAMES * MEL_BINS + 9 * 11
        assert row != SMALL.rows(subnet)[0]
        assert NETWORK.rows(subnet)[1:] == SMALL.rows(subnet)[1:]


def test_its_name_is_read_and_written():
    assert SPACE.input_pool == NETWORK.input_pool == (4, 2)
    assert mobilenet_space(str(SPACE)) == SPACE
    assert space_from_config(to_config(SPACE)) == SPACE
    assert network_from_config(to_config(NETWORK)) == NETWORK
    # Runs from before there were pools have the configurations of networks without one.
    for value in (MobilenetSpace(), SMALL):
        assert "input_pool" not in to_config(value)
        assert " pool=" not in str(value)
    assert "input_pool" not in SMALL.family_fields
    for wrong in ("pool=4", "pool=0x2", "pool=4x2x1", "pool=-1x2", "pool=a"):
        with pytest.raises(ValueError, match=r"pool is frames x mel bins|expected mn"):
            mobilenet_space(f"mn01 {wrong}")


def test_a_pool_larger_than_a_clip_is_refused():
    with pytest.raises(ValueError, match=r"\(40, 2\) leaves nothing of 39 frames x 23 mel bins"):
        MobilenetNetwork(CLASSES, FRAMES, mel_bins=MEL_BINS, input_pool=(40, 2))
    with pytest.raises(ValueError, match="a number of frames and one of mel bins"):
        MobilenetSpace(input_pool=(4,))
