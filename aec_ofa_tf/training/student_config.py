"""How networks that may learn from a teacher are trained: supernets and single subnets.

No TensorFlow here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError, check_fields, choice, number, switch, text
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.members import Members, members_within
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.origins import TransferConfig, check_pretrained

OBJECTIVES = ("labels", "distill")
SUBNET_INITS = ("random", "supernet", "pretrained")
SUPERNET_INITS = ("random", "teacher", "pretrained")
SUBTREE = "subtree"
SAMPLERS = ("uniform", "sandwich", "largest", SUBTREE)
DISTILL_FROM = ("cache", "online", "largest", "frozen_largest")
STATISTICS = ("batch", "pretrained")


@dataclass(frozen=True)
class SupernetConfig:
    """The supernet: the largest subnet alone, then K sampled subnets per step (paper 2.3, 3.3).

    Attributes:
        train: settings of training.
        largest_steps: Steps of phase 1, which trains the largest subnet alone.
        steps: Steps of phase 2, which trains K sampled subnets in each step.
        subnets_per_step: K, the number of subnets sampled in a step of phase 2.
        init: Initial weights of the supernet: random; the teacher's, which must have the widths of
            the largest subnet; or those of a pretrained network.
        transfer: how a pretrained network is trained on.
        sampler: Subnets of a step of phase 2: uniform: K independent draws; sandwich: the largest,
            the smallest and K - 2 draws; largest: only the largest; subtree: K uniform draws of
            which two halves share their first stages, so that more fit into a step.
        sample_budget: A budget that the random draws keep, such as params<=0.2M,macs<=25M: that of
            the devices in view, if the space reaches far beyond it; None: the whole space.
        distill_from: Source of the soft labels: cache: the teacher's scores of clean clips,
            computed once; online: the teacher's scores of the students' augmented clips; largest:
            the scores of the step's largest subnet, whose own targets are the labels (in-place
            distillation, with the sandwich sampler); frozen_largest: the scores that the largest
            subnet, as phase 1 left it, gives to the students' augmented clips.
        student_mixup: Mix the students' clips and targets too.
        largest_mixup: Mix clips and labels in phase 1 too, if student_mixup is set and
            distill_from is frozen_largest; a new classifier on a pretrained network learns better
            without, and a step of phase 1 then has two clips for each mixture of phase 2.
        label_weight: Weight of the labels in the students' targets.
        feature_weight: Weight in the loss of the squared error of the students' features relative
            to the teacher's; features: the last convolution's output, averaged over frames and mel
            bins.
        map_weight: Weight in the loss of the squared error of the students' maps relative to the
            teacher's; maps: the outputs of the stages, in every frame and mel bin.
        largest_statistics: Batch-norm statistics in phase 1; batch: those of the batch,
            recalibrated at the end; pretrained: those of the pretrained network.

    Raises:
        ConfigError: a value is outside its bounds, or sampler and distillation do not fit.

    Example:
        >>> ofa.SupernetConfig(largest_steps=500, steps=2000, sampler="sandwich").last_step
        2500
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    largest_steps: int = number(100_000, 0)
    steps: int = number(200_000, 1)
    subnets_per_step: int = number(4, 1)
    init: str = choice("random", SUPERNET_INITS)
    sampler: str = choice("uniform", SAMPLERS)
    sample_budget: str | None = text(None, is_later=True)
    distill_from: str = choice("cache", DISTILL_FROM)
    student_mixup: bool = switch(False)
    largest_mixup: bool = switch(True, is_later=True)
    label_weight: float = number(0.0, 0, 1)
    feature_weight: float = number(0.0, 0.0, is_later=True)
    map_weight: float = number(0.0, 0.0, is_later=True)
    largest_statistics: str = choice("batch", STATISTICS, is_later=True)
    transfer: TransferConfig = field(default_factory=TransferConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        check_pretrained(self.init, self.transfer, SupernetConfig)
        _check_features(self, SupernetConfig)
        if self.sample_budget is not None:
            Budget.parse(self.sample_budget)
        if self.largest_statistics == "pretrained" and self.init != "pretrained":
            raise ConfigError(
                "largest_statistics='pretrained' are those of a pretrained network: add "
                "init='pretrained'",
                *("largest_statistics", "init"),
                owner=SupernetConfig,
            )
        if self.sampler == "sandwich" and self.subnets_per_step < 2:
            raise ConfigError(
                "sampler='sandwich' takes at least two subnets: raise subnets_per_step",
                *("sampler", "subnets_per_step"),
                owner=SupernetConfig,
            )
        if self.sampler == SUBTREE:
            self._check_subtree()
        if self.distill_from == "largest" and self.sampler != "sandwich":
            raise ConfigError(
                "distill_from='largest' needs the largest subnet in every step, and others that "
                "learn from it: add sampler='sandwich'",
                *("distill_from", "sampler"),
                owner=SupernetConfig,
            )
        if self.distill_from == "frozen_largest" and not self.largest_steps:
            raise ConfigError(
                "distill_from='frozen_largest' learns from the largest subnet of phase 1: give it "
                "largest_steps",
                *("distill_from", "largest_steps"),
                owner=SupernetConfig,
            )

    def _check_subtree(self) -> None:
        if self.subnets_per_step < 4 or self.subnets_per_step % 2:
            raise ConfigError(
                "sampler='subtree' divides the subnets of a step into two halves of at least two: "
                f"make subnets_per_step 4, 6, 8, ..., not {self.subnets_per_step}",
                *("sampler", "subnets_per_step"),
                owner=SupernetConfig,
            )
        if self.sample_budget is not None:
            raise ConfigError(
                "sampler='subtree' draws from the whole space: leave out sample_budget, or take "
                "sampler='uniform'",
                *("sampler", "sample_budget"),
                owner=SupernetConfig,
            )

    def sampled(
        self, space: SearchSpace, network: NetworkConfig, front_end: FrontEndConfig
    ) -> Members | None:
        """The subnets that meet `sample_budget`; None without one.

        Raises:
            UnsatisfiableBudgetError: no subnet meets it; the message names the nearest.
            ValueError: it bounds a latency, which needs a table.
        """
        if self.sample_budget is None:
            return None
        budget = Budget.parse(self.sample_budget)
        return members_within(space, [budget], network, front_end=front_end)[budget]

    @property
    def last_step(self) -> int:
        """The step at which both phases have ended."""
        return self.largest_steps + self.steps

    def check_teacher(self, teacher: TeacherConfig, space: SearchSpace) -> None:
        """Checks, for the init "teacher", that the teacher has the largest subnet's widths.

        Raises:
            ConfigError: the largest subnet and the teacher have different widths.
        """
        if self.init == "teacher" and teacher.subnet != space.largest:
            raise ConfigError(
                f"init='teacher' needs a teacher with the largest subnet's widths {space.largest}, "
                f"this one has {teacher.subnet}: set the teacher's base_channels",
                *("init", "base_channels"),
                owner=SupernetConfig,
            )


@dataclass(frozen=True)
class SubnetConfig:
    """One subnet trained alone: the paper's baselines and fine-tuning (3.2, 4.3).

    Attributes:
        train: settings of training; clips are mixed only with `student_mixup`.
        objective: Targets of the single subnet: labels, or distill: a teacher's scores.
        init: Initial weights of the single subnet: random; the supernet's; or its part of a
            pretrained network.
        steps: Steps of the single subnet's training.
        label_weight: Weight of the labels in the targets of the objective distill.
        distill_from: Source of the scores, as for a supernet; frozen_largest is that of the run's
            supernet, and largest is no source for one subnet.
        student_mixup: Mix clips and targets.
        feature_weight: Weight of the features' error, as for a supernet.
        map_weight: Weight of the maps' error, as for a supernet.
        transfer: how a pretrained network is trained on.

    Example:
        >>> ofa.SubnetConfig(objective="labels", init="supernet", steps=500).label_weight
        0.0
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    objective: str = choice("distill", OBJECTIVES)
    init: str = choice("random", SUBNET_INITS)
    steps: int = number(100_000, 1)
    label_weight: float = number(0.0, 0, 1)
    distill_from: str = choice("cache", DISTILL_FROM, is_later=True)
    student_mixup: bool = switch(False, is_later=True)
    feature_weight: float = number(0.0, 0.0, is_later=True)
    map_weight: float = number(0.0, 0.0, is_later=True)
    transfer: TransferConfig = field(default_factory=TransferConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        check_pretrained(self.init, self.transfer, SubnetConfig)
        if self.objective != "distill":
            return
        _check_features(self, SubnetConfig)
        if self.distill_from == "largest":
            raise ConfigError(
                "distill_from='largest' is the largest of a step's subnets, and here there is one: "
                "take 'cache', 'online' or 'frozen_largest'",
                "distill_from",
                owner=SubnetConfig,
            )


def _check_features(config: SupernetConfig | SubnetConfig, owner: type) -> None:
    for name in ("feature_weight", "map_weight"):
        if getattr(config, name) and config.distill_from != "frozen_largest":
            raise ConfigError(
                f"{name} needs a teacher with the features of the largest subnet: add "
                "distill_from='frozen_largest'",
                *(name, "distill_from"),
                owner=owner,
            )
