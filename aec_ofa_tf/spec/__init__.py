"""What a subnet is, which subnets there are and what each costs. No TensorFlow here."""

from aec_ofa_tf.spec.network import BATCH_NORM_EPSILON, MEL_BINS, NetworkConfig
from aec_ofa_tf.spec.presets import search_space
from aec_ofa_tf.spec.space import SearchSpace
from aec_ofa_tf.spec.subnet import SubnetSpec

__all__ = [
    "BATCH_NORM_EPSILON",
    "MEL_BINS",
    "NetworkConfig",
    "SearchSpace",
    "SubnetSpec",
    "search_space",
]
