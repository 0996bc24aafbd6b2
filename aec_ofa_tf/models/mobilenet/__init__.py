"""MobileNetV3 for sound (EfficientAT's `mn`): inverted residual blocks, from AudioSet's weights."""

from aec_ofa_tf.models.mobilenet.network import MobilenetNetwork
from aec_ofa_tf.models.mobilenet.space import MobilenetSpace, mobilenet_space

__all__ = ["MobilenetNetwork", "MobilenetSpace", "mobilenet_space"]
