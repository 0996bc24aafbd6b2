"""Packaging: a light core for devices, the training stack as extras."""

from setuptools import find_packages, setup

CORE = [
    "absl-py>=1.4,<2",
    "numpy>=1.26,<2",
    "soundfile>=0.12.1,<0.15",
    "soxr>=0.5,<2",
    # The same interpreter interface under two names; tflite-runtime has no later wheels.
    'tflite-runtime==2.14.0; sys_platform == "linux" and python_version < "3.12"',
    'ai-edge-litert>=1.0.1,<3; sys_platform != "linux" or python_version >= "3.12"',
]

PLOT = ["matplotlib>=3.8,<4"]

TRAIN = [
    *PLOT,
    "apache-beam==2.77.0",
    "filelock>=3.13,<5",
    "flatbuffers>=23.5.26,<26",
    "google-crc32c>=1.5,<2",
    'keras~=3.15.1; python_version >= "3.11"',
    'keras==3.12.4; python_version < "3.11"',
    "optuna>=5,<6",
    "scipy>=1.11,<2",
    "setuptools<82",  # TensorBoard 2.16 imports pkg_resources
    "tensorflow==2.16.2",
    "tensorflow-io==0.37.1",
    "tabulate>=0.9,<1",
    "tensorflow-model-optimization==0.8.1",
    "tf-keras~=2.16.0",
    "tqdm>=4.66,<5",
]

BENCHMARK = [
    *TRAIN,
    "librosa>=0.10.2,<0.12",
]

TEST = [
    *BENCHMARK,
    "hypothesis>=6.100,<7",
    "mypy>=1.11,<3",
    "pytest>=8,<10",
    "pytest-xdist>=3.7,<4",
    "ruff==0.17.6",
    "scikit-learn>=1.4,<2",
    "types-tabulate>=0.9,<1",
]

# Later releases (1.x) need absl-py 2, which TensorFlow 2.16's companions do not take.
MEDIAPIPE = ["mediapipe==0.10.21"]

setup(
    name="aec-ofa-tf",
    version="0.1.0",
    description="Once-for-all supernets for acoustic event classification on devices",
    long_description=open("README.md", encoding="utf-8").read(),  # noqa: SIM115, PTH123
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["aec_ofa_tf*", "tfrecords*", "pipelines*"]),
    package_data={"pipelines": ["configs/*.flags"]},
    install_requires=CORE,
    extras_require={
        "plot": PLOT,
        "train": TRAIN,
        "benchmark": BENCHMARK,
        "test": TEST,
        "mediapipe": MEDIAPIPE,
    },
)
