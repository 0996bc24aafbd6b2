import pytest

from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.search.prefix_tree import groups, prefix_tree

NETWORK = Cnn10Network(classes=3, frames=64)


def tree_of(subnets):
    return prefix_tree(subnets, NETWORK.units(len(subnets[0].choices) if subnets else 2))


def leaves(tree, path=()):
    """Every subnet with the widths on the way to it, 0 for a convolution that it lacks."""
    for unit in tree:
        for kept in unit.prefixes:
            if kept.subnet is not None:
                yield kept.subnet, (*path, kept.width)
            yield from leaves(kept.below, (*path, kept.width))


def units(tree):
    """All units of a tree."""
    for unit in tree:
        yield unit
        for prefix in unit.prefixes:
            yield from units(prefix.below)


@pytest.mark.parametrize(
    ("name", "width_per"), [("[2,2,X]", "block"), ("[X,X,X]", "block"), ("[2,2,2]", "layer")]
)
def test_every_subnet_stands_once_at_the_end_of_its_own_widths(name, width_per):
    subnets = cnn10_space(name, base_channels=5, width_per=width_per).subnets()
    found = dict(leaves(tree_of(subnets)))

    assert sorted(found) == sorted(subnets)
    for spec, path in found.items():
        assert tuple((width,) for width in path) == spec.choices


def test_what_subnets_share_stands_once():
    tree = tree_of(cnn10_space("[2,2,X]", base_channels=10).subnets())
    counts: dict[str, int] = {}
    for unit in units(tree):
        name = NETWORK.units(8)[unit.index].name + ("" if any(unit.choice) else " absent")
        counts[name] = counts.get(name, 0) + 1

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
        "block4_conv2 absent": 64,
    }


def test_a_layer_is_as_wide_as_its_widest_subnet():
    tree = tree_of([parse_subnet(text) for text in ("4x2-2x1", "4x2-6x2", "4x2-3x1")])
    (first,) = tree
    (second,) = first.prefixes[0].below
    (third,) = second.prefixes[0].below

    assert third.choice == (6,)
    assert [prefix.width for prefix in third.prefixes] == [2, 3, 6]
    assert [len(prefix.below) for prefix in third.prefixes] == [1, 1, 1]


def test_no_subnets_are_no_tree():
    with pytest.raises(ValueError, match="at least one"):
        tree_of([])


def test_groups_are_bounded_even_and_complete():
    subnets = cnn10_space("[2,2,X]").subnets()
    split = groups(subnets[::-1] + subnets[:3], 50)

    assert [len(group) for group in split] == [43, 43, 42]
    assert [spec for group in split for spec in group] == sorted(subnets)
    assert groups(subnets, 0) == [[spec] for spec in sorted(subnets)]
