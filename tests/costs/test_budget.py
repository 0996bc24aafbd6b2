import math
import subprocess
import sys
from dataclasses import replace

import pytest

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.arena import arena_bytes
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError, budget_folder
from aec_ofa_tf.costs.costs import METRICS, params, subnet_costs
from aec_ofa_tf.costs.npu import NPU_METRICS
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from aec_ofa_tf.search.config import SearchConfig
from tests.costs.tables import uniform_table

PAPER = Cnn10Network(classes=527, frames=1000)
SUBNETS = cnn10_space("[2,2,X]").subnets()


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("params<=0.8M", (("params", 0.0, 800_000.0),)),
        (" params >= 20k ", (("params", 20_000.0, float("inf")),)),
        ("params=1.8M+-0.2M", (("params", 1.6e6, 2.0e6),)),
        ("params<=2e6,macs<=4G", (("params", 0.0, 2e6), ("macs", 0.0, 4e9))),
    ],
)
def test_budgets_read_as_bounds(text, bounds):
    parsed = Budget.parse(text)

    assert [name for name, _, _ in parsed.bounds] == [name for name, _, _ in bounds]
    assert [b[1:] for b in parsed.bounds] == [pytest.approx(b[1:]) for b in bounds]


@pytest.mark.parametrize(
    "text", ["", "params", "params<0.8M", "size<=1M", "params<=M", "params<=1T"]
)
def test_a_budget_that_cannot_be_read_shows_the_form(text):
    with pytest.raises(ValueError, match=r"for example params<=0\.8M"):
        Budget.parse(text)


@pytest.mark.parametrize(("received", "expected"), [("50K", "write k, not K"), ("2m", "not m")])
def test_a_factor_in_the_wrong_case_is_pointed_out(received, expected):
    with pytest.raises(ValueError, match=expected):
        Budget.parse(f"params<={received},macs<=2M")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Budget.parse(None), "a budget is text"),
        (lambda: Budget.parse("params>=3,params<=2"), "params would be at least 3 and at most 2"),
        (lambda: Budget.parse("macs<=1,params=9+-1,params<=2"), "leave out one of the two"),
        (lambda: Budget(5, (("params", 0, 1),)), "text of a budget is text, received 5"),
        (lambda: Budget("x", None), "at least one bound, received None"),
        (lambda: Budget("x", ()), r"at least one bound, received \(\)"),
        (lambda: Budget("x", (("foo", 0, 1),)), "a metric from params, macs"),
        (lambda: Budget("x", ("params",)), "a bound of a budget is"),
        (lambda: Budget("x", (("params", 2, 1),)), "not above the greatest"),
        (lambda: Budget("x", (("params", -1, 1),)), "at least 0"),
        (lambda: Budget("x", (("params", "0", 1),)), "are numbers"),
        (lambda: Budget("x", (("params", 0, float("nan")),)), "are numbers"),
        (lambda: Budget.around("1M", 1), "finite and not negative, received '1M'"),
        (lambda: Budget.around(1e6, None), "finite and not negative"),
    ],
)
def test_what_is_no_budget_is_refused_when_it_is_made(make, expected):
    with pytest.raises(ValueError, match=expected):
        make()


@pytest.mark.parametrize(
    "text", ["params<=6k", "params<= 6k", " params <=6k ", "params <= 6 k", "params\t<=6k"]
)
def test_a_budget_has_one_name_however_it_is_spaced(text):
    assert Budget.parse(text) == Budget.parse("params<=6k")
    assert budget_folder(str(Budget.parse(text))) == "params_max_6k"


def test_a_plus_in_an_exponent_makes_no_other_budget():
    large, small = Budget.parse("params<=1e+3M"), Budget.parse("params<=1e-3M")

    assert large == Budget.parse("params<=1e3M")
    assert budget_folder(str(large)) != budget_folder(str(small))


def test_members_are_exactly_the_subnets_within_the_paper_s_range():
    members = Budget.around(1.8e6, 0.2e6).members(SUBNETS, PAPER)

    assert len(members) == 25
    assert all(1.6e6 <= params(spec, PAPER) <= 2.0e6 for spec in members)


def test_bounds_are_met_together():
    members = Budget.parse("params<=2M,macs<=6G").members(SUBNETS, PAPER)
    expected = [s for s in SUBNETS if subnet_costs(s, PAPER)["params"] <= 2e6]
    expected = [s for s in expected if subnet_costs(s, PAPER)["macs"] <= 6e9]

    assert members == expected
    assert members


def test_an_impossible_budget_names_the_nearest_subnets():
    with pytest.raises(UnsatisfiableBudgetError, match=r"64x2-51x2-102x2-204x1 \(params 794,666\)"):
        Budget.parse("params<=0.5M").members(SUBNETS, PAPER)
    with pytest.raises(UnsatisfiableBudgetError, match=r"params 5,219,279"):
        Budget.parse("params>=6M").members(SUBNETS, PAPER)


def costs(spec):
    return subnet_costs(spec, PAPER, front_end=PANNS)


