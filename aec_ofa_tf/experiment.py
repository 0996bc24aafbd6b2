"""An experiment: a data set, a search space and a run directory. Its methods are the stages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from aec_ofa_tf.classes import ClassCounts, check_trainable
from aec_ofa_tf.config import require_type
from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.export import stage as exports
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.results import ExportResult, FamilyResult
from aec_ofa_tf.export.single import export_alone, export_subnet, export_teacher
from aec_ofa_tf.micro.npu_profile import compiled_costs
from aec_ofa_tf.micro.targets import has_vela
from aec_ofa_tf.models.cnn10 import Cnn10Space
from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.planning import PlannedStages, TrainPlan, plan_run, small_stages
from aec_ofa_tf.report.update import update_report
from aec_ofa_tf.search.config import SearchConfig, subspace
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.search.run import run_search
from aec_ofa_tf.tasks import check_task
from aec_ofa_tf.trained import TrainedRun
from aec_ofa_tf.training import stages
from aec_ofa_tf.training.config import TeacherConfig
from aec_ofa_tf.training.device_config import DeviceConfig
from aec_ofa_tf.training.devices import Devices, open_devices
from aec_ofa_tf.training.origins import SoftLabelsConfig
from aec_ofa_tf.training.reset import reset
from aec_ofa_tf.training.results import (
    SoftLabelsResult,
    SubnetResult,
    SupernetResult,
    TeacherResult,
)
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from aec_ofa_tf.training.windowed import as_heard
from aec_ofa_tf.workdir import Workdir

PathLike = str | os.PathLike[str]


class Experiment(TrainedRun):
    """A search space that is trained on one data set in one run directory.

    A stage that was stopped is resumed; a finished stage is skipped. A stage raises ValueError if
    an earlier stage is missing, or if it was begun with other settings. After every stage
    `report/index.html` in the run directory shows what there is.

    Example (`docs/quickstart.py` goes on from here):
        >>> experiment = ofa.Experiment("run", ofa.open_records("data"), space)
        >>> experiment
        Experiment('run', 2 labels, single_label, space ..., stages begun: none)

    Args:
        workdir: the run directory; it is created if it does not exist.
        records: the data, for example from `tfrecords.open_records`.
        space: the search space, or its name, such as [2,2,X] or mn04.
        options: the parts that all subnets share: options of CNN10, or the network of any family.
        devices: the devices for training: a configuration, opened devices, or a strategy name.

    Raises:
        TypeError: an argument is of another class.
        ValueError: the run directory belongs to another experiment or holds other files, no class
            can be learnt, or the data do not fit the task.
        OSError: another job uses the run directory.
    """

    def __init__(
        self,
        workdir: PathLike,
        records: Dataset,
        space: SearchSpace | str = Cnn10Space(),
        options: NetworkOptions | NetworkConfig = NetworkOptions(),
        devices: DeviceConfig | Devices | str = DeviceConfig(),
    ) -> None:
        space = search_space(space) if isinstance(space, str) else space
        devices = DeviceConfig(devices) if isinstance(devices, str) else devices
        _check_arguments(workdir, records, space, options, devices)
        check_trainable(ClassCounts.of(records))
        if isinstance(devices, DeviceConfig):
            devices = open_devices(devices.strategy, devices.logical_cpus)
        if isinstance(options, NetworkOptions):
            sizes = len(records.labels), records.frames, records.front_end.mel_bins
            single_label = options.task == "auto" and records.single_label
            network = options.network(space, *sizes, single_label=single_label)
        else:
            network = options
        check_task(network.task, records.single_label)
        directory = Workdir(Path(workdir), writable=devices.chief)
        self.run = Run(directory, records, space, network, devices)
        with directory.exclusive():
            if devices.chief:
                directory.claim(self.run.config)
        devices.wait_for_all()
        directory.claim(self.run.config)

    @classmethod
    def open(cls, workdir: PathLike, records: Dataset) -> Experiment:
        """Opens the experiment of a run directory; longer clips are heard in windows of its length.

        Raises:
            ValueError: the directory has no experiment, or one with other labels or front end.
        """
        _check_records(records)
        directory = Workdir(Path(workdir))
        space, network = directory.space_and_network()
        experiment = cls.__new__(cls)
        records = as_heard(records, directory.config())
        experiment.run = Run(directory, records, space, network, open_devices("none"))
        directory.claim(experiment.run.config)
        return experiment

    def plan(self, hours: float, stages: PlannedStages | None = None) -> TrainPlan:
        """Fixes the step numbers of a run that is to take a number of hours.

        A few real steps and the scoring of some subnets are measured, and the time is divided.
        `plan.json` in the run directory keeps the step numbers for a run that goes on.

        Example:
            >>> plan = experiment.plan(hours=0.5)
            >>> experiment.train_teacher(plan.teacher)
            >>> experiment.soft_labels()
            >>> experiment.train_supernet(plan.supernet)

        Args:
            hours: the time of the whole run.
            stages: the stages and their settings; by default `PlannedStages.for_small_data`.

        Raises:
            ConfigError: the hours are too few, or the run was begun with others, or with step
                numbers.
            ValueError: the run is trained by a cluster.
        """
        stages = stages or small_stages(self.run)
        require_type("stages", stages, PlannedStages, "PlannedStages")
        with self.workdir.exclusive():
            return plan_run(self.run, hours, stages)

    def train_teacher(self, config: TeacherConfig = TeacherConfig()) -> TeacherResult:
        """Trains the teacher on the labels, recalibrates it and saves it as `teacher.keras`."""
        require_type("config", config, TeacherConfig, "a TeacherConfig")
        with self._stage():
            return stages.train_teacher(self.run, config)

    def soft_labels(self, config: SoftLabelsConfig = SoftLabelsConfig()) -> SoftLabelsResult:
        """Stores the scores of the training clips by the teacher, or by another one."""
        require_type("config", config, SoftLabelsConfig, "a SoftLabelsConfig")
        with self._stage():
            return stages.write_soft_labels(self.run, config)

    def train_supernet(self, config: SupernetConfig = SupernetConfig()) -> SupernetResult:
        """Trains the supernet."""
        require_type("config", config, SupernetConfig, "a SupernetConfig")
        with self._stage():
            return stages.train_supernet(self.run, config)

    def train_subnet(
        self, subnet: Subnet | str | float, config: SubnetConfig = SubnetConfig()
    ) -> SubnetResult:
        """Trains one subnet alone and saves it as `.keras`."""
        require_type("config", config, SubnetConfig, "a SubnetConfig")
        with self._stage():
            return stages.train_subnet(self.run, self.subnet(subnet), config)

    def search(
        self,
        config: SearchConfig,
        space: str | None = None,
        width_ratios: Sequence[float] | None = None,
    ) -> SearchResult:
        """Searches the best subnet of every budget.

        Args:
            config: budgets and algorithm.
            space: the part of the trained space to search, such as [2,2,2]; all by default.
            width_ratios: the width ratios to search; the trained ones by default.

        Raises:
            ValueError: no subnet meets a budget, there are no validation clips, or the supernet is
                not trained.
            RuntimeError: no candidate is within its budget on an NPU as a whole.
        """
        require_type(
            "config", config, SearchConfig, "a SearchConfig, such as SearchConfig(budgets)"
        )
        part = subspace(self.space, space, width_ratios)
        compile_whole = partial(compiled_costs, self.run.network) if has_vela() else None
        with self._stage():
            return run_search(self.run, config, part, compile_whole)

    def export(
        self,
        config: ExportConfig = ExportConfig(),
        subnet: Subnet | str | float | None = None,
        *,
        teacher: bool = False,
        alone: str | None = None,
        out: PathLike | None = None,
        score: bool = True,
    ) -> ExportResult:
        """Converts the winners of the search, or one network, to TFLite files.

        Args:
            config: the files to make.
            subnet: the subnet to convert; by default the winner of every budget.
            teacher: whether to convert the teacher instead.
            alone: name of a network that `train_subnet` has trained, to be converted instead.
            out: folder for one network; by default in `export` of the run directory.
            score: whether to score the files on the evaluation split; winners are always scored.

        Raises:
            ValueError: two of subnet, teacher and alone are given, or an earlier stage is missing.
            RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
        """
        require_type("config", config, ExportConfig, "an ExportConfig")
        if [teacher, subnet is not None, alone is not None].count(True) > 1:
            raise ValueError("export takes one of subnet, teacher and alone, received several")
        folder = None if out is None else Path(out)
        with self._stage():
            if teacher:
                return export_teacher(self.run, config, folder, score)
            if alone is not None:
                return export_alone(self.run, alone, config, folder, score)
            if subnet is not None:
                one = self.subnet(subnet)
                return export_subnet(self.run, one, config, folder, score)
            if folder is not None:
                raise ValueError("out is for one network; use family(out=...)")
            return exports.export_winners(self.run, config)

    def family(
        self,
        config: ExportConfig = ExportConfig(),
        out: PathLike | None = None,
        data_licence: str = "",
    ) -> FamilyResult:
        """Converts the winners of the search, and describes all files in a table and in cards.

        Args:
            config: the files to make.
            out: root of the folders; by default `export` of the run directory.
            data_licence: the data's licence, for the cards.

        Raises:
            ValueError: there is no search result, or `out` contains files of other subnets.
            RuntimeError: a conversion failed, or a file differs from Keras beyond its bound.
        """
        require_type("config", config, ExportConfig, "an ExportConfig")
        folder = None if out is None else Path(out)
        with self._stage():
            return exports.export_family(self.run, config, folder, data_licence)

    def reset(self, stage: str) -> list[str]:
        """Removes the results of a stage and of those that depend on it, to run them afresh.

        Args:
            stage: teacher, soft_labels, supernet, search, convert, or the name of a single subnet's
                training in the folder `stages`. Exported files remain until the next export.

        Returns:
            The stages that were removed.

        Raises:
            ValueError: the stage was not begun.
        """
        with self._stage():
            return reset(self.workdir, stage)

    @contextmanager
    def _stage(self) -> Iterator[None]:
        """Locks the run directory in the block, and brings the report up to date after it."""
        with self.workdir.exclusive():
            yield
            update_report(self.workdir, self.run.records)


def _check_arguments(
    workdir: object, records: object, space: object, options: object, devices: object
) -> None:
    require_type("workdir", workdir, (str, os.PathLike), "the path of the run directory")
    _check_records(records)
    require_type("space", space, SearchSpace, "a search space, such as search_space('[2,2,X]')")
    kinds = (NetworkOptions, NetworkConfig)
    require_type("options", options, kinds, "NetworkOptions; training has its own configurations")
    require_type("devices", devices, (DeviceConfig, Devices), "a DeviceConfig")


def _check_records(records: object) -> None:
    if not hasattr(records, "training_batches"):  # a protocol: any data set will do
        require_type("records", records, (), "a data set, such as open_records('data') returns")
