"""Any file in, labels out, on the core install: without TensorFlow."""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.io.decode import fit_length, read_waveform
from aec_ofa_tf.audio.log_mel import log_mel
from tests.pipelines.tag.conftest import CLIP, LABELS, RATE_HZ, last_json
from tests.pipelines.tag.core_install import ROOT, clean_environment


def scores_of(tags):
    return {tag["label"]: tag["score"] for tag in tags}


def keras_scores(model, file, hop=CLIP):
    """What Keras gives each window: [windows, classes]."""
    waveform = read_waveform(file, RATE_HZ)
    starts = [*range(0, max(1, len(waveform) - CLIP), hop), max(0, len(waveform) - CLIP)]
    windows = [fit_length(waveform[start : start + CLIP], CLIP, "repeat") for start in starts]
    return model(log_mel(tf.constant(np.stack(windows))), training=False).numpy()


@pytest.mark.parametrize("name", ["tensorflow", "keras", "matplotlib", "filelock", "scipy"])
def test_the_core_install_has_no_part_of_the_training_stack(core_python, name):
    done = subprocess.run([core_python, "-c", f"import {name}"], capture_output=True, check=False)
    assert b"ModuleNotFoundError" in done.stderr


def test_programs_that_need_more_say_so(core_python, folder, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    done = subprocess.run(
        [
            core_python,
            "-m",
            "pipelines.evaluate",
            f"--model={folder}/log_mel.tflite",
            "--data_dir=.",
        ],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"is not installed" in done.stderr
    assert b"pip install -e '.[train]'" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_tags_are_what_keras_says(tag, audio, model, form):
    result = last_json(tag("--top_k=4", audio["long"], audio["short"], form=form))
    files = result["files"]
    assert [file["file"] for file in files] == [str(audio["long"]), str(audio["short"])]
    assert [file["windows_scored"] for file in files] == [4, 1]
    assert [file["audio_secs"] for file in files] == [2.0, 0.5]
    for file in files:
        best = keras_scores(model, file["file"]).max(axis=0)
        expected = dict(zip(LABELS, best, strict=True))
        received = scores_of(file["tags"])
        assert received == pytest.approx(expected, abs=1e-4)
        assert [*received] == sorted(received, key=received.__getitem__, reverse=True)
        assert file["real_time_factor"] == pytest.approx(
            file["audio_secs"] / file["compute_secs"], rel=1e-2
        )
    assert np.ptp(list(expected.values())) > 0.01
    assert result["real_time_factor_is"] == "audio seconds per compute second"
    assert 0.05 < result["startup_secs"] < 30


def test_windows_are_hopped_and_smoothed(tag, audio, model):
    hop = CLIP // 4
    times = (f"--hop_secs={hop / RATE_HZ}", f"--smoothing_secs={2 * hop / RATE_HZ}")
    (file,) = last_json(tag("--per_window", "--top_k=4", *times, audio["long"]))["files"]
    raw = keras_scores(model, audio["long"], hop)
    # Of two windows; the last one, aligned to the end, may reach a third.
    smoothed = [raw[0], *((a + b) / 2 for a, b in itertools.pairwise(raw[:-1]))]
    smoothed.append(raw[-3:].mean(axis=0))
    assert len(file["windows"]) == file["windows_scored"] == len(smoothed)
    for number, (window, scores) in enumerate(zip(file["windows"], smoothed, strict=True)):
        expected = dict(zip(LABELS, scores, strict=True))
        assert scores_of(window["tags"]) == pytest.approx(expected, abs=1e-4), number
        assert window["end_secs"] - window["begin_secs"] == pytest.approx(CLIP / RATE_HZ, abs=1e-5)
    assert file["windows"][-1]["end_secs"] == 2.0
    best = dict(zip(LABELS, np.max(smoothed, axis=0), strict=True))
    assert scores_of(file["tags"]) == pytest.approx(best, abs=1e-4)


def test_a_reader_sees_an_aligned_table_before_the_json(tag, audio):
    result = tag("--top_k=2", "--per_window", audio["long"])
    name, head, *rows = result.stdout.decode().splitlines()
    assert name == str(audio["long"])
    assert head.split()[:3] == ["begin", "-", "end"]
    windows = last_json(result)["files"][0]["windows"]
    for number, window in enumerate(windows):
        first, second = window["tags"]
        times = f"{window['begin_secs']:.2f} - {window['end_secs']:.2f}".split()
        assert rows[2 * number].split(maxsplit=4) == [
            *times,
            f"{first['score']:.3f}",
            first["label"],
        ]
        assert rows[2 * number].index(first["label"]) == rows[2 * number + 1].index(second["label"])
    assert any("real-time factor" in row and "audio seconds per compute" in row for row in rows)


def test_labels_below_their_thresholds_are_not_told(tag, audio):
    every = scores_of(last_json(tag("--top_k=4", audio["long"]))["files"][0]["tags"])
    best, second, *_ = every
    between = (every[best] + every[second]) / 2
    (file,) = last_json(tag(audio["long"], f"--threshold={between}"))["files"]
    assert [*scores_of(file["tags"])] == [best]
    limits = (f"--label_threshold={best}=1.1", f"--label_threshold={second}=0", "--threshold=1")
    (file,) = last_json(tag(audio["long"], *limits))["files"]
    assert [*scores_of(file["tags"])] == [second]


def test_where_nothing_reaches_its_threshold_is_told(tag, audio, tmp_path):
    result = tag(audio["long"], "--threshold=2", "--csv=tags.csv")
    assert last_json(result)["files"][0]["tags"] == []
    assert b"nothing reaches its threshold" in result.stdout
    assert b"scores lie between 0 and 1" in result.stderr
    with (tmp_path / "tags.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["label"], row["error"]) == (str(audio["long"]), "", "")


def test_an_output_takes_the_place_of_nothing_but_a_file(tag, folder, audio, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "sound.flac").hardlink_to(audio["long"])
    for name in ("log_mel.tflite", "front_end.tflite"):
        shutil.copy(folder / name, tmp_path / name)
    for csv_file, message in (
        ("pipe", b"pipe is no ordinary file"),
        ("sound.flac", b"sound.flac is in use"),
        ("front_end.tflite", b"front_end.tflite is in use"),
    ):
        before = (tmp_path / csv_file).stat()
        result = tag("--model=log_mel.tflite", f"--csv={csv_file}", audio["long"])
        assert result.returncode == 1
        assert message in result.stderr
        assert (tmp_path / csv_file).stat()[:7] == before[:7]


def test_a_link_leads_to_the_file_that_is_replaced(tag, audio, tmp_path):
    (tmp_path / "link.csv").symlink_to("tags.csv")
    last_json(tag("--csv=link.csv", audio["long"]))
    assert (tmp_path / "link.csv").is_symlink()
    assert len((tmp_path / "tags.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_a_bad_file_is_listed_and_the_others_are_tagged(tag, audio, tmp_path):
    bad = (audio["text"], audio["empty"], tmp_path / "missing.wav", tmp_path)
    result = tag(f"--csv={tmp_path}/new/tags.csv", *bad, audio["long"], audio["long"])
    assert result.returncode == 1
    *failed, once, twice = json.loads(result.stdout.splitlines()[-1])["files"]
    reasons = [file["error"].split(":")[0] for file in failed]
    assert reasons == ["undecodable", "empty file", "missing", "unreadable"]
    assert len(once["tags"]) == 3
    assert once["tags"] == twice["tags"]
    assert b"4 of 6 could not be tagged" in result.stderr
    assert str(audio["text"]).encode() in result.stderr
    assert b"Traceback" not in result.stderr
    with (tmp_path / "new" / "tags.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["error"].split(":")[0] for row in rows] == [*reasons, *[""] * 6]
    told = [(row["label"], float(row["score"])) for row in rows[4:7]]
    assert told == [*scores_of(once["tags"]).items()]
    assert {(row["begin_secs"], row["end_secs"]) for row in rows[4:]} == {("0.0", "2.0")}


def test_a_csv_of_windows_has_a_row_per_label(tag, audio, tmp_path):
    result = tag("--top_k=2", "--per_window", "--csv=tags.csv", audio["long"])
    with (tmp_path / "tags.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    expected = [
        (window["begin_secs"], window["end_secs"], tag["label"], tag["score"])
        for window in last_json(result)["files"][0]["windows"]
        for tag in window["tags"]
    ]
    received = [
        (float(r["begin_secs"]), float(r["end_secs"]), r["label"], float(r["score"])) for r in rows
    ]
    assert received == expected
    assert [path.name for path in tmp_path.iterdir()] == ["tags.csv"]


def test_a_name_that_is_not_utf8_is_tagged(tag, audio, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.flac"
    try:
        Path(os.fsdecode(name)).write_bytes(audio["long"].read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    result = tag("--csv=tags.csv", os.fsdecode(name))
    assert os.fsencode(last_json(result)["files"][0]["file"]) == name
    assert "caf\\udce9.flac" in (tmp_path / "tags.csv").read_text(encoding="utf-8")


def test_a_picture_needs_the_extra_and_says_so_before_any_work(tag, audio, tmp_path):
    result = tag("--plot=tags.png", "--model=missing.tflite", audio["long"])
    assert result.returncode == 1
    assert b"pip install matplotlib" in result.stderr
    assert b"Traceback" not in result.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_picture_is_drawn(tag, audio, tmp_path):
    import_path = {"PYTHONPATH": str(ROOT)}
    result = tag(
        "--plot=tags.png",
        "--hop_secs=0.1",
        audio["long"],
        audio["short"],
        python=sys.executable,
        env={**clean_environment(), **import_path},
    )
    assert len(last_json(result)["files"]) == 2
    assert (tmp_path / "tags.png").read_bytes().startswith(b"\x89PNG")


def test_a_damaged_model_is_named(tag, folder, audio, tmp_path):
    content = (folder / "waveform.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    result = tag(f"--model={tmp_path}/cut.tflite", audio["long"])
    assert result.returncode == 1
    assert b"cut.tflite carries no model card" in result.stderr
    assert result.stdout == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no audio files given"),
        (["a.wav", "--model="], "error: "),
        (["--model=missing.tflite", "a.wav"], "error: there is no model at missing.tflite"),
        (["--top_k=0", "a.wav"], "top_k"),
        (["--hop_secs=0", "a.wav"], "the hop must be at least one sample"),
        (["--hop_secs=nan", "a.wav"], "finite and not negative"),
        (["--hop_secs=1e305", "a.wav"], "finite and not negative"),
        (["--smoothing_secs=-1", "a.wav"], "finite and not negative"),
        (["--label_threshold=Dgo=0.5", "a.wav"], "no label 'Dgo' among its 4; did you mean 'Dog'?"),
        (["--label_threshold=Dog", "a.wav"], "written LABEL=0.7, received 'Dog'"),
        (["--threshold=nan", "a.wav"], "finite number"),
        (["-", "-"], "once only"),
        (["--raw_format=int16", "-"], "add --raw_rate_hz"),
        (["--raw_rate_hz=8000", "-"], "add --raw_format"),
        (["--raw_format=int16", "--raw_rate_hz=8000", "a.wav"], "give - as a file"),
        (["--raw_channels=2", "-"], "add --raw_format"),
        (["--csv=.", "a.wav"], "is a folder"),
        (["--csv=./a.wav", "a.wav"], "./a.wav is in use"),
        (["--csv=x", "--plot=x", "a.wav"], "x is in use"),
        (["--csv=-", "a.wav"], "give --csv the path of a file"),
        (["--plot=x.jpg", "a.wav"], "name it *.png, received x.jpg"),
        (["--model=.", "a.wav"], "error: . is a folder"),
    ],
)
def test_wrong_usage_says_so(tag, arguments, message):
    result = tag(*arguments, stdin=subprocess.DEVNULL)
    assert result.returncode != 0
    assert message in (result.stdout + result.stderr).decode()
    assert b"a.wav: missing" not in result.stderr
    assert b"Traceback" not in result.stderr


def test_a_folder_stands_for_the_recordings_in_it(tag, audio, tmp_path):
    for name in ("in/a.flac", "in/sub/b.FLAC", "in/__MACOSX/c.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(audio["long"], tmp_path / name)
    shutil.copy(audio["text"], tmp_path / "in" / "notes.txt")
    files = last_json(tag(tmp_path / "in"))["files"]
    assert [Path(file["file"]).name for file in files] == ["a.flac", "b.FLAC"]
    (tmp_path / "none").mkdir()
    refused = tag(tmp_path / "none")
    assert refused.returncode == 1
    assert b"contains no file with a suffix of sound files" in refused.stderr
    assert b"none: unreadable: Is a directory" in refused.stderr
