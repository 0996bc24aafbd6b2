"""The programs: `python -m pipelines.NAME --helpshort`."""

import os

# TensorFlow's start-up notices would drown what a program says; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
