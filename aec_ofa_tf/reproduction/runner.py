"""Runs the jobs of a reproduction as stages of experiments, and keeps their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from absl import logging

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.files import DAMAGE_ERRORS, fingerprint
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.reproduction.clock import timed
from aec_ofa_tf.reproduction.config import EXACT, ReproduceConfig, space_name
from aec_ofa_tf.reproduction.graph import (
    ALONE,
    SEARCHES,
    SOFT_LABELS,
    SUPERNET,
    TEACHER,
    Job,
    needs_of,
)
from aec_ofa_tf.reproduction.jobs import (
    run_alone,
    run_search,
    run_soft_labels,
    run_supernet,
    run_teacher,
)
from aec_ofa_tf.reproduction.results import Arm, JobResult
from aec_ofa_tf.training.begun import newest_step, require_same_settings
from aec_ofa_tf.training.config import TeacherConfig, resume_key
from aec_ofa_tf.training.devices import Devices
from aec_ofa_tf.training.stages import subnet_stage
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from aec_ofa_tf.workdir import SEARCH, Workdir

FOLDER = "reproduction"
"""The folder of records, tables and figures within that of a reproduction."""


class Runner:
    """The jobs of a reproduction in its folder.

    Args:
        root: the folder of the reproduction.
        records: the data.
        config: what is trained and compared.
        options: the parts of the networks that all subnets share.
        devices: the devices for training; None if nothing is trained.
    """

    def __init__(
        self,
        root: Path,
        records: Dataset,
        config: ReproduceConfig,
        options: NetworkOptions,
        devices: Devices | None = None,
    ) -> None:
        self.root, self.config, self.options = root, config, options
        self._records, self._devices = records, devices
        self.kept = Workdir(root / FOLDER)

    @cached_property
    def network(self) -> NetworkConfig:
        """The static parts of the networks of the first space."""
        data = self._records
        sizes = len(data.labels), data.frames, data.front_end.mel_bins
        single_label = self.options.task == "auto" and data.single_label
        return self.options.network(self.config.main, *sizes, single_label=single_label)

    def result(self, job: Job) -> JobResult | None:
        """The result of a job that is done with the settings of today, else None."""
        settings = self.settings(job)
        if settings is None or not self._stage_is_done(job):
            return None
        try:
            found = self.kept.same_stage(job.name, settings)
            return None if found is None else JobResult.from_dict(found)
        except DAMAGE_ERRORS as error:
            logging.warning("%s is damaged (%s): the job runs again", job.name, error)
            return None

    def run(self, job: Job) -> JobResult:
        """Runs a job, or what is left of it, and keeps its result.

        Raises:
            ValueError: the stage was begun with other settings.
        """
        experiment = self._experiment(job)
        clock = self.root / FOLDER / "unfinished" / f"{job.name}.json"
        with timed(clock) as secs:
            result = self._run(job, experiment)
            kept = {**result.as_dict(), "secs": round(secs(), 1)}
            self.kept.finish_stage(job.name, kept, self.settings(job))
        return JobResult.from_dict(kept)

    def arms(self) -> list[Arm]:
        """Every job that is done with the settings of today, also of other seeds and arms."""
        return [Arm(job, found) for job in self._kept_jobs() if (found := self.result(job))]

    def settings(self, job: Job) -> dict[str, object] | None:
        """The settings that a job's outcome depends on; None if its subnet is not found yet.

        They hold a fingerprint of those of each job that it follows, and so of all before it.
        """
        if (own := self._own_settings(job)) is None:
            return None
        before = {one.name: fingerprint(self.settings(one)) for one in self._needs(job)}
        return {**self._common(job), **own, "follows": before}

    def subnet(self, job: Job) -> Subnet | None:
        """The network that a job trains alone; None if the search has not found it yet."""
        if job.ratio is not None:
            return self.config.fixed(job.ratio)
        (search,) = self._needs(job)
        found = self.result(search)
        texts = {one.budget: one.subnet for one in found.networks} if found else {}
        return self.config.main.parse_subnet(texts[job.budget]) if job.budget in texts else None

    def alone(self, job: Job) -> SubnetConfig:
        """The training of a job's single network."""
        objective, init = ALONE[job.kind]
        return self.config.subnet_of(job.seed, objective, init, job.steps or 1)

    def stage(self, job: Job) -> str | None:
        """The name of a job's stage in its run directory; None if it is not known yet."""
        if job.kind in SEARCHES:
            return SEARCH
        if job.kind not in ALONE:
            return job.kind
        subnet = self.subnet(job)
        return None if subnet is None else subnet_stage(subnet, self.alone(job))

    def newest_step(self, job: Job) -> int:
        """The step of the newest checkpoint of a job; 0 without one."""
        return newest_step(self.root / job.folder, self.stage(job) or "-")

    def check_settings(self, jobs: Iterable[Job]) -> None:
        """Checks that no stage was begun or finished with other settings; writes nothing.

        Raises:
            ConfigError: one was.
        """
        for job in jobs:
            stage, config = self.stage(job), self._training(job)
            if stage is not None and config is not None:
                require_same_settings(Workdir(self.root / job.folder), stage, config)

    def _training(self, job: Job) -> TeacherConfig | SupernetConfig | SubnetConfig | None:
        """The training that a job is; None for others."""
        if job.kind == TEACHER:
            return self.config.teacher_of(job.seed)
        if job.kind == SUPERNET:
            return self.config.supernet_of(job.seed)
        return self.alone(job) if job.kind in ALONE else None

    def _stage_is_done(self, job: Job) -> bool:
        run, stage = Workdir(self.root / job.folder), self.stage(job)
        if stage is None:
            return False
        return stage in run.stages() if stage == SEARCH else run.is_done(stage)

    def _common(self, job: Job) -> dict[str, object]:
        shared = {k: v for k, v in asdict(self.options).items() if v is not None}
        space = str(self.config.space(job.space))
        facts = {"records": self._records.fingerprint, "network": shared, "in": space}
        return {**facts, "job": asdict(job)}

    def _needs(self, job: Job) -> tuple[Job, ...]:
        return needs_of(job, self.config)

    def _own_settings(self, job: Job) -> Mapping[str, object] | None:
        config, seed = self.config, job.seed
        if job.kind in (TEACHER, SOFT_LABELS):
            return resume_key(config.teacher_of(seed))
        if job.kind == SUPERNET:
            return resume_key(config.supernet_of(seed))
        if job.kind in SEARCHES:
            search = config.search_of(seed, SEARCHES[job.kind])
            random = {} if job.kind == EXACT else {"population": search.population}
            named = {"algorithm": search.algorithm, "seed": search.seed}
            return {"budgets": list(config.budgets), **named, **random}
        subnet = self.subnet(job)
        return None if subnet is None else {**resume_key(self.alone(job)), "subnet": str(subnet)}

    def _kept_jobs(self) -> Iterator[Job]:
        names = {space_name(space) for space in self.config.spaces}
        for name in self.kept.stages():
            try:
                job = Job(**self.kept.settings(name)["job"])
            except DAMAGE_ERRORS:
                continue
            if job.space in names and job.name == name:
                yield job

    def _experiment(self, job: Job) -> Experiment:
        space = self.config.space(job.space)
        devices = self._devices or "none"
        return Experiment(self.root / job.folder, self._records, space, self.options, devices)

    def _run(self, job: Job, experiment: Experiment) -> JobResult:
        config, main = self.config, space_name(self.config.main)
        if job.kind == TEACHER:
            return run_teacher(experiment, config.teacher_of(job.seed))
        if job.kind == SOFT_LABELS:
            teacher = Job(TEACHER, job.seed, main)
            other = None if job.space == main else self.root / teacher.folder / "teacher.keras"
            return run_soft_labels(experiment, config.teacher_of(job.seed), other)
        if job.kind == SUPERNET:
            return run_supernet(experiment, config.supernet_of(job.seed))
        if job.kind in SEARCHES:
            return run_search(experiment, config.search_of(job.seed, SEARCHES[job.kind]))
        subnet = self.subnet(job)
        if subnet is None:
            raise ValueError(f"{job.name} trains a subnet that no search has found yet")
        return run_alone(experiment, subnet, self.alone(job))
