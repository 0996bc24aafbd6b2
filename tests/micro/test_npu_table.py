"""Tables of layers that Vela compiled, against whole subnets, and searches with them."""

import json
import re
import shutil

import pytest

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.npu import NpuTable, npu_metrics
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.size_bounds import within_budgets
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.search.config import SearchConfig
from tests.micro.files import convert_all
from tests.programs import run_program
from tfrecords.records import open_records

pytest.importorskip("ethosu", reason="needs the extra micro")
pytestmark = pytest.mark.slow

ACCELERATORS = ("ethos-u55-128", "ethos-u85-256")
FAMILIES = {
    "cnn10": (cnn10_space("[2,2,X]", base_channels=8, width_ratios=(0.5, 1.0)), 48, 40),
    "mobilenet": (
        mobilenet_space("mn04 width=1 expand=0.5 last=0.5,1 hidden=0.5 kernel=full depth=full"),
        50,
        64,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_of_whole_subnets_every_cost_is_within_10_percent(family, tmp_path):
    from aec_ofa_tf.micro.npu_profile import compiled_costs, profile_npus

    space, frames, mel_bins = FAMILIES[family]
    network = space.network(12, frames, mel_bins, task="multi_label")
    table = profile_npus(space, network, ACCELERATORS, check_subnets=2)
    check = table.extra["check"]
    assert len(check["subnets"]) == 2
    # The U85's weights lie in DRAM.
    assert set(check["costs"]) == set(table.metrics) - {"ethos_u85_256_flash_bytes"}
    for metric, errors in check["costs"].items():
        assert errors["max_ape"] < 0.1, (metric, errors)

    # The files that conversion compiles, one process each, cost the same.
    subnet = space.parse_subnet(check["subnets"][0]["subnet"])
    (conversion,) = convert_all([subnet], network, tmp_path, "ethos-u55-128")
    whole = compiled_costs(network, [subnet], ["ethos-u55-128"])[subnet]
    assert set(whole) == set(npu_metrics("ethos-u55-128"))
    for metric, value in conversion.port.costs.items():
        assert whole[metric] == pytest.approx(value, rel=0.03), metric


def test_a_search_within_a_budget_on_an_npu_ends_with_a_file_within_it(trained, tmp_path):
    workdir, table = tmp_path / "run", tmp_path / "npu.json"
    shutil.copytree(trained.workdir, workdir)
    (workdir / "search" / "result.json").unlink()
    places = f"--workdir={workdir}", f"--data_dir={trained.data_dir}"
    target = "--target=ethos-u55-128"
    profiled = run_program(
        "profile_device", places[0], target, f"--out={table}", "--check_subnets=3"
    ).result
    assert profiled["ethos_u55_128_ms"]["max_ape"] < 0.1
    network = Experiment.open(workdir, open_records(trained.data_dir)).run.network
    space = Experiment.open(workdir, open_records(trained.data_dir)).space
    layers = NpuTable.load(table)
    srams = sorted(
        layers.predict("ethos_u55_128_sram_bytes", subnet, network) for subnet in space.subnets()
    )
    bound = srams[len(srams) // 2]

    refused = run_program("search", *places, "--budget=ethos_u55_128_ms<=9")
    assert refused.code == 1
    assert re.search(
        r"--npu_table, a file that `.*profile_device --target=ethos-u55-128", refused.stderr
    )
    budget = f"ethos_u55_128_sram_bytes<={bound},ethos_u55_128_ms<=9"
    searched = run_program(
        "search", *places, f"--budget={budget}", "--budget=params<=8k", f"--npu_table={table}"
    )
    (row, other) = searched.result["budgets"]
    assert row["ethos_u55_128_sram_bytes"] <= bound
    assert 0 < other["ethos_u55_128_ms"] < 9
    assert "ethos_u55_128_ms" in searched.result["pareto"]
    assert re.search(r"ethos_u55_128_ms +\| +ethos_u55_128_sram_bytes", searched.stderr)
    header = (workdir / "search" / "candidates.csv").read_text().splitlines()[0].split(",")
    assert set(npu_metrics("ethos-u55-128")) <= set(header)

    out = tmp_path / "out"
    convert = "convert", *places, target, "--max_map_drop=1", "--representative_clips=4"
    assert run_program(*convert, "--family", f"--out={out}").code == 0
    rows = json.loads((out / "family.json").read_text())["rows"]
    (file,) = (each for each in rows if each["budget"] == budget)
    assert file["ethos_u55_128_sram_bytes"] <= bound
    # With trained weights, as the search knew it with random ones.
    for metric in npu_metrics("ethos-u55-128"):
        assert file[metric] == pytest.approx(row[metric], rel=0.1), metric
    card = (out / file["card"]).read_text()
    assert f"{file['ethos_u55_128_sram_bytes']:,} bytes" in card

    # A file that exceeds the budget that its subnet was found for is refused.
    result = json.loads((workdir / "search" / "result.json").read_text())
    for each in result["budgets"]:
        each["budget"] = each["budget"].replace(f"_bytes<={bound}", f"_bytes<={bound // 4}")
    (workdir / "search" / "result.json").write_text(json.dumps(result))
    over = run_program(*convert, f"--subnet={row['subnet']}", f"--out={tmp_path / 'one'}")
    assert over.code == 1
    assert re.search(
        r"was removed\. It was found for .*: ethos_u55_128_sram_bytes of the finished file is",
        over.stderr,
    )
    assert not list((tmp_path / "one").glob("log_mel*"))


def test_a_file_for_another_target_is_not_checked_and_says_so(trained, tmp_path, caplog):
    experiment = Experiment.open(trained.workdir, open_records(trained.data_dir))
    config = ExportConfig.for_target(
        "ethos-u55-128", max_map_drop=1.0, parity_clips=8, representative_clips=4
    )
    (file,) = experiment.export(config, "smallest", out=tmp_path, score=False).files
    budget = Budget.parse("arena_bytes<=1,ethos_u55_128_ms<=1k,ethos_u65_256_ms<=1")

    kept, left_out = within_budgets([file], {file.path.parent: budget})
    assert kept == [file]
    assert left_out == ()
    assert (
        "its arena_bytes is not checked: it is that of a file for the target micro" in caplog.text
    )
    assert "its ethos_u65_256_ms is not checked" in caplog.text
    assert "its ethos_u55_128_ms" not in caplog.text


def test_flags_of_this_machine_do_not_apply_to_npus(tmp_path):
    arguments = "profile_device", f"--out={tmp_path / 'npu.json'}", "--classes=5"
    done = run_program(*arguments, "--target=ethos-u55-128", "--threads=2")
    assert done.code == 1
    assert "--threads cannot be used with --target" in done.stderr
    done = run_program(*arguments, "--target=ethos-u99")
    assert done.code == 1
    assert "--target are some of ethos-u55-32" in done.stderr


def test_a_search_config_takes_the_table_by_its_path(tmp_path):
    config = SearchConfig(["ethos_u55_128_ms<=9"], npu_table=str(tmp_path / "npu.json"))
    assert config.bounded_npu_costs == ["ethos_u55_128_ms"]


def test_the_suite_compares_a_table_with_whole_subnets(tmp_path):
    space = "--space=mn04 width=1 expand=0.5 last=0.5 hidden=0.5,1 kernel=full depth=full"
    sizes = "--frames=32", "--classes=5", "--whole_subnets=1", "--target=ethos-u55-32"
    result = run_program("benchmark", "--suite=npu", space, *sizes).result
    assert set(result["costs"]) == set(npu_metrics("ethos-u55-32"))
    assert result["settings"]["subnets"] == 1
    for errors in result["costs"].values():
        assert -0.1 < errors["least"] <= errors["greatest"] < 0.1
