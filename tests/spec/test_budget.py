import pytest

from aec_ofa_tf.spec import NetworkConfig, search_space
from aec_ofa_tf.spec.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.spec.cost import costs, params

PAPER = NetworkConfig(classes=527, frames=1000)
SUBNETS = search_space("[2,2,X]").subnets()


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


def test_members_are_exactly_the_subnets_within_the_paper_s_range():
    members = Budget.around(1.8e6, 0.2e6).members(SUBNETS, PAPER)

    assert len(members) == 25
    assert all(1.6e6 <= params(spec, PAPER) <= 2.0e6 for spec in members)


def test_bounds_are_met_together():
    members = Budget.parse("params<=2M,macs<=6G").members(SUBNETS, PAPER)
    expected = [s for s in SUBNETS if costs(s, PAPER)["params"] <= 2e6]
    expected = [s for s in expected if costs(s, PAPER)["macs"] <= 6e9]

    assert members == expected
    assert members


def test_an_impossible_budget_names_the_nearest_subnets():
    with pytest.raises(UnsatisfiableBudgetError, match=r"64x2-51x2-102x2-204x1 \(params 794,666\)"):
        Budget.parse("params<=0.5M").members(SUBNETS, PAPER)
    with pytest.raises(UnsatisfiableBudgetError, match=r"params 5,219,279"):
        Budget.parse("params>=6M").members(SUBNETS, PAPER)
