"""Once-for-all supernets for sound recognition on devices.

One weight-sharing supernet is trained by distillation, the best subnet for every budget is found
without retraining, and subnets become standalone TFLite models. Importing this package costs
milliseconds: every name below is imported when it is first used, TensorFlow with it.

    import aec_ofa_tf as ofa

    records = ofa.prepare(ofa.read_folder("recordings"), "data", ofa.PrepareConfig("folder", 4.0))
    experiment = ofa.Experiment("run", records, ofa.search_space("[2,2,X]", base_channels=16))
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aec_ofa_tf.audio.front_end import FrontEndConfig, front_end
    from aec_ofa_tf.audio.log_mel import log_mel
    from aec_ofa_tf.costs.budget import Budget
    from aec_ofa_tf.costs.costs import subnet_costs
    from aec_ofa_tf.costs.npu import NpuTable
    from aec_ofa_tf.description import Description
    from aec_ofa_tf.experiment import Experiment
    from aec_ofa_tf.export.config import ExportConfig
    from aec_ofa_tf.micro.npu_profile import profile_npus
    from aec_ofa_tf.models.family import search_space
    from aec_ofa_tf.models.keras_files import load_supernet
    from aec_ofa_tf.models.network_options import NetworkOptions
    from aec_ofa_tf.models.space import SearchSpace, Subnet
    from aec_ofa_tf.models.supernet import Supernet
    from aec_ofa_tf.planning import PlannedStages
    from aec_ofa_tf.pretrained.importing import import_weights
    from aec_ofa_tf.reproduction.config import ReproduceConfig
    from aec_ofa_tf.reproduction.run import reproduce
    from aec_ofa_tf.robustness.models import file_robustness
    from aec_ofa_tf.search.config import SearchConfig
    from aec_ofa_tf.tagging.tagger import Tagger
    from aec_ofa_tf.tasks import get_task
    from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
    from aec_ofa_tf.training.device_config import DeviceConfig
    from aec_ofa_tf.training.evaluation import SubnetEvaluator
    from aec_ofa_tf.training.origins import SoftLabelsConfig, TransferConfig
    from aec_ofa_tf.training.recipe import small_data
    from aec_ofa_tf.training.sampler import sandwich_sampler, uniform_sampler
    from aec_ofa_tf.training.step_config import StepConfig
    from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
    from aec_ofa_tf.training.trainer import Trainer
    from aec_ofa_tf.training.windowed import in_windows
    from tfrecords.prepare import prepare_records as prepare
    from tfrecords.prepare_config import PrepareConfig
    from tfrecords.records import open_records
    from tfrecords.sources.csv_list import read_csv
    from tfrecords.sources.esc50 import read_esc50
    from tfrecords.sources.folder import read_folder

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "DeviceConfig",
    "EvaluationConfig",
    "Experiment",
    "ExportConfig",
    "FrontEndConfig",
    "NetworkOptions",
    "NpuTable",
    "PlannedStages",
    "PrepareConfig",
    "ReproduceConfig",
    "SearchConfig",
    "SearchSpace",
    "SoftLabelsConfig",
    "StepConfig",
    "Subnet",
    "SubnetConfig",
    "SubnetEvaluator",
    "Supernet",
    "SupernetConfig",
    "Tagger",
    "TeacherConfig",
    "TrainConfig",
    "Trainer",
    "TransferConfig",
    "describe",
    "file_robustness",
    "front_end",
    "get_task",
    "import_weights",
    "in_windows",
    "load_supernet",
    "log_mel",
    "open_records",
    "prepare",
    "profile_npus",
    "read_csv",
    "read_esc50",
    "read_folder",
    "reproduce",
    "sandwich_sampler",
    "search_space",
    "small_data",
    "subnet_costs",
    "uniform_sampler",
]

_MODULES = {
    "aec_ofa_tf.audio.front_end": ("FrontEndConfig", "front_end"),
    "aec_ofa_tf.audio.log_mel": ("log_mel",),
    "aec_ofa_tf.costs.budget": ("Budget",),
    "aec_ofa_tf.costs.costs": ("subnet_costs",),
    "aec_ofa_tf.costs.npu": ("NpuTable",),
    "aec_ofa_tf.experiment": ("Experiment",),
    "aec_ofa_tf.export.config": ("ExportConfig",),
    "aec_ofa_tf.micro.npu_profile": ("profile_npus",),
    "aec_ofa_tf.models.family": ("search_space",),
    "aec_ofa_tf.models.keras_files": ("load_supernet",),
    "aec_ofa_tf.models.network_options": ("NetworkOptions",),
    "aec_ofa_tf.models.space": ("SearchSpace", "Subnet"),
    "aec_ofa_tf.models.supernet": ("Supernet",),
    "aec_ofa_tf.planning": ("PlannedStages",),
    "aec_ofa_tf.pretrained.importing": ("import_weights",),
    "aec_ofa_tf.reproduction.config": ("ReproduceConfig",),
    "aec_ofa_tf.reproduction.run": ("reproduce",),
    "aec_ofa_tf.robustness.models": ("file_robustness",),
    "aec_ofa_tf.search.config": ("SearchConfig",),
    "aec_ofa_tf.tagging.tagger": ("Tagger",),
    "aec_ofa_tf.tasks": ("get_task",),
    "aec_ofa_tf.training.config": ("EvaluationConfig", "TeacherConfig", "TrainConfig"),
    "aec_ofa_tf.training.origins": ("SoftLabelsConfig", "TransferConfig"),
    "aec_ofa_tf.training.device_config": ("DeviceConfig",),
    "aec_ofa_tf.training.evaluation": ("SubnetEvaluator",),
    "aec_ofa_tf.training.recipe": ("small_data",),
    "aec_ofa_tf.training.sampler": ("sandwich_sampler", "uniform_sampler"),
    "aec_ofa_tf.training.step_config": ("StepConfig",),
    "aec_ofa_tf.training.student_config": ("SubnetConfig", "SupernetConfig"),
    "aec_ofa_tf.training.trainer": ("Trainer",),
    "aec_ofa_tf.training.windowed": ("in_windows",),
    "tfrecords.prepare": ("prepare_records",),
    "tfrecords.prepare_config": ("PrepareConfig",),
    "tfrecords.records": ("open_records",),
    "tfrecords.sources.csv_list": ("read_csv",),
    "tfrecords.sources.esc50": ("read_esc50",),
    "tfrecords.sources.folder": ("read_folder",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_RENAMED = {"prepare": "prepare_records"}


def describe(path: str | os.PathLike[str]) -> Description:
    """Describes what this project has written: what it is, its figures, and what takes it next.

    Args:
        path: a run directory, a directory of records, imported weights, a checkpoint, a `.keras`
            or a `.tflite` file.

    Returns:
        The description; `print` shows it in 80 columns.

    Raises:
        ValueError: it is nothing of this project, or damaged.
        OSError: it cannot be read.

    Example:
        >>> ofa.describe("data").kind
        'records'
    """
    from aec_ofa_tf.inspection import describe_artefact
    from tfrecords.inspection import describe_records, holds_records

    place = Path(path)
    return describe_records(place) if holds_records(place) else describe_artefact(place)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    original = _RENAMED.get(name, name)
    value = getattr(import_module(_HOMES[original]), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
