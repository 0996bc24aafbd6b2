"""Packaging: a light core for devices, and the training stack as extras in two lanes.

A lane is a set of versions that work together: `train` is TensorFlow 2.16 with tensorflow-io,
`train-latest` is TensorFlow 2.21 with NumPy 2. BUILD.md says what each package is for.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

CORE = [
    "absl-py>=1.4,<2",
    "ai-edge-litert>=1.4,<3",
    "numpy>=1.26,<3",
    "soundfile>=0.12.1,<0.15",
    "soxr>=0.5,<2",
]

PLOT = ["matplotlib>=3.8,<4"]

BOTH_LANES = [
    *PLOT,
    "apache-beam==2.77.0",
    "filelock>=3.13,<5",
    "flatbuffers>=23.5.26,<26",
    "google-crc32c>=1.5,<2",
    "jinja2>=3.1.5,<4",
    "optuna>=5,<6",
    "plotly==7.1.0",
    "scipy>=1.11,<2",
    "setuptools<82",  # TensorBoard imports pkg_resources
    "tabulate>=0.9,<1",
    "tensorflow-model-optimization==0.8.1",
    "tqdm>=4.66,<5",
]

TRAIN = [
    *BOTH_LANES,
    'keras~=3.15.1; python_version >= "3.11"',
    'keras==3.12.4; python_version < "3.11"',
    "numpy<2",  # what TensorFlow 2.16, tensorflow-io and tflite-runtime were built for
    "tensorflow==2.16.2",
    "tensorflow-io==0.37.1",
    "tf-keras~=2.16.0",
    # There are no wheels for later versions of Python.
    'tflite-runtime==2.14.0; sys_platform == "linux" and python_version < "3.12"',
]

TRAIN_LATEST = [
    *BOTH_LANES,
    "ai-edge-litert>=2.3,<3",
    "keras~=3.15.1",
    "numpy>=2,<3",
    "tensorboard>=2.20,<3",  # TensorFlow 2.21 does not bring it
    "tensorflow~=2.21.0",
    "tf-keras~=2.21.0",
]

BENCHMARK = ["librosa>=0.10.2,<0.12"]

# FFmpeg in Python: reads m4a, AAC, WebM and WMA, which libsndfile does not.
AV = ["av>=12.3,<20"]

TEST_TOOLS = [
    *AV,
    *BENCHMARK,
    "hypothesis>=6.100,<7",
    "mypy>=1.11,<3",
    "pytest>=8,<10",
    "pytest-xdist>=3.7,<4",
    "ruff==0.17.6",
    "scikit-learn>=1.4,<2",
    "selenium>=4.30,<5",
    "types-tabulate>=0.9,<1",
]

# Later releases (1.x) need absl-py 2, which TensorFlow 2.16's companions do not take.
MEDIAPIPE = ["mediapipe==0.10.21"]

# Runs files as microcontrollers do, and compiles them for Arm's NPUs; arenas are those of this
# version.
MICRO = ["ethos-u-vela==5.2.0", "tflite-micro==0.dev20261023182759"]

# Web pages of the documentation; they import the library, so they go with a lane.
DOCS = ["furo>=2024.8.6,<2027", "myst-parser>=4,<6", "sphinx>=8.1,<10"]

# Reads published checkpoints. Without a pin, pip may choose a build for GPUs of several gigabytes.
TORCH = ["torch==2.13.0"]


def version() -> str:
    """The library's own `__version__`, read without importing it."""
    source = (ROOT / "aec_ofa_tf" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise ValueError('aec_ofa_tf/__init__.py has no line __version__ = "..."; add it')
    return found.group(1)


setup(
    name="aec-ofa-tf",
    version=version(),
    description="Once-for-all supernets for acoustic event classification on devices",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["aec_ofa_tf*", "tfrecords*", "pipelines*"]),
    package_data={
        "aec_ofa_tf": [
            "py.typed",
            "micro/sources/*.[ch]*",
            "pretrained/*.csv",
            "report/npm/*.json",
            "report/templates/*",
        ],
        "tfrecords": ["py.typed"],
        "pipelines": ["py.typed", "configs/*.flags"],
    },
    entry_points={"console_scripts": ["aec-ofa = pipelines.__main__:main"]},
    install_requires=CORE,
    extras_require={
        "plot": PLOT,
        "av": AV,
        "train": TRAIN,
        "train-latest": TRAIN_LATEST,
        "benchmark": BENCHMARK,
        "test": [*TRAIN, *TEST_TOOLS],
        "test-latest": [*TRAIN_LATEST, *TEST_TOOLS],
        "mediapipe": MEDIAPIPE,
        "torch": TORCH,
        "micro": MICRO,
        "docs": DOCS,
    },
)
