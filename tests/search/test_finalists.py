"""The best candidates of budgets on NPUs, when a whole subnet costs more than its layers."""

import logging

import pytest

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.search.finalists import compile_finalists

SRAM, MS = "ethos_u55_128_sram_bytes", "ethos_u55_128_ms"
SUBNETS = cnn10_space("[2,2,X]", base_channels=4).subnets()[:12]
SMALL, FAST = Budget.parse(f"{SRAM}<=100,params<=9"), Budget.parse("ethos_u85_256_ms<=1")
OTHER = Budget.parse("params<=9")


def candidates(subnets):
    return {subnet: {"mAP": 0.5} for subnet in subnets}


def predicted(subnet):
    return {"params": 9, SRAM: 90, MS: 2.0, "ethos_u85_256_ms": 0.5}


class Compiler:
    """Subnets with other SRAM as a whole than by their layers."""

    def __init__(self, sram):
        self.sram, self.calls = sram, []

    def __call__(self, subnets, accelerators):
        self.calls.append((list(subnets), list(accelerators)))
        own = {SRAM: 100, MS: 2.5, "ethos_u85_256_ms": 0.6}
        return {subnet: {**own, SRAM: self.sram.get(subnet, 95)} for subnet in subnets}


def test_one_that_exceeds_its_budget_makes_way_for_the_next(caplog):
    first, second, third = SUBNETS[:3]
    compiler = Compiler({first: 101})
    found = {SMALL: candidates([first, second, third]), FAST: candidates([third, first])}
    with caplog.at_level(logging.WARNING):
        left, whole = compile_finalists(found, predicted, compiler)

    assert list(left[SMALL]) == [second, third]
    assert list(left[FAST]) == [third, first]
    assert whole[second][SRAM] == 95
    assert whole[second][MS] == 2.5
    assert compiler.calls == [
        (sorted([first, third]), ["ethos-u55-128", "ethos-u85-256"]),
        ([second], ["ethos-u55-128"]),
    ]
    assert f"{first} is left out, which as a whole has {SRAM} 101" in caplog.text


def test_budgets_on_other_costs_are_left_as_they_are():
    compiler = Compiler({})
    found = {OTHER: candidates(SUBNETS)}

    assert compile_finalists(found, predicted, compiler) == (found, {})
    assert compiler.calls == []


@pytest.mark.parametrize(("count", "tried"), [(2, 2), (12, 10)])
def test_if_none_is_within_the_budget_the_search_says_by_how_much(count, tried):
    compiler = Compiler(dict.fromkeys(SUBNETS, 120))
    with pytest.raises(RuntimeError, match=rf"{count} candidates .* {SRAM} 120\. Lower the bound"):
        compile_finalists({SMALL: candidates(SUBNETS[:count])}, predicted, compiler)
    assert len(compiler.calls) == tried
