import pytest

from aec_ofa_tf.costs.costs import layer_macs, macs, params, shared_macs, subnet_costs
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.materialise import build_plain

PAPER = Cnn10Network(classes=527, frames=1000)


@pytest.mark.parametrize(
    ("space", "size", "smallest", "in_ranges"),
    [
        ("[2,2,X]", 128, 794_666, [4, 25, 10, 8]),
        ("[X,X,X]", 512, 677_315, [39, 90, 35, 27]),
        ("EW", 125, 556_986, [13, 16, 9, 10]),
    ],
)
def test_parameter_counts_are_those_of_the_paper_facts(space, size, smallest, in_ranges):
    counts = [params(spec, PAPER) for spec in cnn10_space(space).subnets()]

    assert (len(counts), min(counts), max(counts)) == (size, smallest, 5_219_279)
    centres = (0.8e6, 1.8e6, 2.8e6, 3.8e6)
    assert [sum(abs(n - c) <= 0.2e6 for n in counts) for c in centres] == in_ranges


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.4, 1_169_618), (0.6, 2_150_088), (0.8, 3_491_612), (1.0, 5_219_279)]
)
def test_fixed_ratio_baselines_count_as_in_the_paper_facts(ratio, expected):
    assert params(cnn10_space("[2,2,X]").fixed_ratio(ratio), PAPER) == expected


def test_full_cnn10_costs_13_g_multiply_adds_per_10_s_clip():
    assert macs(cnn10_space("[2,2,X]").largest, PAPER) == pytest.approx(13.0e9, rel=2e-3)


@pytest.mark.parametrize("space", ["[2,2,X]", "[X,X,X]", "EW"])
def test_closed_form_equals_the_trainable_weights_of_every_subnet(space):
    network = Cnn10Network(classes=5, frames=32, embedding_units=32)
    subnets = cnn10_space(space, base_channels=4).subnets()
    # Every block choice occurs in a diagonal walk through the sorted space.
    for spec in [*subnets[:: max(1, len(subnets) // 24)], subnets[-1]]:
        model = build_plain(spec, network)
        assert params(spec, network) == sum(
            weight.value.numpy().size for weight in model.trainable_weights
        )


def test_closed_form_multiply_adds_equal_a_count_over_the_built_layers():
    network = Cnn10Network(classes=5, frames=50, embedding_units=32)
    spec = parse_subnet("4x2-3+5-7x1-9x2")
    counts = {}
    for layer in build_plain(spec, network).layers:
        if layer.name.endswith(("conv1", "conv2")):
            _, frames, mel_bins, _ = layer.output.shape
            counts[layer.name] = frames * mel_bins * layer.kernel.value.numpy().size
        elif layer.name in ("embedding", "classifier"):
            counts[layer.name] = layer.kernel.value.numpy().size

    assert layer_macs(spec, network) == counts
    assert macs(spec, network) == sum(counts.values())


def test_a_shared_stem_counts_once_and_as_wide_as_the_widest():
    narrow, wide = (parse_subnet(text) for text in ("4x2-3x2-7x1", "4x2-8x2-5x2"))
    network = Cnn10Network(classes=5, frames=50, embedding_units=32)
    first = layer_macs(narrow, network)
    saved = first["block1_conv1"] + first["block1_conv2"] + first["block2_conv1"]

    assert shared_macs([narrow], network, stem_units=3) == macs(narrow, network)
    both = macs(narrow, network) + macs(wide, network)
    assert shared_macs([narrow, wide], network, stem_units=3) == both - saved


@pytest.mark.parametrize("metrics", [("foo",), ["params", 3], "params", "foo"])
def test_unknown_metrics_are_named(metrics):
    with pytest.raises(ValueError, match=r"metrics is a list of names from params, .* received"):
        subnet_costs(cnn10_space("[2,2,X]").smallest, PAPER, metrics=metrics)


@pytest.mark.parametrize("subnet", ["largest", None, 0.4])
def test_costs_are_those_of_a_subnet(subnet):
    with pytest.raises(ValueError, match=r"for example space\.parse_subnet\('largest'\), received"):
        subnet_costs(subnet, PAPER)
