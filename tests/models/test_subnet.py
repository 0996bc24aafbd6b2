import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aec_ofa_tf.models.cnn10 import (
    Cnn10Network,
    blocks_of,
    cnn10_space,
    cnn10_subnet,
    parse_subnet,
)

widths = st.integers(1, 600)
blocks = st.one_of(st.tuples(widths), st.tuples(widths, widths))
specs = st.builds(cnn10_subnet, st.lists(blocks, min_size=1, max_size=5).map(tuple))


@given(specs)
def test_the_text_form_reads_back_as_the_same_value(spec):
    assert parse_subnet(str(spec)) == spec
    assert hash(parse_subnet(str(spec))) == hash(spec)


def test_the_text_form_is_short_and_fit_for_file_names():
    spec = cnn10_subnet(((64, 64), (51, 76), (102, 102), (204,)))

    assert str(spec) == "64x2-51+76-102x2-204x1"
    assert spec.row() == [[64], [64], [51], [76], [102], [102], [204], [0]]
    assert blocks_of(spec) == ((64, 64), (51, 76), (102, 102), (204,))


@pytest.mark.parametrize("text", ["", "64", "64x3", "0x2", "64x2-", "64x2-51+0", "a", "-1x2"])
def test_malformed_text_is_refused_with_the_form_that_is_expected(text):
    with pytest.raises(ValueError, match=r"64x2-51x2-102x2-204x1"):
        parse_subnet(text)


@pytest.mark.parametrize("blocks", [(), ((),), ((1, 2, 3),), ((0, 1),)])
def test_a_block_has_one_or_two_positive_widths(blocks):
    with pytest.raises(ValueError, match="one or two positive widths"):
        cnn10_subnet(blocks)


def test_importing_the_spec_imports_no_tensorflow():
    code = (
        "import sys, aec_ofa_tf.models.space, aec_ofa_tf.costs.budget; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_network_too_short_for_four_blocks_is_refused():
    with pytest.raises(ValueError, match="at least 16 frames"):
        Cnn10Network(classes=3, frames=15)


def test_specs_of_a_space_are_ordered_and_distinct():
    subnets = cnn10_space("[2,2,X]").subnets()

    assert subnets == sorted(subnets)
    assert len(set(subnets)) == len(subnets)
