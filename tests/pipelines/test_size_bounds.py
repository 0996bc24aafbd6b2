"""A file is shipped only if it is within its own budget."""

import json
import shutil

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.search.config import SearchConfig
from tfrecords.records import open_records


def test_a_family_has_no_file_over_its_own_budget(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    (workdir / "search" / "result.json").unlink()
    experiment = Experiment.open(workdir, open_records(trained.data_dir))
    (least, _) = sorted(row["tflite_bytes_int8"] for row in _costs(trained))
    bound = f"tflite_bytes_int8<={least + 1000}"
    both = f"{bound},tflite_bytes_int8_waveform<=1M"
    experiment.search(SearchConfig([bound, both]))
    kinds = {"inputs": ["log_mel", "waveform"], "quantizations": ["int8"]}
    config = ExportConfig(**kinds, max_map_drop=1.0, parity_clips=8, representative_clips=4)
    result = experiment.family(config)

    made = [(file.budget, file.input) for file in result.files]
    assert made == [(bound, "log_mel"), (both, "log_mel"), (both, "waveform")]
    assert all(f.bytes <= least + 1000 for f in result.files if f.input == "log_mel")
    (left_out,) = result.left_out
    table = workdir / "export" / "family"
    assert left_out.bytes > least + 1000
    assert str(left_out) in table.with_suffix(".md").read_text()
    assert json.loads(table.with_suffix(".json").read_text())["left_out"][0]["budget"] == bound
    assert not list(workdir.glob(f"export/{left_out.file.split('/')[-2]}/waveform*"))
    # A second call finds the export done, and still knows what is left out.
    assert experiment.export(config).left_out == result.left_out


def _costs(trained):
    return trained.result["stages"]["search"]["budgets"]
