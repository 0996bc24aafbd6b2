import pytest
from hypothesis import given
from hypothesis import strategies as st

from aec_ofa_tf.models.cnn10 import Cnn10Space, blocks_of, cnn10_space, parse_subnet


def test_the_paper_s_default_space_has_floor_widths_and_depth_elastic_in_the_last_block():
    space = cnn10_space("[2,2,X]")

    assert space.block_choices[0] == ((64, 64),)
    assert space.block_choices[1] == ((51, 51), (76, 76), (102, 102), (128, 128))
    assert space.block_choices[3][:2] == ((204,), (204, 204))
    assert str(space.largest) == "64x2-128x2-256x2-512x2"
    assert str(space.smallest) == "64x2-51x2-102x2-204x1"


def test_one_width_per_layer_multiplies_the_choices():
    # 4 x 4 widths in blocks 2 and 3; 4 x 4 + 4 in block 4.
    assert cnn10_space("[2,2,X]", width_per="layer").size == 16 * 16 * 20


def test_widths_are_rounded_to_the_multiple_half_going_up():
    space = cnn10_space("[2,2,X]", base_channels=16, width_multiple=8)

    assert [block[0][0] for block in space.block_choices[1:]] == [16, 24, 48]
    assert all(w % 8 == 0 for spec in space.subnets() for block in blocks_of(spec) for w in block)
    # 0.4 * 32 = 12 rounds up to 16, 0.6 * 32 = 19 down to 16: one width, not two.
    assert space.block_choices[1] == ((16, 16), (24, 24), (32, 32))


def test_a_ratio_that_is_no_binary_fraction_is_not_rounded_down_by_one():
    # 0.29 * 100 is 28.999999999999996 in floating point.
    assert Cnn10Space(base_channels=100).width_of(0.29, 100) == 29


@pytest.mark.parametrize(
    "name", ["[2,2]", "2,2,3", "", "[2;2;X]", "OFA", "[[2,2,X", "[2,2,X", "[[2,2,X]]"]
)
def test_an_unknown_space_is_refused_with_an_example(name):
    with pytest.raises(ValueError, match=r"\[2,2,X\]"):
        cnn10_space(name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"depths": ("1",)},
        {"width_ratios": (0.0, 1.0)},
        {"width_ratios": ()},
        {"base_channels": 0},
        {"width_multiple": 0},
        {"width_per": "net"},
    ],
)
def test_impossible_spaces_are_refused(arguments):
    with pytest.raises(ValueError, match="received"):
        Cnn10Space(**arguments)


@pytest.mark.parametrize("ratios", [[], 0, 0.4, "0.4", [float("nan")], [float("inf")], [2]])
def test_width_ratios_that_are_none_are_refused_and_not_replaced(ratios):
    with pytest.raises(ValueError, match="received"):
        cnn10_space("[2,2,X]", width_ratios=ratios)


def test_a_subnet_is_named_by_a_number_too():
    space = cnn10_space("[2,2,X]")

    assert space.parse_subnet(0.4) == space.parse_subnet("0.4") == space.fixed_ratio(0.4)


@pytest.mark.parametrize("text", ["\u00b2", "\u0664", "4x2-\u0665x2-8x2-9x1", None, 7])
def test_what_names_no_subnet_is_refused(text):
    with pytest.raises(ValueError, match=r"cannot read the subnet|must lie in"):
        cnn10_space("[2,2,X]").parse_subnet(text)


@given(
    st.sampled_from(["[2,2,X]", "[X,X,X]", "[2,X,X]", "EW"]),
    st.integers(1, 20),
    st.sampled_from([1, 4, 8]),
    st.sampled_from(["block", "layer"]),
)
def test_extremes_and_fixed_ratios_are_members_and_bound_every_width(name, base, multiple, per):
    space = cnn10_space(name, base, per, multiple)

    assert space.largest in space
    assert space.smallest in space
    assert space.fixed_ratio(1.0) == space.largest
    for choices, largest, smallest in zip(
        space.block_choices, blocks_of(space.largest), blocks_of(space.smallest), strict=True
    ):
        assert max(max(choice) for choice in choices) == max(largest)
        assert min(min(choice) for choice in choices) == min(smallest)


def test_a_subnet_is_named_by_extreme_ratio_or_text():
    space = cnn10_space("[2,2,X]")

    assert space.parse_subnet("largest") == space.largest
    assert space.parse_subnet("smallest") == space.smallest
    assert str(space.parse_subnet("0.4")) == "64x2-51x2-102x2-204x2"
    assert space.parse_subnet("64x2-51x2-256x2-204x1") in space


@pytest.mark.parametrize("text", ["64x2-51x1-102x2-204x1", "64x2-50x2-102x2-204x1", "0.5"])
def test_a_subnet_of_another_space_is_refused_with_the_extremes_of_this_one(text):
    with pytest.raises(ValueError, match=r"64x2-51x2-102x2-204x1.*64x2-128x2-256x2-512x2"):
        cnn10_space("[2,2,X]").parse_subnet(text)
    assert parse_subnet("64x2-51x1-102x2-204x1") not in cnn10_space("[2,2,X]")
