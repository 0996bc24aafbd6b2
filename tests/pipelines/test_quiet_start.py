"""TensorFlow's messages at its start are hidden; nothing else that is written meanwhile is lost.

The package called tensorflow here writes what the real one writes, at a time that tests choose.
"""

import os
import subprocess
import sys

import pytest

from tests.programs import ROOT

NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "E0000 00:00:1795661643.091992    1105 cuda_blas.cc:52] Unable to register cuBLAS factory\n"
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n"
)
FATAL = "F0000 00:00:1795661643.091992    1105 cpu.cc:52] The library was compiled for AVX\n"


def import_tensorflow(
    tmp_path, ending: str, before: str = "", **environment: str
) -> subprocess.CompletedProcess:
    package = tmp_path / "tensorflow"
    package.mkdir()
    code = f"import os, sys\nos.write(2, {NOISE!r}.encode())\nprint('ours', file=sys.stderr)\n"
    (package / "__init__.py").write_text(code + ending)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"{before}\nimport pipelines, tensorflow, os; os.write(2, b'after\\n')",
        ],
        env={**clean, **paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_tensorflow_s_messages_are_hidden(tmp_path):
    assert import_tensorflow(tmp_path, "").stderr == "ours\nafter\n"


def test_all_messages_are_shown_to_those_who_ask(tmp_path):
    done = import_tensorflow(tmp_path, "", TF_CPP_MIN_LOG_LEVEL="0")

    assert done.stderr == f"{NOISE}ours\nafter\n"


def test_without_a_process_for_the_filter_all_messages_are_shown(tmp_path):
    done = import_tensorflow(tmp_path, "", before="import sys; sys.executable = '/no/python'")

    assert done.returncode == 0
    assert done.stderr == f"{NOISE}ours\nafter\n"


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("raise ImportError('libcudart is missing')", "ImportError: libcudart is missing\n"),
        (f"os.write(2, {FATAL!r}.encode())\nos.abort()", FATAL),
    ],
)
def test_the_reason_of_a_failure_is_shown(tmp_path, ending, message):
    done = import_tensorflow(tmp_path, ending)

    assert done.returncode != 0
    assert done.stderr.startswith("ours\n")
    assert done.stderr.endswith(message)
