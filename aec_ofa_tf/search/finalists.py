"""Compiles the best candidates of budgets on NPUs as a whole. No TensorFlow here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.npu import NPU_METRICS
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.search.store import SubnetMetrics

Costs = Mapping[str, float]
CompileWhole = Callable[[Sequence[Subnet], Sequence[str]], Mapping[Subnet, Costs]]
"""From subnets and accelerators to the costs of the whole subnets on these."""

_TRIED = 10
_log = logging.getLogger(__name__)


def compile_finalists(
    candidates: Mapping[Budget, Mapping[Subnet, SubnetMetrics]],
    cost_of: Callable[[Subnet], Costs],
    compile_whole: CompileWhole,
) -> tuple[dict[Budget, dict[Subnet, SubnetMetrics]], dict[Subnet, Costs]]:
    """Leaves out the best candidates that are not within their budget as a whole.

    A table of layers knows nothing of what a compiler does across layers. So the best candidate of
    every budget on NPUs is compiled as a whole. If it is not within the budget, the next is tried,
    up to ten.

    Args:
        candidates: by budget, best first.
        cost_of: the predicted costs of a subnet.
        compile_whole: gives the costs of whole subnets.

    Returns:
        The candidates without those that were left out, and the costs of whole subnets.

    Raises:
        RuntimeError: none of ten candidates, or of all, is within its budget.
    """
    left = {budget: dict(found) for budget, found in candidates.items()}
    whole: dict[Subnet, dict[str, float]] = {}
    open_budgets = [budget for budget in left if _accelerators([budget])]
    for _ in range(_TRIED):
        if not open_budgets:
            break
        heads = {budget: next(iter(left[budget])) for budget in open_budgets}
        accelerators = _accelerators(open_budgets)
        for subnet, costs in compile_whole(sorted(set(heads.values())), accelerators).items():
            whole.setdefault(subnet, {}).update(costs)
        for budget, subnet in heads.items():
            if not budget.excess({**cost_of(subnet), **whole[subnet]}):
                open_budgets.remove(budget)
                continue
            _log.warning("%s: %s is left out, %s", budget, subnet, _reason(budget, whole[subnet]))
            del left[budget][subnet]
            if not left[budget]:
                raise _none(budget, candidates[budget], whole)
    if open_budgets:
        raise _none(open_budgets[0], candidates[open_budgets[0]], whole)
    return left, dict(whole)


def _accelerators(budgets: Sequence[Budget]) -> list[str]:
    names = (name for budget in budgets for name in budget.metrics if name in NPU_METRICS)
    return list(dict.fromkeys(NPU_METRICS[name] for name in names))


def _reason(budget: Budget, whole: Costs) -> str:
    bounded = [f"{name} {whole[name]:,.7g}" for name in budget.metrics if name in whole]
    return f"which as a whole has {', '.join(bounded)}"


def _none(
    budget: Budget, candidates: Mapping[Subnet, SubnetMetrics], whole: Mapping[Subnet, Costs]
) -> RuntimeError:
    best = next(iter(candidates))
    return RuntimeError(
        f"by their layers, {len(candidates)} candidates are within the budget {budget}, but none "
        f"of the best that Vela compiled as a whole is: the first is {best}, "
        f"{_reason(budget, whole[best])}. Lower the bound that this exceeds by as much"
    )
