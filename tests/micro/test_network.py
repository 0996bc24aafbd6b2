"""The files for a board as a whole: compiled, linked with the micro library, and run on sound.

The library comes from the Python package tflite_micro, as a shared object without headers;
`library/tflite_micro.h` stands for them. A copy of the interpreter of Python is the program: it
loads the library first, then a shared object of the files that were written.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.front_end import PRESETS
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from aec_ofa_tf.micro.operators import OPERATORS, resolver_lines
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from tests.micro.clips import as_int16, synthetic_clips
from tests.micro.files import convert_all

runtime = pytest.importorskip(
    "tflite_micro.python.tflite_micro._runtime", reason="needs the extra micro"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("cc") and shutil.which("c++")), reason="needs compilers"),
]
KEYWORD = PRESETS["keyword_16k"]
SPACE = mobilenet_space("mn01")
NETWORK = SPACE.network(4, 100, KEYWORD.mel_bins, task="single_label")
HEADERS = (
    "c/common.h",
    "micro/micro_interpreter.h",
    "micro/micro_mutable_op_resolver.h",
    "schema/schema_generated.h",
)
STRICT = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC"]
RUN = """
import ctypes, sys
ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL)
program = ctypes.CDLL(sys.argv[2])
arguments = [b"tag", sys.argv[3].encode()]
code = program.main(len(arguments), (ctypes.c_char_p * 3)(*arguments, None))
ctypes.CDLL(None).fflush(None)
sys.exit(code)
"""


def write_headers(folder: Path) -> None:
    from tensorflow.lite.python import schema_py_generated as schema

    lines = [
        f"TfLiteStatus {resolver_lines([name])[0]}() "
        f"{{ return Add({getattr(schema.BuiltinOperator, name)}); }}"
        for name in sorted(OPERATORS)
    ]
    (folder / "methods.inc").write_text("\n".join(lines))
    for name in HEADERS:
        path = folder / "tensorflow" / "lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#include "tflite_micro.h"\n')


def compile_all(folder: Path, library: Path, *more: str) -> Path:
    """Every file of the folder, as a user compiles them; -fPIC and -shared are for the test."""
    include = [f"-I{Path(__file__).parent / 'library'}", f"-I{library}", f"-I{folder}"]
    for source in ("main.c", "front_end.c", "network.cc", "model_data.cc"):
        compiler = ["cc", "-std=c99"] if source.endswith(".c") else ["c++", "-std=c++14"]
        command = [*compiler, *STRICT, *more, *include, "-DWITH_NETWORK", "-c", source]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    objects = ["main.o", "front_end.o", "network.o", "model_data.o"]
    command = ["c++", "-shared", *objects, "-lm", "-o", "tag.so"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "tag.so"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    (conversion,) = convert_all([SPACE.smallest], NETWORK, folder, "micro", KEYWORD)
    return conversion, folder / "0" / conversion.port.folder


def tag(program: Path, path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", RUN, runtime.__file__, program, path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def recording(folder: Path) -> tuple[Path, np.ndarray]:
    """Three seconds of different sounds: a clip each."""
    sounds = synthetic_clips(KEYWORD.sample_rate_hz, KEYWORD.sample_rate_hz)
    samples = np.concatenate([as_int16(sounds[name]) for name in ("noise", "tone", "speech-like")])
    path = folder / "sounds.wav"
    soundfile.write(path, samples, KEYWORD.sample_rate_hz, subtype="PCM_16")
    return path, samples


def test_the_written_files_tag_a_recording_with_the_real_micro_library(converted, tmp_path):
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    from tests.micro.test_micro import array_in

    conversion, folder = converted
    write_headers(tmp_path)
    done = tag(compile_all(folder, tmp_path), recording(tmp_path)[0])
    assert done.returncode == 0, done.stderr

    model = TFLiteModel(conversion.file)
    interpreter = Interpreter.from_bytes(array_in(folder / "model_data.cc"))
    lines = []
    for number, samples in enumerate(recording(tmp_path)[1].reshape(3, -1)):
        log_mel = numpy_log_mel(samples.astype(np.float32) / 32768, KEYWORD)
        interpreter.set_input(model.input.from_floats(log_mel[None]), 0)
        interpreter.invoke()
        scores = model.output.to_floats(np.array(interpreter.get_output(0)))[0]
        best = int(scores.argmax())
        lines.append((f"{number:.2f}", float(scores[best]), f"Sound {best}"))
    received = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    assert [(row[0], row[3]) for row in received] == [(line[0], line[2]) for line in lines]
    # A bin may be rounded to the step beside it.
    for row, line in zip(received, lines, strict=True):
        assert float(row[2]) == pytest.approx(line[1], abs=4 / 256)


def test_a_resolver_that_lacks_an_operator_is_told(converted, tmp_path):
    _, folder = converted
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    write_headers(tmp_path)
    text = (other / "op_resolver.h").read_text()
    (other / "op_resolver.h").write_text(
        text.replace("  TF_LITE_ENSURE_STATUS(resolver.AddConv2D());\n", "")
    )
    done = tag(compile_all(other, tmp_path), recording(tmp_path)[0])

    assert done.returncode == 1
    assert "Didn't find op for builtin opcode 'CONV_2D'" in done.stderr
    assert "the network cannot be started: see the micro library's messages" in done.stderr


def test_an_arena_that_is_too_small_is_told(converted, tmp_path):
    _, folder = converted
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    write_headers(tmp_path)
    header = other / "model_data.h"
    header.write_text(
        header.read_text().replace("MODEL_ARENA_BYTES (", "MODEL_ARENA_BYTES (-20000 + ")
    )
    done = tag(compile_all(other, tmp_path), recording(tmp_path)[0])

    assert done.returncode == 1
    assert "Failed to resize buffer" in done.stderr
    assert "the network cannot be started: see the micro library's messages" in done.stderr


def test_an_example_that_was_changed_is_kept(converted, tmp_path):
    _, folder = converted
    own = shutil.copytree(folder, tmp_path / "0" / folder.name)
    (own / "main.c").write_text("the user's")
    (own / "front_end.c").write_text("damaged")
    convert_all([SPACE.smallest], NETWORK, tmp_path, "micro", KEYWORD)

    assert (own / "main.c").read_text() == "the user's"
    assert (own / "front_end.c").read_text() == (folder / "front_end.c").read_text()


def test_the_report_says_why_there_is_no_front_end(tmp_path):
    from dataclasses import replace

    sizes = {"window_samples": 64, "fft_samples": 64, "mel_bins": 8}
    strange = replace(KEYWORD, **sizes, hop_samples=1, pre_emphasis=0.97)
    network = replace(NETWORK, mel_bins=8)
    (conversion,) = convert_all([SPACE.smallest], network, tmp_path, "micro", strange)
    folder = tmp_path / "0" / conversion.port.folder

    assert "takes no pre_emphasis with hop_samples=1" in conversion.port.no_front_end
    assert sorted(path.name for path in folder.iterdir()) == [
        *("model_data.cc", "model_data.h", "op_resolver.h"),
    ]
    assert "hop_samples=1" in json.dumps(conversion.port.as_dict())