@pytest.mark.parametrize("metric", [n for n in METRICS if n not in ("latency_ms", *NPU_METRICS)])
def test_every_closed_form_can_be_bounded_from_either_side(metric):
    values = sorted(costs(spec)[metric] for spec in SUBNETS)
    middle = values[len(values) // 2]
    for text, expected in [
        (f"{metric}<={middle}", [v for v in values if v <= middle]),
        (f"{metric}>={middle}", [v for v in values if v >= middle]),
        (f"{metric}={middle}+-0", [v for v in values if v == middle]),
    ]:
        members = Budget.parse(text).members(SUBNETS, PAPER, front_end=PANNS)
        assert sorted(costs(spec)[metric] for spec in members) == expected


def test_a_bound_on_files_with_waveform_input_asks_for_a_front_end():
    with pytest.raises(ValueError, match="tflite_bytes_waveform depends on the front end"):
        Budget.parse("tflite_bytes_waveform<=4M").members(SUBNETS, PAPER)


@pytest.mark.parametrize(
    ("budget", "file", "bytes_allowed"),
    [
        ("params<=1M", ("log_mel", "int8"), math.inf),
        ("tflite_bytes<=1M,tflite_bytes_int8<=70k", ("log_mel", "float32"), 1e6),
        ("tflite_bytes_int8<=70k", ("log_mel", "int8"), 70e3),
        ("tflite_bytes_int8<=70k", ("log_mel", "int8_qat"), 70e3),
        ("tflite_bytes_int8<=70k", ("waveform", "int8"), 70e3),
        ("tflite_bytes_int8<=70k", ("waveform", "float32"), math.inf),
        ("tflite_bytes_int8<=70k,tflite_bytes_int8_waveform<=90k", ("waveform", "int8"), 90e3),
        ("tflite_bytes_int8_waveform<=90k", ("log_mel", "int8"), math.inf),
        ("tflite_bytes_int8>=60k", ("log_mel", "int8"), math.inf),
    ],
)
def test_a_budget_bounds_the_bytes_of_files_of_its_quantisation(budget, file, bytes_allowed):
    assert Budget.parse(budget).greatest_bytes(*file) == bytes_allowed


def test_a_bound_on_latency_asks_for_a_table():
    with pytest.raises(ValueError, match=r"latency_table.*pipelines\.profile_device"):
        Budget.parse("latency_ms<=20").members(SUBNETS, PAPER)


def test_a_bound_on_latency_is_met_by_the_sum_of_layers():
    table = uniform_table(SUBNETS, PAPER)
    deep = Budget.parse("latency_ms=2.5+-0").members(SUBNETS, PAPER, table)

    assert deep == [spec for spec in SUBNETS if spec.choices[-1] != (0,)]
    with pytest.raises(UnsatisfiableBudgetError, match=r"\(latency_ms 2\.25, params [\d,]+\)"):
        Budget.parse("latency_ms<=2,params<=1k").members(SUBNETS, PAPER, table)


def test_a_large_space_is_refused_without_tensorflow():
    program = (
        "import sys\n"
        "from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space\n"
        "from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError\n"
        "ratios = (0.2, 0.4, 0.6, 0.8, 1.0)\n"
        "space = cnn10_space('[X,X,X]', width_per='layer', width_ratios=ratios)\n"
        "try:\n"
        "    Budget.parse('tflite_bytes_int8<=1k').members(space.subnets(), Cnn10Network(5, 50))\n"
        "except UnsatisfiableBudgetError as error:\n"
        "    print(space.size, 'tensorflow' in sys.modules, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("27000 False no subnet of the space meets the budget")


@pytest.mark.parametrize(
    "budget", [Budget.parse("params=1M+-5M"), Budget.around(1e6, 5e6)], ids=["text", "paper"]
)
def test_a_range_that_begins_below_zero_holds_what_lies_in_it(budget):
    assert budget.members(SUBNETS, PAPER) == [s for s in SUBNETS if params(s, PAPER) <= 6e6]


def test_a_lowered_budget_keeps_part_of_a_cost_free():
    budget = Budget.parse("arena_bytes<=128k,params<=131k")
    assert budget.lowered("arena_bytes", 17_000).bounds == (
        ("arena_bytes", 0, 111_000),
        ("params", 0, 131_000),
    )
    assert budget.lowered("macs", 10) is budget
    assert budget.lowered("arena_bytes", 0) is budget
    with pytest.raises(ValueError, match="leaves nothing beside 129,000 arena_bytes"):
        budget.lowered("arena_bytes", 129_000)


def test_a_search_reserves_arena_for_what_a_file_needs_besides():
    space = cnn10_space("[2,2,X]", 8)
    network = space.network(5, 100, 40, task="multi_label")
    arenas = {subnet: arena_bytes(subnet, network) for subnet in space.subnets()}
    most, median = max(arenas.values()), sorted(arenas.values())[len(arenas) // 2]
    config = SearchConfig([f"arena_bytes<={most}"])
    (budget,) = config.budgets

    found = replace(config, arena_reserve_bytes=most - median).members(space, network)

    assert [*found] == [budget]
    assert set(found[budget].subnets) == {s for s, arena in arenas.items() if arena <= median}
    assert len(found[budget].subnets) < len(config.members(space, network)[budget].subnets)
    with pytest.raises(ConfigError, match="add one to a budget"):
        SearchConfig(["params<=60k"], arena_reserve_bytes=1)


def test_numbers_that_are_none_are_refused():
    for around in ((float("nan"), 1.0), (1.0, float("inf"))):
        with pytest.raises(ValueError, match="finite"):
            Budget.around(*around)
    with pytest.raises(ValueError, match="cannot read"):
        Budget.parse("params<=\u0668k")
