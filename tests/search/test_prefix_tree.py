import pytest

from aec_ofa_tf.models.cnn10 import blocks_of, parse_subnet, search_space
from aec_ofa_tf.search.prefix_tree import groups, prefix_tree


def leaves(layer, prefix=()):
    """Every subnet with the widths on the way to it."""
    for kept in layer.prefixes:
        path = (*prefix, (layer.block, layer.layer, kept.width))
        if kept.subnet is not None:
            yield kept.subnet, path
        for deeper in (kept.deeper, kept.below):
            if deeper is not None:
                yield from leaves(deeper, path)


def layers(layer):
    """A layer and all below it."""
    yield layer
    for prefix in layer.prefixes:
        for deeper in (prefix.deeper, prefix.below):
            if deeper is not None:
                yield from layers(deeper)


@pytest.mark.parametrize(
    ("name", "width_per"), [("[2,2,X]", "block"), ("[X,X,X]", "block"), ("[2,2,2]", "layer")]
)
def test_every_subnet_stands_once_at_the_end_of_its_own_widths(name, width_per):
    subnets = search_space(name, base_channels=5, width_per=width_per).subnets()
    found = dict(leaves(prefix_tree(subnets)))

    assert sorted(found) == sorted(subnets)
    for spec, path in found.items():
        assert [width for _, _, width in path] == [w for block in blocks_of(spec) for w in block]


def test_what_subnets_share_stands_once():
    tree = prefix_tree(search_space("[2,2,X]", base_channels=10).subnets())
    counts: dict[str, int] = {}
    for layer in layers(tree):
        counts[layer.name] = counts.get(layer.name, 0) + 1

    # 4 widths in each of three blocks, of which the last may be deep: one wide convolution for
    # all that follow a prefix, and a second one for each width of the first.
    assert counts == {
        "block1_conv1": 1,
        "block1_conv2": 1,
        "block2_conv1": 1,
        "block2_conv2": 4,
        "block3_conv1": 4,
        "block3_conv2": 16,
        "block4_conv1": 16,
        "block4_conv2": 64,
    }


def test_a_layer_is_as_wide_as_its_widest_subnet():
    tree = prefix_tree([parse_subnet(text) for text in ("4x2-2x1", "4x2-6x2", "4x2-3x1")])
    (first,) = tree.prefixes[0].deeper.prefixes

    assert first.below.width == 6
    assert [prefix.width for prefix in first.below.prefixes] == [2, 3, 6]


def test_no_subnets_are_no_tree():
    with pytest.raises(ValueError, match="at least one"):
        prefix_tree([])


def test_groups_are_bounded_even_and_complete():
    subnets = search_space("[2,2,X]").subnets()
    split = groups(subnets[::-1] + subnets[:3], 50)

    assert [len(group) for group in split] == [43, 43, 42]
    assert [spec for group in split for spec in group] == sorted(subnets)
    assert groups(subnets, 0) == [[spec] for spec in sorted(subnets)]
