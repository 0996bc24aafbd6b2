"""Elastic layers: the first channels of a full-size weight."""

BATCH_NORM_EPSILON = 1e-5
"""PANNs' value; Keras' own default is 1e-3."""

BATCH_NORM_MOMENTUM = 0.9
"""Of the moving statistics of plain models; elastic ones keep none."""
