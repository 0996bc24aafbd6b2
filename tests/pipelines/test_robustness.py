"""`evaluate --robustness` and `convert --robustness`: table, JSON, run directory, report, cards."""

import json
import shutil

import pytest

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.robustness.results import CLEAN
from tests.pipelines.conftest import RANK_SWAP, export
from tests.programs import run_program
from tfrecords.records import open_records


@pytest.fixture(scope="module")
def copied(trained, tmp_path_factory):
    """A copy of the run directory, which these tests change."""
    return shutil.copytree(trained.workdir, tmp_path_factory.mktemp("robustness") / "run")


def test_evaluate_shows_and_keeps_the_figures_of_subnet_teacher_and_file(trained, copied):
    file = copied / export(trained).relative_to(trained.workdir) / "waveform-int8.tflite"
    data = f"--data_dir={trained.data_dir}"
    models = {
        "subnet": [f"--model={copied}", "--subnet=smallest"],
        "teacher": [f"--model={copied}", "--teacher"],
        "file": [f"--model={file}"],
    }
    page = copied / PAGE
    for flags in models.values():
        done = run_program("evaluate", data, *flags, "--robustness")
        found = done.result["robustness"]
        plain = run_program("evaluate", data, *flags).result
        assert found["figures"][CLEAN] == pytest.approx(plain["mAP"], abs=RANK_SWAP)
        assert (found["figure"], found["clips"]) == ("mAP", 24)
        text = page.read_text()
        for name, value in found["figures"].items():
            assert f"| {name} " in done.stderr
            assert f"<td>{value:.4f}</td>" in text
            assert f'<th scope="row">{name}</th>' in text
    assert len(list((copied / "robustness").glob("*.json"))) == 3


@pytest.mark.parametrize("arguments", [{}, {"subnet": "smallest", "teacher": True}])
def test_an_experiment_measures_one_network_at_a_time(trained, copied, arguments):
    experiment = Experiment.open(copied, open_records(trained.data_dir))

    with pytest.raises(ValueError, match="either a subnet or teacher=True"):
        experiment.robustness(**arguments)


def test_convert_writes_the_figures_into_cards_and_table(trained, copied):
    result = run_program(
        *("convert", f"--data_dir={trained.data_dir}", f"--workdir={copied}", "--family"),
        *("--robustness", "--quantization=float32", "--parity_clips=24"),
    ).result

    for file in result["files"]:
        figures = file["robustness"]["figures"]
        card = (copied / "export" / f"{file['file']}.md").read_text()
        section = card.partition("## Robustness")[2].partition("\n## ")[0]
        for name, value in figures.items():
            assert any(name in line and f"{value:.4f}" in line for line in section.splitlines()), (
                name
            )
        assert file["worst_mAP"] == min(figures.values())
        assert file["worst_condition"] in (copied / "export" / "family.md").read_text()
    stage = json.loads((copied / "stages" / "convert.json").read_text())
    assert all(row["robustness"] for row in stage["result"]["files"])


def test_files_that_are_not_scored_are_not_measured_either(trained, copied):
    done = run_program(
        *("convert", f"--data_dir={trained.data_dir}", f"--workdir={copied}", "--subnet=smallest"),
        *("--robustness", "--noscore"),
    )
    assert done.code == 1
    assert "leave out --noscore" in done.stderr.splitlines()[-1]


def test_records_without_waveforms_are_refused_before_anything_is_prepared(tmp_path):
    where = (f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}")
    done = run_program("train", *where, "--budget=params<=8k", "--robustness")

    assert done.code == 1
    last = done.stderr.splitlines()[-1]
    assert "--robustness changes waveforms" in last
    assert "prepare another directory with --payload='audio'" in last
    assert not (tmp_path / "data").exists()


def test_evaluate_refuses_records_without_waveforms(trained, copied, tmp_path):
    manifest = tmp_path / "manifest.json"
    shutil.copytree(trained.data_dir, tmp_path, dirs_exist_ok=True)
    value = json.loads(manifest.read_text())
    value["configuration"]["payload"] = "log_mel"
    manifest.write_text(json.dumps(value))
    done = run_program(
        "evaluate", f"--data_dir={tmp_path}", f"--model={copied}", "--teacher", "--robustness"
    )

    assert done.code == 1
    assert "--robustness changes waveforms, and these records" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--noise_source={folder}", "--noise_source is a folder of sound files"),
        ("--noise_low_dbfs=-20", "--noise_low_dbfs=-20 is above --noise_high_dbfs=-40"),
    ],
)
def test_disturbances_that_cannot_be_made_are_refused_before_anything(tmp_path, flag, expected):
    where = (f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}")
    flags = ("--budget=params<=8k", flag.format(folder=tmp_path))
    done = run_program("train", *where, *flags)

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]
    assert not (tmp_path / "data").exists()
