"""The programs: `python -m pipelines` lists them, `python -m pipelines.NAME` runs one."""

import os

# What TensorFlow logs at its start, errors that are none among it ("Unable to register cuBLAS
# factory"), would hide a program's own messages. What goes wrong is raised in Python as well.
# TF_CPP_MIN_LOG_LEVEL=0 in the environment shows all of it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
