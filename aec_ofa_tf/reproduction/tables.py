"""The paper's tables with our figures, from whatever arms are done. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.reproduction import paper
from aec_ofa_tf.reproduction.config import (
    EXACT,
    INIT,
    KD,
    OFA,
    SCRATCH,
    TUNED,
    ReproduceConfig,
    space_name,
)
from aec_ofa_tf.reproduction.graph import TEACHER
from aec_ofa_tf.reproduction.groups import (
    Group,
    group,
    mean,
    of_shared_seeds,
    percent,
    spread,
)
from aec_ofa_tf.reproduction.results import Arm

Row = dict[str, object]
_NAMES = {SCRATCH: "scratch", KD: "KD", OFA: "OFA", EXACT: "OFA, exact search"}


@dataclass(frozen=True)
class Tables:
    """Makes the rows of the tables.

    Attributes:
        config: what is compared.
        network: the static parts of the networks of the first space.
        figure: the task's figure, "mAP" or "accuracy".
        arms: the jobs that are done.
    """

    config: ReproduceConfig
    network: NetworkConfig
    figure: str
    arms: Sequence[Arm]

    @property
    def columns_1(self) -> dict[str, str]:
        """The columns of table 1 with their formats."""
        return {
            **{"model": "", "size": "", "parameters": ",d", "steps": ",d", "seeds": "d"},
            **{f"{self.figure} %": ".1f", "+-": ".1f", "% of teacher": ".1f"},
            **{"paper parameters": ",.0f", "paper mAP %": ".1f", "paper % of teacher": ".1f"},
        }

    def table_1(self) -> list[Row]:
        """The teacher, the baselines and the searched subnets, by parameters (paper table 1)."""
        rows = sorted([*self._baselines(), *self._searched()], key=_by_parameters)
        return [self._teacher_row(), *rows]

    @property
    def columns_2(self) -> dict[str, str]:
        """The columns of table 2 with their formats."""
        names = ["OFA", *map(_added, self.config.tune_steps), _added(self.steps, "Init")]
        ours = {name: form for n in names for name, form in ((n, ".1f"), (f"{n} +-", ".1f"))}
        theirs = ["paper OFA", "paper +10K", "paper +100K", "paper Init+100K"]
        sizes = {"budget": "", "parameters": ",d", "seeds": "d"}
        return {**sizes, **ours, "paper parameters": ",.0f", **dict.fromkeys(theirs, ".1f")}

    def table_2(self) -> list[Row]:
        """Fine-tuning of the searched subnets (paper table 2), on the seeds that are fine-tuned."""
        return [self._tuned_row(budget) for budget in self.config.budgets]

    @property
    def columns_ratios(self) -> dict[str, str]:
        """The columns of the comparison with their formats."""
        names = {"budget": "", "parameters": ",d", "baseline": "", "baseline parameters": ",d"}
        ratios = ("OFA / scratch", "OFA / KD", f"1 - {self.figure}, OFA / KD")
        ours = {name: ".3f" for n in ratios for name in (n, f"{n} +-")}
        theirs = ("paper OFA / scratch", "paper OFA / KD")
        return {**names, "seeds": "d", **ours, **dict.fromkeys(theirs, ".3f")}

    def ratios(self) -> list[Row]:
        """Searched subnets over the baselines of the nearest size, seed by seed."""
        return [self._ratio_row(budget) for budget in self.config.budgets]

    @property
    def steps(self) -> int:
        """The steps of networks that are trained individually."""
        return self.config.subnet.steps

    @property
    def teacher(self) -> Group:
        """The teachers, by seed."""
        return self.of(TEACHER)

    def of(self, kind: str, **which: object) -> Group:
        """The networks of an arm in the first space, by seed; as `groups.group`."""
        return group(self.arms, kind, space_name(self.config.main), **which)  # type: ignore[arg-type]

    def _teacher_row(self) -> Row:
        config = self.config.teacher
        size = params(config.subnet, config.network(self.network))
        row = self._row("teacher", f"base {config.base_channels}", self.teacher, config.steps)
        theirs = _theirs(paper.TEACHER_PARAMS, paper.TEACHER_MAP)
        return {**row, "parameters": size, **theirs}

    def _baselines(self) -> Iterator[Row]:
        for kind in (SCRATCH, KD):
            for ratio in self.config.fixed_ratios if kind in self.config.arms else ():
                found = self.of(kind, ratio=ratio, steps=self.steps)
                size = params(self.config.fixed(ratio), self.network)
                near = paper.nearest_size(size / self._largest)
                theirs = _theirs(near.params, getattr(near, kind))
                row = self._row(_NAMES[kind], f"width {ratio:g}", found, self.steps)
                yield {**row, "parameters": size, **theirs}

    def _searched(self) -> Iterator[Row]:
        for kind in (OFA, EXACT):
            for budget in self.config.budgets if kind in self.config.arms else ():
                found = self.of(kind, budget=budget)
                row = self._row(_NAMES[kind], budget, found, self.config.supernet.last_step)
                yield {**row, **self._paper_searched(found)}

    def _paper_searched(self, found: Group) -> Row:
        if found.params is None:
            return {}
        near = paper.nearest_budget(found.params / self._largest)
        return _theirs(near.params, near.ofa)

    def _row(self, model: str, size: str, found: Group, steps: int) -> Row:
        scores, shares = found.scores.values(), found.ratios(self.teacher)
        return {
            "model": model,
            "size": size,
            "parameters": found.params,
            "steps": steps,
            "seeds": len(scores),
            f"{self.figure} %": percent(mean(scores)),
            "+-": percent(spread(scores)),
            "% of teacher": percent(mean(shares if len(shares) == len(scores) else ())),
            "by seed": dict(found.scores),
            "networks": {seed: one.subnet for seed, one in found.networks.items()},
        }

    def _tuned_row(self, budget: str) -> Row:
        config = self.config
        seeds = config.few_seeds
        columns = {
            "OFA": self.of(config.search_arm, budget=budget, seeds=seeds or config.all_seeds),
            **{
                _added(steps): self.of(TUNED, budget=budget, steps=steps, seeds=seeds)
                for steps in config.tune_steps
            },
            _added(self.steps, "Init"): self.of(INIT, budget=budget, steps=self.steps, seeds=seeds),
        }
        columns = of_shared_seeds(columns)
        searched = columns["OFA"]
        row: Row = {"budget": budget, "parameters": searched.params}
        row |= {"seeds": len(searched.scores)}
        for name, found in columns.items():
            row |= {name: percent(mean(found.scores.values()))}
            row |= {f"{name} +-": percent(spread(found.scores.values()))}
        if searched.params is None:
            return row
        near = paper.nearest_budget(searched.params / self._largest)
        names = ("paper OFA", "paper +10K", "paper +100K", "paper Init+100K")
        theirs = dict(zip(names, (near.ofa, near.short, near.long, near.init), strict=True))
        return {**row, "paper parameters": near.params, **theirs}

    def _ratio_row(self, budget: str) -> Row:
        searched = self.of(self.config.search_arm, budget=budget)
        if searched.params is None or not self.config.fixed_ratios:
            return {"budget": budget, "seeds": 0}
        ratio = self._nearest_ratio(searched.params)
        baselines = {kind: self.of(kind, ratio=ratio, steps=self.steps) for kind in (SCRATCH, KD)}
        shared = of_shared_seeds({OFA: searched, **baselines})
        searched, scratch, kd = shared[OFA], shared[SCRATCH], shared[KD]
        if searched.params is None:
            return {"budget": budget, "seeds": 0}
        over = {
            "OFA / scratch": searched.ratios(scratch),
            "OFA / KD": searched.ratios(kd),
            f"1 - {self.figure}, OFA / KD": searched.ratios(kd, lambda score: 1 - score),
        }
        row: Row = {"budget": budget, "parameters": searched.params, "baseline": f"width {ratio:g}"}
        row |= {"baseline parameters": params(self.config.fixed(ratio), self.network)}
        row |= {"seeds": len(searched.scores)}
        for name, values in over.items():
            row |= {name: mean(values), f"{name} +-": spread(values)}
        ofa = paper.nearest_budget(searched.params / self._largest).ofa
        size = paper.nearest_size(params(self.config.fixed(ratio), self.network) / self._largest)
        return {**row, "paper OFA / scratch": ofa / size.scratch, "paper OFA / KD": ofa / size.kd}

    def _nearest_ratio(self, size: int) -> float:
        def distance(ratio: float) -> float:
            return abs(math.log(params(self.config.fixed(ratio), self.network) / size))

        return min(self.config.fixed_ratios, key=distance)

    @property
    def _largest(self) -> int:
        return params(self.config.main.largest, self.network)


def _theirs(size: float, score: float) -> Row:
    share = percent(score / paper.TEACHER_MAP)
    return {"paper parameters": size, "paper mAP %": score, "paper % of teacher": share}


def _added(steps: int, start: str = "") -> str:
    """`+10K`."""
    text = f"{steps // 1000}K" if steps % 1000 == 0 else f"{steps}"
    return f"{start}+{text}"


def _by_parameters(row: Row) -> float:
    size = row["parameters"]
    return float(size) if isinstance(size, int) else math.inf
