"""The C files say what the model is, whatever its labels are."""

import shutil
import subprocess

import numpy as np
import pytest

from aec_ofa_tf.micro.c_files import CModel, c_files, port_files, port_folder, remove_ports
from aec_ofa_tf.micro.operators import OPERATORS, resolver_lines
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.tagging.interpreter import Tensor
from tests.micro.files import info_of

LABELS = ("Dog", 'a "quoted" \\ label', "Glocke, Säge", "what??/", "*/ end")
NETWORK = Cnn10Network(classes=5, frames=20, mel_bins=16)
CONTENT = np.random.default_rng(0).integers(0, 256, 1000).astype(np.uint8).tobytes()


def model(operators=("CONV_2D", "ADD")):
    info = info_of(parse_subnet("4x2-3x1-3x1-2x1"), NETWORK)
    object.__setattr__(info, "labels", LABELS)
    taken = Tensor(0, (1, 20, 16), np.int8, 0.3479166626930237, 16)
    given = Tensor(1, (1, 5), np.int8, 1 / 256, -128)
    return CModel(CONTENT, "CNN10 */ 4x2", info, taken, given, 66_560, operators)


@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_a_program_reads_the_bytes_the_labels_and_the_facts(tmp_path):
    for name, text in c_files(model()).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "main.cc").write_text(
        """
        #include <cstdint>
        #include <cstdio>
        #include "model_data.h"
        int main() {
          if (reinterpret_cast<std::uintptr_t>(kModelData) % 16) return 1;
          std::fwrite(kModelData, 1, kModelDataBytes, stdout);
          for (int i = 0; i < MODEL_CLASSES; ++i) std::printf("%s\\n", kModelLabels[i]);
          std::printf("%.9g %d %.9g %d\\n", MODEL_INPUT_SCALE, MODEL_INPUT_ZERO_POINT,
                      MODEL_OUTPUT_SCALE, MODEL_OUTPUT_ZERO_POINT);
          std::printf("%d %d %d %d %d\\n", MODEL_ARENA_BYTES, MODEL_FRAMES, MODEL_MEL_BINS,
                      MODEL_CLIP_SAMPLES, MODEL_SAMPLE_RATE_HZ);
        }
        """
    )
    warnings = ["-Wall", "-Wextra", "-Werror"]
    sources = ["main.cc", "model_data.cc", "-o", "main"]
    subprocess.run(
        [shutil.which("c++"), "-std=c++11", *warnings, *sources], cwd=tmp_path, check=True
    )
    written = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout

    assert written[: len(CONTENT)] == CONTENT
    *labels, scales, sizes = written[len(CONTENT) :].decode("utf-8").splitlines()
    assert tuple(labels) == LABELS
    scale, zero_point, *given = scales.split()
    assert np.float32(scale) == np.float32(0.3479166626930237)
    assert (zero_point, given) == ("16", ["0.00390625", "-128"])
    assert sizes == f"66560 20 16 {20 * 320} 32000"


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_the_header_is_c_as_well(tmp_path):
    (tmp_path / "model_data.h").write_text(c_files(model())["model_data.h"])
    (tmp_path / "main.c").write_text('#include "model_data.h"\nint main(void) { return 0; }\n')
    subprocess.run(
        [
            shutil.which("cc"),
            "-std=c99",
            "-pedantic",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-c",
            "main.c",
        ],
        cwd=tmp_path,
        check=True,
    )


def test_the_resolver_registers_every_operator_once():
    text = c_files(model(("CONV_2D", "ADD", "CONV_2D", "PADV2", "ethos-u")))["op_resolver.h"]

    assert "MicroMutableOpResolver<4>" in text
    for method in ("AddAdd", "AddConv2D", "AddPadV2", "AddEthosU"):
        assert text.count(f"resolver.{method}()") == 1


def test_the_methods_have_the_interpreters_names():
    names = ["AVERAGE_POOL_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "HARD_SWISH", "LOGISTIC"]
    expected = ["AddAveragePool2D", "AddDepthwiseConv2D", "AddFullyConnected", "AddHardSwish"]
    assert resolver_lines(names) == [*expected, "AddLogistic"]


def test_the_operators_are_those_that_the_interpreter_registers():
    runtime = pytest.importorskip(
        "tflite_micro.python.tflite_micro._runtime", reason="needs the extra micro"
    )
    with open(runtime.__file__, "rb") as file:  # noqa: PTH123
        symbols = file.read()
    assert not [name for name in OPERATORS if f"Register_{name}".encode() not in symbols]


def test_files_of_an_earlier_conversion_are_removed_and_others_are_kept(tmp_path):
    path = tmp_path / "log_mel-int8.tflite"
    for target in ("micro", "ethos-u55-128"):
        folder = port_folder(path, target)
        folder.mkdir()
        (folder / "model_data.h").write_text("old")
    (port_folder(path, "micro") / "main.c").write_text("the user's")
    remove_ports(path)

    assert not port_folder(path, "ethos-u55-128").exists()
    assert [p.name for p in port_folder(path, "micro").iterdir()] == ["main.c"]
    assert port_files(port_folder(path, "micro")) == []
