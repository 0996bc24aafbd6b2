"""The CNN10 family (PANNs; paper figure 2): blocks of one or two 3x3 convolutions."""

from aec_ofa_tf.models.cnn10.network import Cnn10Network
from aec_ofa_tf.models.cnn10.space import (
    Cnn10Space,
    blocks_of,
    cnn10_space,
    cnn10_subnet,
    parse_subnet,
)

__all__ = [
    "Cnn10Network",
    "Cnn10Space",
    "blocks_of",
    "cnn10_space",
    "cnn10_subnet",
    "parse_subnet",
]
