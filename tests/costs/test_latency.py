import dataclasses
import json

import pytest

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.costs.costs import METRICS, subnet_costs
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.costs.npu import NPU_METRICS
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.models.rows import LayerRow
from tests.costs.tables import uniform_table

NETWORK = Cnn10Network(classes=5, frames=50, embedding_units=32)
SPACE = cnn10_space("[2,2,X]", base_channels=4)
TABLE = uniform_table(SPACE.subnets(), NETWORK)


def row(kind, channels_in, channels_out, frames, mel_bins, pooled=False) -> LayerRow:
    sizes = {"channels_in": channels_in, "channels_out": channels_out}
    return LayerRow.make(kind, **sizes, frames=frames, mel_bins=mel_bins, pooled=pooled)


def test_layers_are_named_by_what_they_compute():
    spec = parse_subnet("4x2-5+7-9x1")
    expected = [
        row("input", 1, 1, 50, 64),
        row("convolution", 1, 4, 50, 64),
        row("convolution", 4, 4, 50, 64, pooled=True),
        row("convolution", 4, 5, 25, 32),
        row("convolution", 5, 7, 25, 32, pooled=True),
        row("convolution", 7, 9, 12, 16),
        row("head", 9, 5, 12, 16),
    ]
    assert NETWORK.rows(spec) == expected

    pooled = dataclasses.replace(NETWORK, pool_last=True).rows(spec)
    assert pooled == [
        *expected[:-1],
        LayerRow.make("pool", channels_in=9, channels_out=9, frames=12, mel_bins=16),
        row("head", 9, 5, 6, 8),
    ]


def test_latency_is_the_sum_of_the_layers():
    spec = SPACE.smallest
    slow = NETWORK.rows(spec)[3]
    table = dataclasses.replace(TABLE, layer_ms={**TABLE.layer_ms, slow: 10.0})

    assert TABLE.predict(spec, NETWORK) == 0.25 * 9
    assert table.predict(spec, NETWORK) == 0.25 * 8 + 10.0
    assert subnet_costs(spec, NETWORK, table)["latency_ms"] == table.predict(spec, NETWORK)
    known = tuple(name for name in METRICS if name not in NPU_METRICS)
    assert tuple(subnet_costs(spec, NETWORK, table, front_end=PANNS)) == known
    assert tuple(subnet_costs(spec, NETWORK, front_end=PANNS)) == known[:-1]


def test_a_table_survives_its_file(tmp_path):
    path = tmp_path / "table.json"
    table = dataclasses.replace(TABLE, extra={"check": {"median_ape": 0.02}})
    path.write_text(json.dumps(table.as_json()))

    assert LatencyTable.load(path) == table


def test_a_table_of_mobilenets_has_layers_without_squeeze_and_excitation(tmp_path):
    space = mobilenet_space("mn04")
    network = space.network(5, 50, 64, task="multi_label")
    table = uniform_table([space.smallest], network)
    assert any(dict(row.sizes).get("squeezed") == 0 for row in table.layer_ms)
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table.as_json()))

    assert LatencyTable.load(path) == table


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": 2}, '"format": 1'),
        ({"threads": None}, "'threads' is missing"),
        ({"network": {"frames": 50}}, "'mel_bins' is missing"),
        ({"layers": {}}, "'layers' is missing or of another type"),
        ({"layers": [{"ms": 3}]}, "'kind' is missing"),
        ({"layers": [{**TABLE.as_json()["layers"][0], "ms": float("nan")}]}, "are not negative"),
        ({"layers": [{**TABLE.as_json()["layers"][0], "ms": True}]}, "'ms' is missing"),
        ({"layers": TABLE.as_json()["layers"][:1] * 2}, "a layer occurs twice"),
    ],
)
def test_a_damaged_table_is_refused_with_the_remedy(tmp_path, change, expected):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**TABLE.as_json(), **change}))

    with pytest.raises(ValueError, match=r"table\.json is not a latency table") as caught:
        LatencyTable.load(path)
    assert expected in str(caught.value)
    assert "docs/latency_table.md" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "table.json"
    path.write_text(content)

    with pytest.raises(ValueError, match="is not a latency table"):
        LatencyTable.load(path)


def test_a_missing_table_is_named_with_the_command_that_writes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"latency table .*no\.json.*profile_device"):
        LatencyTable.load(tmp_path / "no.json")


@pytest.mark.parametrize("name", ["frames", "classes", "embedding_units", "mel_bins"])
def test_a_table_of_another_network_is_refused(name):
    other = dataclasses.replace(NETWORK, **{name: getattr(NETWORK, name) + 1})

    with pytest.raises(ValueError, match=f"{name} .*measure again"):
        TABLE.predict(SPACE.smallest, other)


def test_a_layer_that_was_not_measured_is_named():
    with pytest.raises(
        ValueError, match="no row for a convolution with channels_in 8, channels_out 11"
    ):
        TABLE.predict(parse_subnet("4x2-8x2-11x2-16x1"), NETWORK)
