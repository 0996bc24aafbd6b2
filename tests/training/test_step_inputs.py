"""Crops and mixtures that a train step sees."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.augment import Part, mix_pairs, mix_power, mixup_lambda, random_gain
from aec_ofa_tf.audio.disturbances import DisturbanceConfig, disturbed
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.tasks import MULTI_LABEL, SINGLE_LABEL
from aec_ofa_tf.training.sampler import constant_sampler, uniform_sampler
from aec_ofa_tf.training.trainer import Trainer
from tests.training.steps import NO_STRIPES, PLAIN, SPACE, batch, trainer

ALL_DISTURBANCES = DisturbanceConfig(
    background_share=0.5,
    backgrounds=np.zeros([200, 50, 64], np.float32),
    low_pass_share=0.5,
    noise_share=0.5,
    resample_share=0.5,
)


def test_a_step_without_disturbances_is_what_it_was_before_there_were_any():
    model, data = trainer(PLAIN, constant_sampler(SPACE.largest), gain_db=6.0), batch(4)
    seeds = model.seeds(3)
    seed = tf.constant([model.config.seed, 3])
    for number in range(9):
        np.testing.assert_array_equal(
            seeds[number], tf.random.experimental.stateless_fold_in(seed, number)
        )
    log_mel, _, _ = model.augment(data["log_mel"], seeds[:9])
    np.testing.assert_array_equal(log_mel, random_gain(data["log_mel"], Part(4), seeds[4], 6.0))


def test_disturbances_are_the_last_that_happens_to_a_clip():
    model = trainer(
        PLAIN, constant_sampler(SPACE.largest), gain_db=6.0, disturbances=ALL_DISTURBANCES
    )
    data = batch(8)
    seeds = model.seeds(0)
    log_mel, _, _ = model.augment(data["log_mel"], seeds)

    louder = random_gain(data["log_mel"], Part(8), seeds[4], 6.0)
    expected = disturbed(louder, Part(8), ALL_DISTURBANCES, seeds[9:])
    np.testing.assert_array_equal(log_mel, expected)
    assert np.isfinite(float(model.step(data)))


def test_a_step_on_crops_of_uniform_clips_is_a_step_on_shorter_clips():
    short = replace(PLAIN, frames=32)
    data = batch(4)
    level = tf.constant([-20.0, -25.0, -35.0, -40.0])[:, None, None]
    data["log_mel"] = tf.ones_like(data["log_mel"]) * level
    cropped = trainer(PLAIN, constant_sampler(SPACE.largest), crop_frames=32)
    supernet = Supernet(SPACE, short)
    for target, source in zip(supernet.weights, cropped.supernet.weights, strict=True):
        target.assign(source)
    whole = Trainer(supernet, constant_sampler(SPACE.largest), cropped.config)
    whole.compile(optimizer=keras.optimizers.Adam())

    seeds = [tf.constant([0, n]) for n in range(6)]
    inputs = cropped.inputs(data, seeds)
    assert inputs.log_mel.shape == (4, 32, short.mel_bins)
    loss = float(cropped.step(data))
    assert loss == pytest.approx(
        float(whole.step({**data, "log_mel": data["log_mel"][:, :32]})), rel=1e-6
    )


def test_a_crop_that_is_too_short_for_the_network_is_refused():
    with pytest.raises(ValueError, match="at least 16 frames"):
        trainer(PLAIN, constant_sampler(SPACE.largest), crop_frames=8)


def test_a_step_that_mixes_sounds_sees_them_mixed_and_their_targets_alike():
    options = {"mixup": True, "mixup_domain": "power", "spec_augment": NO_STRIPES}
    model = trainer(PLAIN, constant_sampler(SPACE.largest), **options)
    data = batch(8)
    seeds = [tf.constant([0, n]) for n in range(6)]
    inputs = model.inputs(data, seeds)
    _, mixup_seed = tf.unstack(tf.random.experimental.stateless_split(seeds[1], 2))
    weights = mixup_lambda(Part(4), mixup_seed)

    assert inputs.draws.mixup is None
    np.testing.assert_array_equal(inputs.log_mel, mix_power(data["log_mel"], weights))
    np.testing.assert_array_equal(inputs.targets, mix_pairs(data["soft_labels"], weights))
    assert np.isfinite(float(model.step(data)))


def test_mixup_halves_the_batch_and_mixes_the_targets_alike():
    model = trainer(PLAIN, constant_sampler(SPACE.largest), mixup=True, spec_augment=NO_STRIPES)
    data = batch(8)
    # A pair of equal clips with equal targets is the same clip under any weight.
    doubled = {key: tf.repeat(value[:4], 2, axis=0) for key, value in data.items()}
    single = {key: value[:4] for key, value in data.items()}
    plain = trainer(PLAIN, constant_sampler(SPACE.largest), spec_augment=NO_STRIPES)

    mixed, expected = model.step(doubled), plain.step(single)
    assert float(mixed) == pytest.approx(float(expected), rel=1e-5)


def test_clips_and_targets_are_mixed_with_the_same_weights():
    model, data = trainer(PLAIN, constant_sampler(SPACE.largest), mixup=True), batch(8)
    seed = tf.constant([0, 0])
    seeds = [tf.random.experimental.stateless_fold_in(seed, stream) for stream in range(4)]
    draws = model.inputs(data, seeds).draws
    widths = tf.constant(SPACE.largest.row())
    shared, _ = model.supernet.stem(data["log_mel"], widths, draws)
    features, _ = model.supernet.features(shared, widths, draws)
    logits = model.supernet.classify(features, widths, draws)
    weights = draws.mixup.numpy()[:, None]
    mixed = weights * data["soft_labels"][::2] + (1 - weights) * data["soft_labels"][1::2]
    expected = float(MULTI_LABEL.loss(logits, mixed))

    assert weights.std() > 0.05
    assert float(model.step(data)) == pytest.approx(expected, rel=1e-5)


def test_the_draws_of_a_step_need_no_loop():
    """Hundreds of tiny kernels a step otherwise, one after another."""
    model = trainer(
        replace(PLAIN, block_dropout=0.2, embedding_dropout=0.5),
        uniform_sampler(SPACE, 2),
        mixup=True,
        time_roll=True,
        gain_db=6.0,
        crop_frames=32,
        crop_silence=0.5,
        time_stretch=0.2,
        equalizer_db=6.0,
        mel_shift_bins=2,
        disturbances=ALL_DISTURBANCES,
    )
    graph = tf.function(model.step, autograph=False).get_concrete_function(batch(8)).graph
    functions = graph.as_graph_def().library.function
    operations = {node.op for function in functions for node in function.node_def}
    operations |= {operation.type for operation in graph.get_operations()}
    tensors = [node.attr["value"].tensor for node in graph.as_graph_def().node]

    assert (
        max(len(one.tensor_content) for one in tensors) < 2**21
    )  # backgrounds lie beside the graph
    assert "StatelessRandomUniformV2" in operations
    assert not {"While", "StatelessWhile"} & operations


def test_smoothed_labels_are_targets_and_a_teachers_scores_stay_as_they_are():
    data = batch(4)
    labels = trainer(PLAIN, constant_sampler(SPACE.largest), target="labels", label_smoothing=0.2)
    both = trainer(PLAIN, constant_sampler(SPACE.largest), label_weight=0.5, label_smoothing=0.2)
    seeds = [tf.constant([0, n]) for n in range(9)]
    smooth = 0.8 * data["labels"] + 0.1
    np.testing.assert_allclose(labels.inputs(data, seeds).targets, smooth, rtol=1e-6)
    mean = 0.5 * smooth + 0.5 * data["soft_labels"]
    np.testing.assert_allclose(both.inputs(data, seeds).targets, mean, rtol=1e-6)


def test_smoothing_spreads_one_label_over_the_classes_and_others_over_yes_and_no():
    labels = tf.constant([[0.0, 1.0, 0.0, 0.0]])
    np.testing.assert_allclose(SINGLE_LABEL.smoothed(labels, 0.2), [[0.05, 0.85, 0.05, 0.05]])
    np.testing.assert_allclose(MULTI_LABEL.smoothed(labels, 0.2), [[0.1, 0.9, 0.1, 0.1]])
    assert MULTI_LABEL.smoothed(labels, 0.0) is labels
