"""Conversion for microcontrollers: what is written ran in the micro interpreter."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.arena import arena_bytes
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.convert import convert
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.micro import targets
from aec_ofa_tf.micro.graph import graph_operators, slim, without_first_reshape
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.tagging.model_file import read_bundle
from tests.micro.files import clips_for, convert_all, info_of

SUBNET = parse_subnet("8x2-6x1-12x1-20x1")
NETWORK = Cnn10Network(classes=5, frames=64, mel_bins=40)


def needs_interpreter():
    pytest.importorskip("tflite_micro", reason="needs the extra micro")


def array_in(path: Path) -> bytes:
    """The bytes of the array in a C file."""
    text = path.read_text("utf-8")
    return bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", text))


def constant(path: Path, name: str) -> int:
    found = re.search(rf"#define {name} \((\d+)\)", path.read_text("utf-8"))
    assert found
    return int(found.group(1))


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    needs_interpreter()
    folder = tmp_path_factory.mktemp("micro")
    (conversion,) = convert_all([SUBNET], NETWORK, folder, "micro")
    return conversion, folder / "0" / conversion.port.folder


@pytest.mark.slow
def test_the_array_is_the_model_that_was_run_and_starts_with_the_arena_of_the_header(converted):
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    conversion, folder = converted
    content = array_in(folder / "model_data.cc")
    assert len(content) == conversion.port.model_bytes
    arena = constant(folder / "model_data.h", "MODEL_ARENA_BYTES")
    recorded = conversion.port.micro.arena_bytes
    assert 1.0625 * recorded <= arena == conversion.port.tensor_arena_bytes <= 1.1 * recorded + 1024

    model = TFLiteModel(conversion.file)
    interpreter = Interpreter.from_bytes(content, arena_size=arena)
    scores = []
    for clip in clips_for(NETWORK):
        interpreter.set_input(model.input.from_floats(clip[None]), 0)
        interpreter.invoke()
        scores.append(model.output.to_floats(np.array(interpreter.get_output(0)))[0])
    assert np.ptp(scores, axis=0).max() > 0.05
    np.testing.assert_allclose(scores, model.batch_scores(clips_for(NETWORK)), atol=3 / 256)
    assert conversion.port.micro.logit_steps <= 1
    assert conversion.port.micro.clips == len(scores)
    with pytest.raises(RuntimeError, match="allocate"):
        Interpreter.from_bytes(content, arena_size=recorded - 64)


@pytest.mark.slow
def test_a_pool_lets_a_long_clip_into_half_the_memory_that_it_took(tmp_path):
    """The input of 5 s, 32,000 bytes, is neither copied nor scaled as a whole."""
    needs_interpreter()
    space = mobilenet_space("mn01 pool=4x2")
    network = space.network(5, 500, 64, task="single_label")
    (conversion,) = convert_all([space.smallest], network, tmp_path, "micro")

    content, _ = read_bundle(conversion.file)
    lean = without_first_reshape(content)
    names = [operator.name for operator in graph_operators(lean)]
    assert names[:2] == ["AVERAGE_POOL_2D", "MUL"]
    assert graph_operators(content)[0].name == "RESHAPE"
    assert without_first_reshape(lean) == lean
    assert conversion.port.operators == tuple(sorted(set(names)))
    assert conversion.port.micro.head_bytes == 500 * 64 + 125 * 32
    assert conversion.port.micro.arena_bytes <= 64 * 1024
    assert arena_bytes(space.smallest, network) == pytest.approx(
        conversion.port.micro.arena_bytes, rel=0.05
    )
    plain = mobilenet_space("mn01").network(5, 500, 64, task="single_label")
    assert arena_bytes(mobilenet_space("mn01").smallest, plain) > 3 * 64 * 1024


@pytest.mark.slow
def test_the_array_has_no_names_and_the_same_operators(converted):
    conversion, folder = converted
    content, _ = read_bundle(conversion.file)
    small = array_in(folder / "model_data.cc")

    assert small == slim(content)
    assert len(small) < len(content) - 3000
    assert b"block1_conv1" in content
    assert b"block1_conv1" not in small
    names = [operator.name for operator in graph_operators(content)]
    assert [operator.name for operator in graph_operators(small)] == names
    assert set(conversion.port.operators) == set(names)


@pytest.mark.slow
def test_a_mobilenet_runs_too(tmp_path):
    needs_interpreter()
    space = mobilenet_space("mn04")
    network = space.network(5, 50, 64, task="multi_label")
    (conversion,) = convert_all([space.smallest], network, tmp_path, "micro")

    assert conversion.port.micro.logit_steps <= 1
    assert {"HARD_SWISH", "DEPTHWISE_CONV_2D"} <= set(conversion.port.operators)


@pytest.mark.slow
def test_an_operator_that_the_interpreter_lacks_is_refused_by_its_layer(tmp_path):
    needs_interpreter()
    clip = keras.Input((NETWORK.frames, NETWORK.mel_bins))
    x = keras.layers.Reshape((NETWORK.frames, NETWORK.mel_bins, 1))(clip)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.Activation("gelu", name="curved")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(clip, keras.layers.Dense(5, activation="sigmoid")(x))
    path, clips = tmp_path / "model.tflite", clips_for(NETWORK)
    request = ConversionRequest(path, info_of(SUBNET, NETWORK), clips, clips, target="micro")

    with pytest.raises(RuntimeError, match=r"model.tflite: the micro interpreter lacks .*curved"):
        convert(model, request)
    assert not path.exists()


def test_a_missing_package_is_named_before_anything_is_converted(monkeypatch):
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"target='micro' needs tflite-micro, .*pip install '\.\[micro\]'"
    ):
        ExportConfig.for_target("micro")
    with pytest.raises(ConfigError, match=r"needs tflite-micro and ethos-u-vela, which are not"):
        ExportConfig.for_target("ethos-u55-128")
    assert ExportConfig.for_target("tflite") == ExportConfig()


@pytest.mark.parametrize(
    "changes",
    [{"io_type": "float32"}, {"quantizations": ["float32"]}, {"inputs": ["waveform"]}],
)
def test_a_target_needs_integers(changes):
    with pytest.raises(ValueError, match=r"int8"):
        ExportConfig.for_target("micro", **changes)


def test_files_without_a_target_have_the_settings_of_before():
    assert "target" not in ExportConfig().settings
