"""Costs on NPUs: tables of layers, budgets, refusals. Vela itself is run in tests/micro."""

import json
import time

import pytest

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.budget import Budget, UnsatisfiableBudgetError
from aec_ofa_tf.costs.costs import METRICS, subnet_costs
from aec_ofa_tf.costs.members import members_within
from aec_ofa_tf.costs.npu import ACCELERATORS, NPU_METRICS, NpuTable
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.search.config import SearchConfig
from tests.costs.tables import npu_table

NETWORK = Cnn10Network(classes=5, frames=50, embedding_units=32)
SPACE = cnn10_space("[2,2,X]", base_channels=4)
SUBNET = SPACE.smallest
COMMAND = r"`python -m pipelines\.profile_device .*--target={} --out=FILE`"


def table_of(space, network, accelerator="ethos-u55-128"):
    rows = {part.row for part in network.all_parts(space)} - {None}
    return npu_table(sorted(rows), network, accelerator)


TABLE = table_of(SPACE, NETWORK)


def test_every_accelerator_has_three_costs_that_budgets_can_bound():
    assert set(NPU_METRICS) <= set(METRICS)
    assert len(NPU_METRICS) == 3 * len(ACCELERATORS)
    names = "ethos_u55_128_ms", "ethos_u65_512_sram_bytes", "ethos_u85_2048_flash_bytes"
    for name in names:
        assert Budget.parse(f"{name}<=64k").metrics == (name,)


def test_times_and_flash_are_sums_and_sram_is_the_maximum_of_the_layers():
    rows = NETWORK.rows(SUBNET)
    costs = subnet_costs(SUBNET, NETWORK, npu=TABLE)

    assert costs["ethos_u55_128_ms"] == 0.25 * len(rows)
    assert costs["ethos_u55_128_sram_bytes"] == max(row.peak_elements for row in rows)
    assert costs["ethos_u55_128_flash_bytes"] == costs["params"]
    assert not [name for name in costs if name.startswith("ethos_u55_32")]


@pytest.mark.parametrize("family", ["cnn10", "mobilenet"])
def test_a_table_survives_its_file(family, tmp_path):
    table = TABLE
    if family == "mobilenet":
        space = mobilenet_space("mn04")
        table = table_of(space, space.network(5, 50, 64, task="multi_label"))
    table.save(tmp_path / "npu.json")

    assert NpuTable.load(tmp_path / "npu.json") == table


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": 2}, '"format": 1'),
        ({"accelerators": ["ethos-u99"]}, "received ethos-u99"),
        ({"accelerators": []}, "received none"),
        ({"runtime": 3}, "'runtime' is missing"),
        ({"layers": [{"kind": "input", "frames": 5}]}, "'ethos_u55_128_ms' is missing"),
        ({"accelerators": ["ethos-u55-32"]}, "'ethos_u55_32_ms' is missing"),
    ],
)
def test_a_damaged_table_is_refused_with_the_command_that_writes_one(tmp_path, change, expected):
    path = tmp_path / "npu.json"
    path.write_text(json.dumps({**TABLE.as_json(), **change}))

    with pytest.raises(ValueError, match=r"npu\.json is not an NPU table") as caught:
        NpuTable.load(path)
    assert expected in str(caught.value)
    assert "pipelines.profile_device --target=ethos-u55-128" in str(caught.value)


def test_a_missing_table_is_named_with_the_command_that_writes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot read the NPU table .*no\.json.*profile_d"):
        NpuTable.load(tmp_path / "no.json")


def test_a_bound_without_a_table_is_refused_with_the_command_that_writes_one():
    expected = "ethos_u65_256_ms is predicted .* npu_table, .*" + COMMAND.format("ethos-u65-256")
    with pytest.raises(ConfigError, match=expected):
        SearchConfig(["params<=1M", "ethos_u65_256_ms<=3"])
    with pytest.raises(ConfigError, match=expected):
        Budget.parse("ethos_u65_256_ms<=3").members(SPACE.subnets(), NETWORK)


def test_a_table_of_other_accelerators_networks_or_layers_is_refused():
    with pytest.raises(
        ConfigError, match="is of ethos-u55-128, .*" + COMMAND.format("ethos-u85-256")
    ):
        subnet_costs(SUBNET, NETWORK, None, ["ethos_u85_256_ms"], npu=TABLE)
    longer = Cnn10Network(classes=5, frames=51, embedding_units=32)
    with pytest.raises(ValueError, match=r"frames 50, this one has 51: .*--workdir=RUN"):
        subnet_costs(SUBNET, longer, npu=TABLE)
    with pytest.raises(ValueError, match="no row for a convolution with channels_in 8, channels_"):
        subnet_costs(parse_subnet("4x2-8x2-11x2-16x1"), NETWORK, npu=TABLE)


def test_a_budget_is_met_by_the_predictions():
    budget = Budget.parse("ethos_u55_128_ms<=2.25,ethos_u55_128_flash_bytes<=5k")
    found = budget.members(SPACE.subnets(), NETWORK, npu=TABLE)

    assert 0 < len(found) < SPACE.size
    for subnet in SPACE.subnets():
        costs = subnet_costs(subnet, NETWORK, npu=TABLE)
        within = costs["ethos_u55_128_ms"] <= 2.25 and costs["ethos_u55_128_flash_bytes"] <= 5000
        assert (subnet in found) == within


@pytest.mark.parametrize(
    ("budget", "nearest"),
    [
        ("arena_bytes<=4k", r"arena_bytes [\d,]+"),
        ("ethos_u55_128_ms<=0.01", r"ethos_u55_128_ms \d\.\d\d"),
        ("ethos_u55_128_sram_bytes<=100", r"ethos_u55_128_sram_bytes [\d,]+"),
        ("ethos_u55_128_flash_bytes<=1k", r"ethos_u55_128_flash_bytes [\d,]+"),
    ],
)
@pytest.mark.parametrize("family", ["cnn10", "mobilenet"])
def test_an_impossible_budget_is_answered_in_a_second_with_the_nearest(family, budget, nearest):
    # 4,096 subnets, which are all listed, and 668,860,416, which are not.
    ratios = [n / 16 for n in range(1, 17)]
    space = cnn10_space("[2,2,2]", 16, "block", 1, ratios)
    if family == "mobilenet":
        space = mobilenet_space("mn04")
    network = space.network(12, 100, 64, task="multi_label")
    table = table_of(space, network)
    began = time.process_time()
    with pytest.raises(UnsatisfiableBudgetError, match=rf"the nearest are .*{nearest}") as caught:
        members_within(space, [Budget.parse(budget)], network, npu=table)
    assert time.process_time() - began < 1.0
    assert str(caught.value).count("; ") >= 1  # several
