"""The family of MobileNets: shapes, sharing, twins, costs and files."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.costs.costs import layer_macs, macs, params
from aec_ofa_tf.models.family import network_from_config, space_from_config, to_config
from aec_ofa_tf.models.materialise import build_plain, copy_subnet, load_plain, materialise
from aec_ofa_tf.models.mobilenet import MobilenetSpace, mobilenet_space
from aec_ofa_tf.models.mobilenet.architecture import architecture
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.training.evaluation import SubnetEvaluator
from aec_ofa_tf.training.gradients import separate_gradients, shared_gradients
from aec_ofa_tf.training.sampler import sandwich_sampler
from aec_ofa_tf.training.trainer import StepConfig, Trainer
from tests.models.conftest import randomised

FRAMES, MEL_BINS, CLASSES = 37, 22, 3  # odd and even sides before strides
SPACE = mobilenet_space("mn01 width=0.5,1 expand=0.5,1 last=0.5,1 hidden=0.5,1")
NETWORK = SPACE.network(CLASSES, FRAMES, MEL_BINS, task="single_label")
SOME = [
    SPACE.largest,
    SPACE.smallest,
    *(SPACE.subnet_at(index) for index in (SPACE.size // 3, SPACE.size // 2 + 77)),
]


def log_mel(seed: int = 0, clips: int = 4) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(-40, 12, (clips, FRAMES, MEL_BINS)).astype(np.float32)


def batch(seed: int = 0, clips: int = 4) -> dict[str, tf.Tensor]:
    """Clips whose class is the third of the mel bins that is louder."""
    classes, band = np.arange(clips) % CLASSES, MEL_BINS // CLASSES
    louder = np.zeros([clips, 1, MEL_BINS], np.float32)
    for clip, label in enumerate(classes):
        louder[clip, 0, label * band : (label + 1) * band] = 30
    labels = np.eye(CLASSES, dtype=np.float32)[classes]
    return {"log_mel": tf.constant(log_mel(seed, clips) + louder), "labels": tf.constant(labels)}


@pytest.mark.parametrize(
    ("name", "trained", "million_macs"),
    [("mn01", 123_783, 18.1), ("mn04", 983_599, 110.6), ("mn10", 4_876_831, 541.1)],
)
def test_full_size_is_efficientat_s(name, trained, million_macs):
    """Published: 0.124 M, 0.98 M and 4.88 M parameters; 0.11 G and 0.54 G multiply-adds."""
    space = mobilenet_space(name)
    network = space.network(527, 1000, 128, task="multi_label")

    assert params(space.largest, network) == trained
    assert macs(space.largest, network) / 1e6 == pytest.approx(million_macs, abs=0.1)


def test_the_space_of_mn04_reaches_down_to_50_thousand_parameters():
    space = mobilenet_space("mn04")
    network = space.network(50, 500, 128, task="single_label")

    assert params(space.smallest, network) < 50_000
    assert all(c[0] % 8 == 0 for s in (space.smallest, space.largest) for c in s.choices)


@pytest.mark.parametrize("width_mult", [0.1, 0.15, 0.2, 0.35, 0.4, 0.5, 1.0, 1.3])
def test_any_width_has_15_blocks_whose_later_ones_are_residual(width_mult):
    full = architecture(width_mult)
    blocks = [block for stage in full.stages for block in stage]
    space = MobilenetSpace(width_mult)

    assert len(blocks) == 15
    assert all(block.is_residual for stage in full.stages for block in stage[1:])
    for before, block in itertools.pairwise(blocks):
        assert block.is_residual == (block.stride == 1 and block.width == before.width)
    for subnet in (space.smallest, space.largest, space.subnet_at(space.size // 2)):
        assert space.parse_subnet(str(subnet)) == subnet
        network = space.network(CLASSES, 20, 16, task="multi_label")
        trained = build_plain(subnet, network).trainable_weights
        assert params(subnet, network) == sum(int(np.prod(weight.shape)) for weight in trained)


def test_names_of_spaces():
    space = mobilenet_space("mn04 width=0.5,1 expand=1 kernel=full depth=full")

    assert space == MobilenetSpace(0.4, (0.5, 1.0), (1.0,), elastic_kernel=False,
                                   elastic_depth=False)  # fmt: skip
    for one in (space, mobilenet_space("mn04")):
        assert mobilenet_space(str(one)) == one
    assert space_from_config(to_config(space)) == space
    assert network_from_config(to_config(NETWORK)) == NETWORK
    for name in ("mn4", "mn04 depth=3", "mn04 width=a", "mn04 colour=1", "mn00"):
        with pytest.raises(ValueError, match=r"mn|full or elastic|ratios|positive"):
            mobilenet_space(name)


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    keras.utils.set_random_seed(0)
    return randomised(Supernet(SPACE, NETWORK))


def test_masks_and_slices_are_the_same(supernet):
    masked = Supernet(SPACE, NETWORK, execution="masks")
    masked.set_weights(supernet.get_weights())
    for subnet in SOME:
        logits, moments = supernet(log_mel(), subnet)
        others, masked_moments = masked(log_mel(), subnet)
        np.testing.assert_allclose(logits, others, atol=1e-5)
        for name, values in moments.items():
            np.testing.assert_allclose(values.mean, masked_moments[name].mean, atol=1e-5)


@pytest.mark.parametrize("execution", ["slices", "masks"])
def test_shared_gradients_are_those_of_separate_passes(execution):
    keras.utils.set_random_seed(0)
    supernet = randomised(Supernet(SPACE, NETWORK, "float64", execution))
    trainer = Trainer(supernet, sandwich_sampler(SPACE, 3), StepConfig("labels"))
    inputs = trainer.inputs(batch(), [tf.constant([0, n]) for n in range(5)])
    subnets = tf.constant([subnet.row() for subnet in SOME[:3]])
    config = trainer.loss_config(inputs)._replace(scale=lambda loss: loss)
    expected, separate = separate_gradients(supernet, inputs, subnets, config)
    loss, shared = shared_gradients(supernet, inputs, subnets, config)

    assert supernet.stem_units == 3  # first convolution, blocks 1 and 2 have no choice
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    for received, wanted in zip(shared, separate, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-9)


def test_tree_twin_and_copy_are_the_supernet_at_a_subnet(supernet):
    evaluator = SubnetEvaluator(supernet, [batch(seed) for seed in range(2)])
    found = dict(TreeEvaluator(evaluator).scores(SOME, [batch(7)]))
    for subnet in SOME:
        statistics = evaluator.recalibrate(subnet)
        scores = evaluator.scores(subnet, statistics, [batch(7)])
        model = materialise(supernet, subnet, statistics)
        copy, _ = copy_subnet(supernet, subnet)(log_mel())
        np.testing.assert_allclose(found[subnet], scores, atol=1e-5)
        np.testing.assert_allclose(model(batch(7)["log_mel"]), scores, atol=1e-5)
        np.testing.assert_allclose(copy, supernet(log_mel(), subnet)[0], atol=1e-5)


def test_a_plain_model_is_loaded_back(supernet):
    evaluator = SubnetEvaluator(supernet, [batch()])
    model = materialise(supernet, SPACE.largest, evaluator.recalibrate(SPACE.largest), None)
    other = Supernet(SPACE, NETWORK)
    statistics = load_plain(other, model)
    # Logits of up to 20, with the rounding of fifteen blocks.
    np.testing.assert_allclose(
        other(log_mel(), SPACE.largest, statistics)[0], model(log_mel()), rtol=1e-4, atol=1e-4
    )
    narrow = SPACE.parse_subnet(str(SPACE.largest).replace("16x3k5e100", "16x3k5e50"))
    for subnet, problem in ((SPACE.smallest, "no layer block3"), (narrow, "of shapes")):
        with pytest.raises(ValueError, match=f"{problem}.*not of the largest subnet"):
            load_plain(other, build_plain(subnet, NETWORK))


def test_a_channel_that_is_always_silent_is_no_missing_channel(supernet):
    evaluator = SubnetEvaluator(supernet, [batch()])
    model = materialise(supernet, SPACE.largest, evaluator.recalibrate(SPACE.largest), None)
    names = [layer.name for layer in model.layers if "_expand_norm" in layer.name]
    first_and_last = names[0], names[-1]  # before ReLU, before hard-swish
    for name in first_and_last:
        norm = model.get_layer(name)
        gamma, beta, *moments = norm.get_weights()
        gamma[-1], beta[-1] = 0.0, -4.0
        norm.set_weights([gamma, beta, *moments])
    silent = Supernet(SPACE, NETWORK)
    load_plain(silent, model)

    evaluator = SubnetEvaluator(silent, [batch()])
    statistics = evaluator.recalibrate(SPACE.largest)
    twin = materialise(silent, SPACE.largest, statistics)

    for name in first_and_last:
        variance = twin.get_layer(name.replace("expand", "depthwise")).moving_variance.numpy()
        assert variance[-1] == 0.0
    scores = evaluator.scores(SPACE.largest, statistics, [batch()])
    np.testing.assert_allclose(twin(batch()["log_mel"]), scores, atol=1e-5)
    with pytest.raises(ValueError, match="they are another subnet's"):
        materialise(silent, SPACE.largest, evaluator.recalibrate(SPACE.smallest))


def test_sorting_changes_the_order_and_not_the_outputs(supernet):
    evaluator = SubnetEvaluator(supernet, [batch()])
    model = materialise(supernet, SPACE.largest, evaluator.recalibrate(SPACE.largest), None)
    before, kernel = model(log_mel()).numpy(), model.get_layer("hidden").get_weights()[0]
    NETWORK.sort_channels(model)

    np.testing.assert_allclose(model(log_mel()), before, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(model.get_layer("hidden").get_weights()[0], kernel)
    units = np.linalg.norm(model.get_layer("hidden").get_weights()[0][0, 0], axis=0)
    units *= np.linalg.norm(model.get_layer("classifier").get_weights()[0], axis=1)
    assert list(units) == sorted(units, reverse=True)


def test_a_pretrained_start_keeps_the_body_and_renews_the_head(supernet):
    evaluator = SubnetEvaluator(supernet, [batch()])
    model = materialise(supernet, SPACE.largest, evaluator.recalibrate(SPACE.largest))
    network = SPACE.network(CLASSES + 4, FRAMES, MEL_BINS, task="multi_label")
    fresh = Supernet(SPACE, network)
    head = [np.asarray(weight) for weight in fresh.head_layer.weights]
    network.start_from(fresh, model)

    for weight, old in zip(fresh.head_layer.weights, head, strict=True):
        np.testing.assert_array_equal(weight, old)
    stem = model.get_layer("stem").get_weights()[0]
    np.testing.assert_array_equal(fresh.get_layer("stem").conv.kernel, stem)


def test_costs_are_those_of_the_plain_model():
    for subnet in SOME:
        counted = {}
        for layer in build_plain(subnet, NETWORK).layers:
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                pixels = int(np.prod(layer.output.shape[1:3]))
                counted[layer.name] = pixels * int(np.prod(layer.kernel.shape))
            elif isinstance(layer, keras.layers.Dense):
                counted[layer.name] = int(np.prod(layer.kernel.shape))
        assert layer_macs(subnet, NETWORK) == counted


def test_the_input_of_a_residual_block_is_held_to_its_end():
    row = NETWORK.rows(SPACE.largest)[4]  # block 3: 8 channels, not expanded, 10 x 6
    assert row.kind == "inverted_residual"
    pixels = 10 * 6
    assert row.peak_elements == 3 * pixels * 8


@pytest.mark.slow
def test_a_subnet_is_converted(supernet, tmp_path):
    from aec_ofa_tf.export.convert import convert_models
    from aec_ofa_tf.export.request import ConversionRequest
    from aec_ofa_tf.tagging.interpreter import TFLiteModel
    from aec_ofa_tf.tagging.model_file import ModelInfo

    subnet = SOME[3]
    evaluator = SubnetEvaluator(supernet, [batch()])
    model = materialise(supernet, subnet, evaluator.recalibrate(subnet))
    clips = log_mel(5, clips=12)
    features = front_end("efficientat_32k", mel_bins=MEL_BINS)
    info = ModelInfo(
        labels=("low", "middle", "high"),
        sample_rate_hz=features.sample_rate_hz,
        clip_samples=FRAMES * features.hop_samples,
        length_policy="pad",
        front_end=features,
        task="single_label",
        input="log_mel",
        quantization="float32",
        subnet=str(subnet),
        params=params(subnet, NETWORK),
    )
    bounds = {"float32": 1e-5, "float16": 2e-2, "dynamic": 0.1, "int8": 1.0}
    infos = [replace(info, quantization=quantization) for quantization in bounds]
    requests = [
        ConversionRequest(tmp_path / f"{one.quantization}.tflite", one, clips, clips)
        for one in infos
    ]
    conversions = convert_models([(model, request) for request in requests])

    expected = model.predict(clips, verbose=0)
    for (quantization, bound), conversion in zip(bounds.items(), conversions, strict=True):
        tagger = TFLiteModel(conversion.file)
        scores = np.stack([tagger.scores(clip) for clip in clips])
        differences = np.abs(scores.reshape(expected.shape) - expected)
        assert differences.max() < bound, quantization
    # The last, int8, of a network that was not trained: far off, but not by chance.
    assert np.mean(differences) < 0.5 * np.mean(np.abs(expected - expected[::-1]))
