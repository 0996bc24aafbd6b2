"""A file is shipped only if it is within its own budget."""

import json
import shutil
from dataclasses import replace

import pytest

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.size_bounds import require_any, within_budgets
from aec_ofa_tf.search.config import SearchConfig
from tfrecords.records import open_records


def test_a_family_has_no_file_over_its_own_budget(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    (workdir / "search" / "result.json").unlink()
    experiment = Experiment.open(workdir, open_records(trained.data_dir))
    searched = trained.result["stages"]["search"]["budgets"]
    most = max(row["tflite_bytes_int8"] for row in searched) + 1000
    bound = f"tflite_bytes_int8<={most}"
    experiment.search(SearchConfig([bound]))
    kinds = {"inputs": ["log_mel", "waveform"], "quantizations": ["int8"]}
    config = ExportConfig(**kinds, max_map_drop=1.0, parity_clips=8, representative_clips=4)
    result = experiment.family(config)

    (file,), (left_out,) = result.files, result.left_out
    assert (file.budget, file.input) == (bound, "log_mel")
    assert file.bytes <= most
    table = workdir / "export" / "family"
    assert left_out.bytes > most
    assert str(left_out) in table.with_suffix(".md").read_text()
    assert json.loads(table.with_suffix(".json").read_text())["left_out"][0]["budget"] == bound
    assert not list(workdir.glob(f"export/{left_out.file.split('/')[-2]}/waveform*"))
    # Where no file is within its budget, there is no export.
    nothing = within_budgets(
        [replace(file, file=shutil.copy(workdir / "export" / file.file, tmp_path))],
        {tmp_path: Budget.parse("tflite_bytes_int8<=1k")},
    )
    with pytest.raises(RuntimeError, match="no file is within its budget; left out"):
        require_any(*nothing)
    # A second call finds the export done, and still knows what is left out.
    assert experiment.export(config).left_out == result.left_out
