"""The programs: `python -m pipelines` lists them, `python -m pipelines.NAME` runs one."""

import os

# TensorFlow logs many lines at its start, among them harmless "errors" ("Unable to register cuBLAS
# factory"), between which a program's own messages would be overlooked. Real errors are raised in
# Python as well. TF_CPP_MIN_LOG_LEVEL=0 in the environment shows all messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
