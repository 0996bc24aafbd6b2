"""What a reproduction of the paper trains and compares. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from aec_ofa_tf.config import ConfigError, check_fields, number
from aec_ofa_tf.models.cnn10.space import Cnn10Space, cnn10_space
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.device_config import DeviceConfig, check_devices
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig

SCRATCH, KD, OFA, EXACT, TUNED, INIT = "scratch", "kd", "ofa", "exact", "tuned", "init"
ARMS = (SCRATCH, KD, OFA, EXACT, TUNED, INIT)
PAPER_SPACES = ("[2,2,X]", "[X,X,X]", "[2,X,X]", "EW")
_MAX_SEEDS = 1000


@dataclass(frozen=True)
class ReproduceConfig:
    """The arms of the paper's comparison, and how each is trained.

    Every network is recalibrated by one rule: the same training clips in batches of the same size.

    Attributes:
        search: budgets, and the candidates of the random search; the algorithm is that of the arm.
        spaces: the search spaces of CNN10s, each under its own name; baselines are trained and
            subnets are fine-tuned in the first.
        arms: What is compared, any of scratch (fixed widths, trained on the labels), kd (fixed
            widths, by distillation), ofa (supernet and random search), exact (the search of every
            subnet of a budget), tuned (the searched subnets, trained on) and init (their
            architectures from random weights). What an arm needs is trained too.
        seeds: Number of seeds of the baselines, the first space's supernet and its searches; the
            first seed is that of training.
        ablation_seeds: Number of these seeds on which the other spaces are trained and subnets are
            fine-tuned.
        fixed_ratios: Width ratios of the networks that are trained individually.
        tune_steps: Numbers of steps of fine-tuning, each an arm of its own.
        teacher: the teacher's training.
        supernet: the supernets' training.
        subnet: the training of individual networks, all for its number of steps; objective and init
            are those of the arm.

    Raises:
        ConfigError: a value is outside its bounds, or two contradict each other.

    Example:
        >>> config = ofa.ReproduceConfig(ofa.SearchConfig(["params<=0.8M"]), arms=["kd", "ofa"])
        >>> config.seeds, len(config.spaces), config.budgets
        (3, 4, ('params<=0.8M',))
    """

    search: SearchConfig
    spaces: Sequence[Cnn10Space] = tuple(map(cnn10_space, PAPER_SPACES))
    arms: Sequence[str] = ARMS
    seeds: int = number(3, 1, _MAX_SEEDS)
    ablation_seeds: int = number(1, 0, _MAX_SEEDS)
    fixed_ratios: Sequence[float] = (0.4, 0.6, 0.8)
    tune_steps: Sequence[int] = (10_000, 100_000)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    supernet: SupernetConfig = field(default_factory=SupernetConfig)
    subnet: SubnetConfig = field(default_factory=SubnetConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("spaces", "arms", "fixed_ratios", "tune_steps"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_arms()
        self._check_spaces()
        self._check_training()
        self._check_warm_up()
        self._check_recalibration()

    @property
    def first_seed(self) -> int:
        """The seed of the first repetition."""
        return self.teacher.train.seed

    @property
    def all_seeds(self) -> range:
        """The seeds of the main comparison."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def few_seeds(self) -> range:
        """The seeds of the other spaces and of fine-tuning."""
        return self.all_seeds[: self.ablation_seeds]

    @property
    def search_arm(self) -> str:
        """The search whose subnets are fine-tuned and compared: the exact one only without ofa."""
        return EXACT if EXACT in self.arms and OFA not in self.arms else OFA

    @property
    def budgets(self) -> tuple[str, ...]:
        """The texts of the budgets."""
        return tuple(map(str, self.search.parsed_budgets))

    def space(self, name: str) -> Cnn10Space:
        """The space of a name."""
        return {space_name(space): space for space in self.spaces}[name]

    def fixed(self, ratio: float) -> Subnet:
        """The network of a fixed width ratio with two layers in every block (paper 3.2)."""
        return self.spaces[0].fixed_ratio(ratio)

    def teacher_of(self, seed: int) -> TeacherConfig:
        """The teacher's training of a seed."""
        return replace(self.teacher, train=replace(self.teacher.train, seed=seed))

    def supernet_of(self, seed: int) -> SupernetConfig:
        """The supernets' training of a seed."""
        return replace(self.supernet, train=replace(self.supernet.train, seed=seed))

    def subnet_of(self, seed: int, objective: str, init: str, steps: int) -> SubnetConfig:
        """The training of one network of a seed."""
        train = replace(self.subnet.train, seed=seed)
        return replace(self.subnet, train=train, objective=objective, init=init, steps=steps)

    def search_of(self, seed: int, algorithm: str) -> SearchConfig:
        """The search of a seed."""
        return replace(self.search, seed=seed, algorithm=algorithm)

    def _check_arms(self) -> None:
        unknown = [arm for arm in self.arms if arm not in ARMS]
        if unknown or not self.arms:
            raise ConfigError(
                f"arms are some of {', '.join(ARMS)}, received {', '.join(self.arms) or 'none'}",
                "arms",
                owner=ReproduceConfig,
            )
        if any(steps < 1 for steps in self.tune_steps) or len(set(self.tune_steps)) < len(
            self.tune_steps
        ):
            raise ConfigError(
                f"tune_steps are different numbers of at least 1, received {list(self.tune_steps)}",
                "tune_steps",
                owner=ReproduceConfig,
            )
        for arm, name in self._arms_without_jobs():
            raise ConfigError(
                f"arms={arm} has nothing to train: {name} is empty or 0. Leave {arm} out, or give "
                f"it {name}",
                *("arms", name),
                owner=ReproduceConfig,
            )
        if self.first_seed + self.seeds > 2**31:
            raise ConfigError(
                f"seeds={self.seeds} from seed {self.first_seed} on exceed {2**31 - 1}: begin with "
                "a smaller seed",
                "seeds",
                owner=ReproduceConfig,
            )

    def _arms_without_jobs(self) -> Iterator[tuple[str, str]]:
        """Arms for which there is nothing to do, each with the field that is to blame."""
        needed = {
            **dict.fromkeys((SCRATCH, KD), ("fixed_ratios",)),
            **{TUNED: ("ablation_seeds", "tune_steps"), INIT: ("ablation_seeds",)},
        }
        for arm in self.arms:
            yield from ((arm, name) for name in needed.get(arm, ()) if not getattr(self, name))

    def _check_spaces(self) -> None:
        names = [space_name(space) for space in self.spaces]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                "spaces are one or more, with a name each, such as [2,2,X] and EW; received "
                f"{', '.join(names) or 'none'}",
                "spaces",
                owner=ReproduceConfig,
            )
        outside = [r for r in self.fixed_ratios if not 0 < r <= 1 or self.fixed(r) not in self.main]
        if outside or len(set(self.fixed_ratios)) < len(self.fixed_ratios):
            raise ConfigError(
                f"fixed_ratios are different width ratios of the first space {names[0]} (of "
                f"{', '.join(f'{r:g}' for r in self.main.width_ratios)}), received "
                f"{', '.join(f'{r:g}' for r in self.fixed_ratios)}",
                "fixed_ratios",
                owner=ReproduceConfig,
            )

    @property
    def main(self) -> Cnn10Space:
        """The first space."""
        return self.spaces[0]

    def _check_training(self) -> None:
        if self.supernet.init != "random":
            raise ConfigError(
                "a reproduction begins with random weights in every arm: leave out "
                f"init={self.supernet.init!r}",
                "init",
                owner=SupernetConfig,
            )
        for config in (self.supernet, self.subnet):
            if config.distill_from != "cache":
                raise ConfigError(
                    "supernets and single networks learn from the same stored scores of the "
                    f"teacher: leave out distill_from={config.distill_from!r}",
                    "distill_from",
                    owner=type(config),
                )

    def _check_warm_up(self) -> None:
        """Checks that every network reaches its learning rate."""
        tuned = self.tune_steps if TUNED in self.arms else ()
        stages = (
            (self.teacher.train, self.teacher.steps),
            (self.subnet.train, self.subnet.steps),
            (self.supernet.train, self.supernet.largest_steps),
            (self.supernet.train, self.supernet.steps),
            *((self.subnet.train, steps) for steps in tuned),
        )
        for train, steps in stages:
            if 0 < steps <= train.warmup_steps:
                raise ConfigError(
                    f"a network of {steps:,} steps never reaches its learning rate: "
                    f"warmup_steps={train.warmup_steps:,} has to be less",
                    "warmup_steps",
                    owner=TrainConfig,
                )

    def _check_recalibration(self) -> None:
        """Checks that all networks get their batch-norm statistics by the same rule."""
        trains = [self.teacher.train, self.supernet.train, self.subnet.train]
        for name in ("batch_size", "calibration_clips", "seed"):
            values = {getattr(train, name) for train in trains}
            values |= {getattr(self.search.evaluation, name, None)} - {None}
            if len(values) > 1:
                raise ConfigError(
                    f"every arm is recalibrated and repeated by the same rule: {name} of teacher, "
                    "supernet, subnet and search must be equal, received "
                    f"{sorted(map(str, values))}",
                    name,
                    owner=ReproduceConfig,
                )


def space_name(space: Cnn10Space) -> str:
    """A space's name: `[2,2,X]`, or `EW` if no depth is elastic."""
    return f"[{','.join(space.depths)}]" if "X" in space.depths else "EW"


def check_devices_of(config: ReproduceConfig, devices: DeviceConfig) -> None:
    """Checks that devices are of one host and support the settings of training.

    Raises:
        ConfigError: they are of a cluster, or do not.
    """
    if devices.strategy == "multiworker":
        raise ConfigError(
            "a reproduction runs its jobs on one host: use strategy='mirrored' for all its GPUs",
            "strategy",
            owner=DeviceConfig,
        )
    for one in (config.teacher, config.supernet, config.subnet):
        check_devices(one.train, devices)


def require_evaluation(clips: int) -> None:
    """Checks that there are evaluation clips, which the tables are of.

    Raises:
        ConfigError: there are none.
    """
    if not clips:
        raise ConfigError(
            "tables are of the evaluation split, and there are no evaluation clips: give some to "
            "it by evaluation_fraction (folder, or a list without splits), eval_folds (esc50, "
            "scenes) or evaluation_clips (synthetic, scenes)",
            *("evaluation_fraction", "eval_folds", "evaluation_clips"),
        )
