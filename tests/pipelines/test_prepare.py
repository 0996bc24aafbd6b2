import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10"


def prepare(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.prepare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def summary(ended: subprocess.CompletedProcess[str]) -> dict:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_the_synthetic_default_needs_no_source_and_is_done_once(tmp_path):
    data_dir = tmp_path / "data"
    few = [f"--{split}_clips=6" for split in ("train", "validation", "evaluation")]
    arguments = [f"--data_dir={data_dir}", "--clip_secs=0.6", "--seed=5", *few]
    result = summary(prepare(*arguments))
    assert result.pop("seconds") > 0
    gaps = result.pop("class_gaps")
    assert {gap["split"]: gap["without_positive"] for gap in gaps} == {
        "train": ["chirp", "ticking"],
        "validation": ["beeps", "bell", "crackle", "hum"],
        "evaluation": ["beeps", "chirp"],
    }
    assert result == {
        "clips": {"train": 6, "validation": 6, "evaluation": 6},
        "quarantined": 0,
        "missing": 0,
        "silent": 0,
        "labels": 10,
        "bandwidth_hz": {"10%": 16000, "50%": 16000, "90%": 16000},
        "advice": None,
        "data_dir": str(data_dir),
    }
    assert len(list((data_dir / "source" / "audio").glob("*.flac"))) == 18
    written = {path: path.stat().st_mtime_ns for path in data_dir.glob("*.tfrecord")}
    assert summary(prepare(*arguments))["clips"] == result["clips"]
    assert {path: path.stat().st_mtime_ns for path in written} == written
    refused = prepare(*arguments, "--payload=audio")
    assert refused.returncode == 1
    assert "payload: 'log_mel' there, 'audio' requested" in refused.stderr


def test_a_folder_of_classes_with_a_bad_clip_is_reported(tmp_path):
    for number in range(30):
        path = tmp_path / "raw" / ("dog", "rain")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.sin(np.arange(8000) * 0.1), 16000)
    (tmp_path / "raw" / "dog" / "bad.wav").write_bytes(b"")
    arguments = ["--dataset=folder", f"--source={tmp_path / 'raw'}", "--clip_secs=0.5"]
    data_dir = f"--data_dir={tmp_path / 'data'}"
    refused = prepare(*arguments, data_dir, "--max_bad_fraction=0")
    assert refused.returncode == 1
    assert "bad.wav (empty file)" in refused.stderr
    assert refused.stdout == ""
    result = summary(prepare(*arguments, data_dir, "--max_bad_fraction=0.5"))
    assert sum(result["clips"].values()) == 30
    assert (result["quarantined"], result["labels"]) == (1, 2)


def recordings(root: Path, *classes: str) -> Path:
    for label in classes:
        for number in range(4):
            path = root / label / f"{label}_{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * np.sin(np.arange(8000) * 0.1), 16000)
    return root


def test_a_forgotten_dataset_writes_nothing_into_the_recordings(tmp_path):
    raw = recordings(tmp_path / "raw", "dog")
    (raw / "clips.csv").write_text("path,labels,split\n")
    (raw / "labels.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    scenes = [f"--{split}_clips=2" for split in ("train", "validation", "evaluation")]
    refused = prepare(f"--source={raw}", f"--data_dir={tmp_path / 'data'}", *scenes)
    assert refused.returncode == 1
    assert "needs --dataset, its layout; it looks like csv (with --source=" in refused.stderr
    assert "or folder (recordings in dog)" in refused.stderr
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == before
    assert not (tmp_path / "data").exists()


def test_an_unmistakable_source_needs_no_dataset(tmp_path):
    raw = recordings(tmp_path / "raw", "dog", "rain")
    places = [f"--source={raw}", f"--data_dir={tmp_path / 'data'}", "--clip_secs=0.5"]
    ended = prepare(*places, "--source_pattern=([a-z]+)_[0-9]")
    result = summary(ended)
    assert f"--dataset=folder, by the layout of {raw}" in ended.stderr
    assert "one recording holds all clips of dog (4), rain (4); source_pattern=" in ended.stderr
    assert "no validation clip of dog (1), rain (1)" in ended.stderr
    assert (sum(result["clips"].values()), result["labels"]) == (8, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data_dir is required"),
        (["--dataset=esc50", "--data_dir=x"], "needs --source"),
        (["--dataset=esc50", "--data_dir=x", "--eval_folds=a", "--source=y"], "--eval_folds takes"),
        (["--data_dir=x", "stray"], "unexpected arguments"),
        (["--data_dir=x", "--clip_secs=inf"], "finite number of seconds, received inf"),
        (["--dataset=csv", "--data_dir=x", "--source=."], "--source is the list file"),
    ],
)
def test_wrong_flags_are_explained(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    ended = prepare(*arguments)
    assert ended.returncode != 0
    assert message in ended.stdout + ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_source_is_refused_before_tensorflow_is_imported(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "pipelines.prepare", "--dataset=esc50"]
    places = [f"--source={tmp_path / 'none'}", f"--data_dir={tmp_path / 'data'}"]
    ended = subprocess.run([*command, *places], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"{tmp_path / 'none'}" in ended.stderr.splitlines()[-1]
    assert "| tensorflow\n" not in ended.stderr
    assert "pipelines.flags\n" in ended.stderr


def test_options_that_beam_refuses_are_named(tmp_path):
    arguments = [f"--{split}_clips=2" for split in ("train", "validation", "evaluation")]
    wrong = "--beam_arg=--direct_num_workers=many"
    ended = prepare(f"--data_dir={tmp_path}", "--clip_secs=0.2", *arguments, wrong)
    assert ended.returncode == 1
    named = wrong.replace("=--", "=['--") + "']"
    assert f"error: Apache Beam does not accept {named}: " in ended.stderr
    assert "invalid int value: 'many'" in ended.stderr
    assert "usage:" not in ended.stderr


@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not beside the repository")
def test_real_recordings_in_the_esc50_layout(tmp_path):
    header, *rows = (ESC10 / "meta" / "esc50.csv").read_text().splitlines()
    few = [row for row in rows if row.split(",")[3] in ("dog", "rain")][::4]
    for name in ("audio", "meta"):
        (tmp_path / "esc" / name).mkdir(parents=True)
    (tmp_path / "esc" / "meta" / "esc50.csv").write_text("\n".join([header, *few]))
    for row in few:
        shutil.copy(ESC10 / "audio" / row.split(",")[0], tmp_path / "esc" / "audio")
    result = summary(
        prepare(
            "--dataset=esc50", f"--source={tmp_path / 'esc'}", f"--data_dir={tmp_path / 'data'}"
        )
    )
    assert sum(result["clips"].values()) == len(few) == 20
    assert (result["quarantined"], result["missing"], result["labels"]) == (0, 0, 2)


def test_preparation_needs_no_tensorflow(tmp_path, monkeypatch):
    """Its import would take most of the time of a small preparation."""
    for number in range(20):
        path = tmp_path / "raw" / ("dog", "rain")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.sin(np.arange(8000) * 0.1), 16000)
    for name in ("tensorflow", "keras"):
        (tmp_path / "first" / f"{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "first" / f"{name}.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    arguments = ["--dataset=folder", f"--source={tmp_path / 'raw'}", "--clip_secs=0.5"]

    for payload in ("log_mel", "audio"):
        data_dir = f"--data_dir={tmp_path / payload}"
        result = summary(prepare(*arguments, data_dir, f"--payload={payload}"))
        assert sum(result["clips"].values()) == 20
