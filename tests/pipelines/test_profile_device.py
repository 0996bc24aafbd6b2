import json

import pytest

from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space
from tests.programs import run_program, run_without_tensorflow

TINY = (
    "--base_channels=4",
    "--frames=32",
    "--classes=5",
    "--width_ratios=1",
    "--repetitions=2",
    "--check_subnets=2",
)


def test_a_table_covers_the_space_and_tells_its_error(tmp_path):
    out = tmp_path / "results" / "table.json"
    result = run_program("profile_device", *TINY, f"--out={out}").result
    table = LatencyTable.load(out)
    network = Cnn10Network(classes=5, frames=32, embedding_units=32)
    subnets = cnn10_space("[2,2,X]", 4, width_ratios=(1.0,)).subnets()

    assert result["layers"] == len(table.layer_ms) == 10
    assert (table.quantization, table.threads) == ("float32", 1)
    rows = {row["subnet"]: row for row in json.loads(out.read_text())["check"]["subnets"]}
    assert set(rows) == set(map(str, subnets))
    for spec in subnets:
        assert table.predict(spec, network) == pytest.approx(rows[str(spec)]["predicted_ms"])
    assert 0 <= result["median_ape"] <= result["max_ape"]


def test_a_run_directory_that_is_none_is_refused_before_tensorflow(tmp_path):
    done = run_without_tensorflow(
        "profile_device", f"--workdir={tmp_path}", f"--out={tmp_path}/t.json"
    )

    assert done.code == 1
    assert "contains no experiment" in done.stderr.splitlines()[-1]
