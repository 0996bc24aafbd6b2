"""The program `convert` for a target, and budgets on what it records."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.results import ConvertedFile
from aec_ofa_tf.export.size_bounds import require_ports_within, within_budgets
from aec_ofa_tf.search.config import SearchConfig
from tests.pipelines.conftest import RANK_SWAP, export
from tests.programs import run_program
from tfrecords.records import open_records

pytest.importorskip("tflite_micro", reason="needs the extra micro")
pytest.importorskip("ethosu", reason="needs the extra micro")

pytestmark = pytest.mark.slow
NAME = "log_mel-int8-io_int8"


@pytest.mark.parametrize("target", ["micro", "ethos-u55-128"])
def test_a_subnet_is_converted_for_a_target_with_a_card(trained, tmp_path, target):
    result = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=smallest",
        f"--target={target}",
        f"--out={tmp_path}",
        "--max_map_drop=1",
        "--representative_clips=8",
    ).result

    folder = tmp_path / f"{NAME}-{target}"
    assert {path.name for path in folder.iterdir()} >= {
        "model_data.h",
        "model_data.cc",
        "op_resolver.h",
    }
    card = (tmp_path / f"{NAME}.tflite.md").read_text()
    assert f"## On the target {target}" in card
    cost = "arena_bytes" if target == "micro" else "ethos_u55_128_sram_bytes"
    assert f"{result[cost]:,} bytes" in card
    if target == "micro":
        assert result["port"]["micro"]["clips"] == 24
        assert result["port"]["micro"]["logit_steps"] <= 1
        _check_scored_alike(tmp_path / f"{NAME}.tflite", trained.data_dir)
    assert json.loads(json.dumps(ConvertedFile.from_dict(result).as_dict())) == {
        name: value for name, value in result.items() if name not in ("files", "left_out")
    }


def _check_scored_alike(path, data_dir):
    """The figure in the micro interpreter is that of LiteRT, but for scores a step apart."""
    flags = f"--model={path}", f"--data_dir={data_dir}"
    litert, micro = (
        run_program("evaluate", *flags, f"--interpreter={name}").result
        for name in ("litert", "micro")
    )
    assert micro["interpreter"] == "micro"
    assert micro["clips"] == litert["clips"] == 24
    assert abs(micro["mAP"] - litert["mAP"]) < RANK_SWAP


def test_a_file_with_float_ends_is_not_for_the_micro_interpreter(trained):
    done = run_program(
        "evaluate",
        f"--model={export(trained) / 'log_mel-int8.tflite'}",
        f"--data_dir={trained.data_dir}",
        "--interpreter=micro",
    )

    assert done.code == 1
    assert "has float input or output" in done.stderr
    assert "--io_type=int8" in done.stderr


def test_a_subnet_found_for_an_arena_is_within_it(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    (workdir / "search" / "result.json").unlink()
    experiment = Experiment.open(workdir, open_records(trained.data_dir))
    experiment.search(SearchConfig(["arena_bytes<=50k"]))
    config = ExportConfig.for_target(
        "micro", max_map_drop=1.0, parity_clips=8, representative_clips=4
    )
    result = experiment.family(config)

    (file,) = result.files
    assert file.port.micro.arena_bytes <= 50_000
    table = (workdir / "export" / "family.md").read_text()
    assert re.search(r"\| *arena_bytes *\|", table)
    assert f"{file.port.micro.arena_bytes:,}" in table
    # A second call finds the export done; without one of the C files it is not.
    (exported,) = experiment.export(config).files
    assert exported.port == file.port
    array = exported.path.parent / file.port.folder / "model_data.cc"
    array.unlink()
    experiment.export(config)
    assert array.is_file()

    over = Budget.parse("arena_bytes<=4k")
    reason = r"arena_bytes of the finished file is [\d,]+, and the budget allows 4,000"
    kept, (left_out,) = within_budgets([exported], {exported.path.parent: over})
    assert kept == []
    assert re.search(reason, left_out.reason)
    assert not exported.path.exists()
    assert not array.exists()

    (again,) = experiment.export(config).files
    require_ports_within([again], [Budget.parse("arena_bytes<=50k")])
    with pytest.raises(RuntimeError, match=rf"was found for arena_bytes<=4k: {reason}"):
        require_ports_within([replace(again)], [over])
    assert not again.path.exists()


def test_a_target_with_floats_is_refused_by_its_flags(trained, tmp_path):
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=smallest",
        "--target=micro",
        "--io_type=float32",
        f"--out={tmp_path}",
    )
    assert done.code != 0
    assert "--target='micro' needs a log_mel input and --io_type='int8'" in done.stderr
