"""What a later stage would refuse is said before the first; the machine's settings have no say."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.pipelines.conftest import TINY
from tests.programs import ROOT, Finished, program, run_program, run_without_tensorflow

NOISE = ("cuBLAS", "cuDNN", "cuFFT", "absl::InitializeLog", "oneDNN", "cpu_feature_guard")


# Permissions do not bind root until it gives up CAP_DAC_OVERRIDE (by PR_CAPBSET_DROP).
WITHOUT_OVERRIDE = (
    sys.executable,
    "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])",
)


def run(
    name: str, *arguments: object, before: tuple[str, ...] = (), **environment: str
) -> Finished:
    """A program with other environment variables, started by another command if one is given."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    done = subprocess.run(
        [*before, *program(name, *arguments)],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def clip_list(folder, rows: dict[str, str]):
    """A CSV list of short noises: labels by file and split, such as `1 train`."""
    lines = ["path,labels,split"]
    for place, labels in rows.items():
        name, split = place.split()
        noise = np.random.default_rng(int(name)).normal(0, 0.1, 8000)
        soundfile.write(folder / f"{name}.wav", noise, 16000)
        lines.append(f"{name}.wav,{labels},{split}")
    (folder / "clips.csv").write_text("\n".join(lines), "utf-8")
    return [f"--source={folder / 'clips.csv'}", "--dataset=csv", "--clip_secs=0.5"]


def refused(tmp_path, rows: dict[str, str], *more: str) -> str:
    """The last line of `train`, which must end before anything is prepared."""
    source = clip_list(tmp_path, rows)
    places = [f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}"]
    done = run_program("train", *source, *places, "--budget=params<=8k", *more)
    assert done.code == 1
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "data").exists()
    return done.stderr.splitlines()[-1]


def test_one_class_is_refused_before_it_is_prepared(tmp_path):
    rows = {"1 train": "dog", "2 train": "dog", "3 validation": "dog", "4 evaluation": "dog"}

    assert "'dog' is the only class and every training clip has it" in refused(tmp_path, rows)


def test_a_split_without_mean_average_precision_is_refused_before_it_is_prepared(tmp_path):
    rows = {"1 train": "dog;cat", "2 train": "cat", "3 validation": "dog", "4 evaluation": "cat"}
    message = refused(tmp_path, rows, "--task=multi_label")

    assert "validation clips: no clip has cat; every clip has dog" in message


def test_a_class_without_clips_is_named_in_log_and_json(tmp_path):
    rows = {"1 train": "dog", "2 train": "cat", "3 validation": "dog", "4 validation": "cat"}
    source = clip_list(tmp_path, {**rows, "5 train": "owl", "6 evaluation": "owl"})
    done = run_program("prepare", *source, f"--data_dir={tmp_path / 'data'}")

    gaps = {gap["split"]: gap for gap in done.result["class_gaps"]}
    assert gaps["validation"]["without_positive"] == ["owl"]
    assert gaps["evaluation"]["without_negative"] == ["owl"]
    assert "left out of mAP" in gaps["validation"]["effect"]
    assert "validation clips: no clip has owl: they are left out of mAP" in done.stderr


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("train", ["--budget=params<=8k", "--stages=subnet"]),
        ("convert", []),
        ("evaluate", ["--model={workdir}"]),
    ],
)
def test_a_subnet_that_does_not_exist_fails_without_tensorflow(trained, name, flags):
    places = [f"--data_dir={trained.data_dir}"]
    places += [] if name == "evaluate" else [f"--workdir={trained.workdir}"]
    given = [flag.format(workdir=trained.workdir) for flag in flags]
    done = run_without_tensorflow(name, *places, *given, "--subnet=biggest")

    assert done.code == 1
    assert "names smallest, largest, 0.4, 0.6, 0.8, 1" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["prepare", "train", "search", "convert", "evaluate"])
def test_another_backend_of_keras_is_refused_at_once(tmp_path, name):
    places = [f"--data_dir={tmp_path / 'data'}"]
    where = {"prepare": [], "evaluate": [f"--model={tmp_path}"]}
    places += where.get(name, [f"--workdir={tmp_path / 'run'}"])
    done = run(name, *places, KERAS_BACKEND="jax")

    assert done.code == 1
    assert done.stderr.splitlines()[-1].startswith("error: KERAS_BACKEND=jax in the environment")
    assert not list(tmp_path.iterdir())


def test_keras_json_has_no_say_in_the_network(trained, tmp_path):
    settings = {"image_data_format": "channels_first", "floatx": "float16", "backend": "jax"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    flags = ["--stages=teacher", f"--workdir={tmp_path / 'run'}"]
    others = [flag for flag in trained.flags if not flag.startswith("--workdir")]
    done = run("train", *others, *flags, KERAS_HOME=str(tmp_path))

    result, expected = (r["stages"]["teacher"] for r in (done.result, trained.result))
    assert {**result, "seconds": 0, "file": ""} == {**expected, "seconds": 0, "file": ""}
    assert "image_data_format was 'channels_first' (from keras.json" in done.stderr


def test_the_start_of_tensorflow_is_silent(trained):
    arguments = [
        f"--model={trained.workdir}",
        "--subnet=smallest",
        f"--data_dir={trained.data_dir}",
    ]
    done = run("evaluate", *arguments)

    assert done.code == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if any(word in line for word in NOISE)]


def test_complete_records_need_no_right_to_write(trained, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(trained.data_dir, data_dir)
    folders = [data_dir, *(path for path in data_dir.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    flags = [flag for flag in trained.flags if not flag.startswith(("--workdir", "--data_dir"))]
    flags += [f"--data_dir={data_dir}", "--stages=prepare"]
    done = run("train", *flags, f"--workdir={tmp_path / 'run'}", before=WITHOUT_OVERRIDE)
    (shard, *_) = data_dir.glob("*.tfrecord")
    shard.write_bytes(b"damaged")
    refused = run("train", *flags, f"--workdir={tmp_path / 'run'}", before=WITHOUT_OVERRIDE)
    for folder in folders:
        folder.chmod(0o755)

    assert done.result["stages"]["prepare"]["clips"]["train"] == 48
    assert refused.code == 1
    assert f"Permission denied: '{data_dir}" in refused.stderr.splitlines()[-1]


def test_no_folder_for_temporary_files_is_told_before_the_first_stage(tmp_path):
    """Python tries TMPDIR, then folders that all users may write to, then the current one."""
    code = (
        "import sys, tempfile\n"
        f"tempfile._candidate_tempdir_list = lambda: [{str(tmp_path / 'missing')!r}]\n"
        "from pipelines import program, train\n"
        "program.run(train.main)\n"
    )
    places = [f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *TINY, *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "set TMPDIR to a folder of yours" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
