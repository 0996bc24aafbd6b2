"""What holds for the search space of any family."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.family import network_from_config, space_from_config, to_config
from aec_ofa_tf.models.space import Option, StagedSpace, Subnet
from aec_ofa_tf.models.unit import stem_length, unit_sizes
from aec_ofa_tf.training.sampler import uniform_sampler

HUGE = StagedSpace(tuple(tuple(Option(f"{w}", ((w,),)) for w in range(1, 9)) for _ in range(12)))
UNEVEN = [parse_subnet(t) for t in ("4x2-9+2-3x1-5x2", "4x2-3+6-7x1-8x1", "4x2-8x1-6x2-4+3")]


def test_a_draw_is_a_place_in_the_list_of_subnets():
    space = cnn10_space("[X,X,X]", base_channels=4, width_per="layer")
    sample = uniform_sampler(space, 50)
    seed = tf.constant([3, 4])
    places = tf.random.stateless_uniform([50], seed, maxval=space.size, dtype=tf.int32)
    rows = [space.subnets()[place].row() for place in places.numpy()]

    np.testing.assert_array_equal(sample(seed), rows)
    np.testing.assert_array_equal(
        [space.subnet_at(int(place)).row() for place in places.numpy()], rows
    )


def test_a_space_that_no_machine_can_list_is_sampled_and_asked():
    assert HUGE.size == 8**12
    rows = uniform_sampler(HUGE, 4000)(tf.constant([0, 1])).numpy()
    assert rows.shape == (4000, 12, 1)
    counts = np.stack([np.bincount(rows[:, stage, 0], minlength=9)[1:] for stage in range(12)])
    # 500 expected each, standard deviation 21.
    assert counts.min() > 390
    assert counts.max() < 610
    assert HUGE.subnet_at(HUGE.size - 1) == HUGE.largest == HUGE.parse_subnet("largest")
    assert HUGE.subnet_at(0) in HUGE
    assert HUGE.parse_subnet(str(HUGE.subnet_at(10**9))) == HUGE.subnet_at(10**9)


def test_units_are_as_wide_as_some_member_needs_them():
    sizes = unit_sizes(StagedSpace.listing(UNEVEN))

    assert [size.channels_in for size in sizes] == [1, 4, 4, 9, 8, 7, 7, 8]
    assert [size.channels_out for size in sizes] == [4, 4, 9, 8, 7, 7, 8, 8]
    assert sizes[3].choices == ((0,), (2,), (6,))


@pytest.mark.parametrize(
    ("subnets", "expected"),
    [
        (cnn10_space("[2,2,X]", 4), 3),  # the static block and the first elastic convolution
        ([parse_subnet("4x2-3x2")], 4),  # a network of its own is all stem
        ([parse_subnet("4x2-3x2"), parse_subnet("5x2-3x2")], 1),
        ([parse_subnet("4x2-3x2"), parse_subnet("4x1-3x2")], 1),  # the second convolution may lack
    ],
)
def test_the_stem_ends_where_subnets_no_longer_share_what_they_compute(subnets, expected):
    space = subnets if not isinstance(subnets, list) else StagedSpace.listing(subnets)
    sizes = unit_sizes(space)
    units = Cnn10Network(3, 40).units(len(sizes))

    assert stem_length(units, sizes) == expected


def test_a_configuration_names_its_family_and_opens_again_from_json():
    import json

    space = cnn10_space("EW", base_channels=8, width_multiple=4)
    network = Cnn10Network(7, 50, embedding_units=64, task="single_label")
    stored = json.loads(json.dumps([to_config(space), to_config(network)]))

    assert stored[0]["family"] == stored[1]["family"] == "cnn10"
    assert space_from_config(stored[0]) == space
    assert network_from_config(stored[1]) == network
    del stored[0]["family"]  # as runs had it when there was one family
    assert space_from_config(stored[0]) == space
    with pytest.raises(ValueError, match="import the module that defines it"):
        space_from_config({"family": "unheard-of"})


def test_spaces_without_subnets_or_with_unlike_ones_are_refused():
    with pytest.raises(ValueError, match="at least one subnet"):
        StagedSpace.listing([])
    with pytest.raises(ValueError, match="equally many units"):
        StagedSpace.listing([parse_subnet("4x2"), parse_subnet("4x2-4x2")])
    with pytest.raises(ValueError, match="at least one unit"):
        Subnet((), "")
    with pytest.raises(IndexError, match="received 128"):
        cnn10_space("[2,2,X]").subnet_at(128)
