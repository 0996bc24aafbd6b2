"""The configuration of a search, checked before any evaluation. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.config import ConfigError, check_fields, choice, number, switch
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError, budget_folder
from aec_ofa_tf.costs.costs import ARENA, LATENCY, missing_table
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.members import LISTED, Members, members_within
from aec_ofa_tf.costs.npu import NPU_METRICS, NpuTable, missing_npu_table
from aec_ofa_tf.models.cnn10 import Cnn10Space, cnn10_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.training.config import EvaluationConfig

ALGORITHMS = ("exhaustive", "random", "evolutionary")


@dataclass(frozen=True)
class SearchConfig:
    """The search for the best subnet of every budget (paper 2.4).

    Attributes:
        budgets: Bounds on a subnet's costs, each a `Budget` or its text, e.g. params<=0.8M or
            macs<=4G,tflite_bytes<=3M.
        algorithm: exhaustive: every subnet of a budget; random: the paper's sample of population
            subnets; evolutionary: NSGA-II with generations of population subnets, for very large
            spaces.
        population: Candidates per budget, or per generation.
        generations: Generations of the evolutionary algorithm.
        seed: Seed of the draw of candidates and of the bootstrap.
        storage: Address of Optuna's database for the evolutionary algorithm; several searchers may
            share it. Default: SQLite in the run directory.
        latency_table: File with a device's layer latencies, written by profile_device, for budgets
            on latency_ms.
        npu_table: File with layers that Vela compiled, written by profile_device for a target, for
            budgets on NPUs such as ethos_u55_128_ms<=5. Where Vela is installed, winners are
            compiled as a whole too, and one that is not within its budget makes way for the next.
        arena_reserve_bytes: Bytes by which the arena_bytes of a subnet stay below their bound, for
            what its file needs besides: with split channels 3,000. The file is held to the bound
            itself.
        search_memory_mib: Memory for clips and scores in MiB. Clips that do not fit are read again
            in every walk. The scores of one subnet and the activations of one batch are always in
            memory.
        subnets_per_walk: Subnets evaluated in one walk of their tree: more subnets share more
            computation; with fewer subnets a kill loses less.
        bootstrap_resamples: Resamples for the interval of the winners' figure.
        rank_correlation: Also rank the candidates on fewer clips and without recalibration, and
            report the rank correlations.
        evaluation: batch size and calibration clips.

    Raises:
        ConfigError: a value is outside its bounds, there is no budget, a storage is given that
            the algorithm does not use, or a budget bounds latency_ms or a cost on an NPU and there
            is no table.
        ValueError: a budget cannot be read.

    Example:
        >>> ofa.SearchConfig(["params<=50k", "macs<=20M"], algorithm="random").population
        25
    """

    budgets: Sequence[Budget | str] = ()
    algorithm: str = choice("exhaustive", ALGORITHMS)
    population: int = number(25, 1)
    generations: int = number(10, 1)
    seed: int = number(0, 0, 2**31 - 1)
    storage: str | None = None
    latency_table: Path | None = None
    npu_table: Path | None = None
    arena_reserve_bytes: int = number(0, 0, is_later=True)
    search_memory_mib: int = number(2048, 1)
    subnets_per_walk: int = number(32, 1)
    bootstrap_resamples: int = number(200, 100, 1_000_000)
    rank_correlation: bool = switch(False)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        texts = [self.budgets] if isinstance(self.budgets, str) else self.budgets
        budgets = tuple(Budget.parse(one) if isinstance(one, str) else one for one in texts)
        object.__setattr__(self, "budgets", budgets)
        if not budgets:
            raise ConfigError(
                "search needs a budget: give budgets, for example params<=0.8M", "budgets"
            )
        folders = {budget_folder(str(budget)) for budget in set(budgets)}
        if len(folders) < len(set(budgets)):
            raise ConfigError(
                "budgets with different bounds need different names, because files are written to "
                f"folders of these names, received {', '.join(map(str, budgets))}",
                "budgets",
                owner=SearchConfig,
            )
        if LATENCY in self.bounded_costs and self.latency_table is None:
            raise missing_table()
        if self.bounded_npu_costs and self.npu_table is None:
            raise missing_npu_table(self.bounded_npu_costs[0])
        if self.arena_reserve_bytes and ARENA not in self.bounded_costs:
            raise ConfigError(
                "arena_reserve_bytes is kept below a bound on arena_bytes: add one to a budget",
                *("arena_reserve_bytes", "budgets"),
            )
        if self.storage and self.algorithm != "evolutionary":
            raise ConfigError(
                "storage is for algorithm='evolutionary': add it", "storage", "algorithm"
            )

    @property
    def parsed_budgets(self) -> tuple[Budget, ...]:
        """The budgets as typed values."""
        return tuple(one for one in self.budgets if isinstance(one, Budget))

    @property
    def bounded_costs(self) -> set[str]:
        """Names of the costs that at least one budget bounds."""
        return {metric for budget in self.parsed_budgets for metric in budget.metrics}

    @property
    def bounded_npu_costs(self) -> list[str]:
        """Names of the costs on NPUs that at least one budget bounds."""
        return [name for name in NPU_METRICS if name in self.bounded_costs]

    def load_latency_table(self) -> LatencyTable | None:
        """The device's latency table, if a file was given.

        Raises:
            ValueError: the file is not a latency table.
            OSError: the file cannot be read.
        """
        return LatencyTable.load(self.latency_table) if self.latency_table else None

    def load_npu_table(self) -> NpuTable | None:
        """The table of layers on NPUs, if a file was given.

        Raises:
            ValueError: the file is no such table.
            OSError: the file cannot be read.
        """
        return NpuTable.load(self.npu_table) if self.npu_table else None

    def check_storage(self) -> None:
        """Opens the storage, if one was given, so that a wrong address fails before training.

        Raises:
            ConfigError: the storage cannot be opened.
        """
        if self.storage:
            # Optuna takes half a second to import.
            from aec_ofa_tf.search.evolutionary import open_storage

            open_storage(self.storage)

    def members(
        self,
        space: SearchSpace,
        network: NetworkConfig,
        front_end: FrontEndConfig | None = None,
    ) -> Mapping[Budget, Members]:
        """The subnets of a space that meet each budget.

        Args:
            space: the subnets.
            network: what they have in common.
            front_end: for budgets on the bytes of files with waveform input.

        Raises:
            UnsatisfiableBudgetError: no subnet meets a budget; the message names the nearest.
            ConfigError: every subnet of a space that is too large shall be evaluated.
            ValueError: a table is of another network, or lacks what a budget bounds.
        """
        if space.size > LISTED and self.algorithm == "exhaustive":
            raise ConfigError(
                f"the space {space} has {space.size:,} subnets, too many for "
                "algorithm='exhaustive': use algorithm='evolutionary' or 'random'",
                "algorithm",
                owner=SearchConfig,
            )
        latency, npu = self.load_latency_table(), self.load_npu_table()
        reserve = self.arena_reserve_bytes
        try:
            held = {budget: budget.lowered(ARENA, reserve) for budget in self.parsed_budgets}
        except ValueError as error:
            raise ConfigError(f"arena_reserve_bytes: {error}", "arena_reserve_bytes") from error
        try:
            found = members_within(space, tuple(held.values()), network, latency, front_end, npu)
        except UnsatisfiableBudgetError as error:
            if not reserve:
                raise
            raise UnsatisfiableBudgetError(f"{error} ({reserve:,} bytes are reserved)") from error
        return {budget: found[lowered] for budget, lowered in held.items()}


def subspace(
    trained: SearchSpace, name: str | None = None, width_ratios: Sequence[float] | None = None
) -> SearchSpace:
    """A part of a trained CNN10 space, by its name and width ratios.

    Args:
        trained: the trained space.
        name: name of the part, such as [2,2,2]; None for the trained depths.
        width_ratios: the width ratios of the part; None for the trained ones.

    Raises:
        ConfigError: the part contains subnets that were not trained, or the space is not CNN10's.
        ValueError: the name or a width ratio is invalid.
    """
    if name is None and width_ratios is None:
        return trained
    if not isinstance(trained, Cnn10Space):
        raise ConfigError(
            f"only a search over CNN10s can be limited to a part, received one {trained}: leave "
            "out space and width_ratios",
            *("space", "width_ratios"),
        )
    ratios = trained.width_ratios if width_ratios is None else tuple(width_ratios)
    sizes = trained.base_channels, trained.width_per, trained.width_multiple
    depths = f"[{','.join(trained.depths)}]" if name is None else name
    part = cnn10_space(depths, *sizes, ratios)
    outside = [subnet for subnet in part.subnets() if subnet not in trained]
    if outside:
        raise ConfigError(
            f"{len(outside)} subnets of {part} were not trained, such as {outside[0]}: "
            f"space and width_ratios must name a part of {trained}",
            *("space", "width_ratios"),
        )
    return part


def require_validation(clips: int) -> None:
    """Checks that there are validation clips for a search.

    Args:
        clips: number of validation clips.

    Raises:
        ConfigError: there are none.
    """
    if not clips:
        raise ConfigError(
            "search ranks subnets on validation clips, and there are none. In a list (csv), give "
            "rows the split validation; in other layouts, draw some: validation_fraction "
            "(folder, or a list without splits), validation_folds (esc50), validation_clips "
            "(audioset, synthetic, scenes)",
            *("validation_fraction", "validation_folds", "validation_clips"),
        )
