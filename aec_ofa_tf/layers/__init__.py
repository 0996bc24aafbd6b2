"""Elastic layers: they compute with the first channels of full-size weights."""

BATCH_NORM_EPSILON = 1e-5
"""PANNs' value; Keras' own default is 1e-3."""

BATCH_NORM_MOMENTUM = 0.9
"""For the moving statistics of plain models; elastic layers have none."""
