"""Conversion for Arm's NPUs by Vela."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from aec_ofa_tf.export.convert import convert
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.micro.report import PortReport
from aec_ofa_tf.micro.targets import ACCELERATORS
from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.mobilenet import mobilenet_space
from tests.micro.files import clips_for, convert_all, info_of

pytest.importorskip("ethosu", reason="needs the extra micro")

SUBNET = parse_subnet("8x2-6x1-12x1-20x1")
NETWORK = Cnn10Network(classes=5, frames=64, mel_bins=40)


def test_the_accelerators_are_those_that_vela_knows():
    done = subprocess.run(
        [sys.executable, "-m", "ethosu.vela", "--help"], capture_output=True, text=True, check=True
    )
    listed = done.stdout.split("--accelerator-config {")[1].split("}")[0]
    assert tuple("".join(listed.split()).split(",")) == ACCELERATORS


@pytest.mark.slow
@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u65-512", "ethos-u85-256"])
def test_the_npu_computes_all_of_a_cnn10(accelerator, tmp_path):
    (conversion,) = convert_all([SUBNET], NETWORK, tmp_path, accelerator)
    port, folder = conversion.port, tmp_path / "0" / conversion.port.folder

    assert port.operators == ("ethos-u",)
    assert (folder / "model_vela.tflite").stat().st_size == port.model_bytes
    assert "AddEthosU()" in (folder / "op_resolver.h").read_text()
    name = accelerator.replace("-", "_")
    assert set(port.costs) == {f"{name}_{cost}" for cost in ("ms", "sram_bytes", "flash_bytes")}
    npu = port.npu
    assert npu.ms == pytest.approx(1000 * npu.cycles / npu.clock_hz, rel=1e-3)
    # Weights and commands lie in flash, or with activations in DRAM.
    weights = npu.flash_bytes or npu.dram_bytes
    assert npu.sram_bytes > 0
    assert weights > 0
    assert port.tensor_arena_bytes > npu.arena_bytes > 0
    assert PortReport.from_dict(port.as_dict()) == port


@pytest.mark.slow
def test_the_npu_computes_all_of_a_mobilenet(tmp_path):
    space = mobilenet_space("mn04")
    network = space.network(5, 50, 64, task="single_label")
    (conversion,) = convert_all([space.smallest], network, tmp_path, "ethos-u55-128")
    assert conversion.port.operators == ("ethos-u",)


@pytest.mark.slow
def test_an_operator_that_is_left_to_the_cpu_is_refused_by_its_layer(tmp_path):
    clip = keras.Input((NETWORK.frames, NETWORK.mel_bins))
    x = keras.layers.Reshape((NETWORK.frames, NETWORK.mel_bins, 1))(clip)
    x = keras.layers.Conv2D(4, 3)(x)
    # Vela computes no averages with padding over so large windows.
    x = keras.layers.AveragePooling2D(9, 1, padding="same", name="smooth")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(clip, keras.layers.Dense(5, activation="sigmoid")(x))
    path, clips = tmp_path / "model.tflite", clips_for(NETWORK)
    request = ConversionRequest(
        path, info_of(SUBNET, NETWORK), clips, clips, target="ethos-u55-128"
    )

    with pytest.raises(RuntimeError, match=r"Vela leaves AVERAGE_POOL_2D \(.*smooth.*ethos-u55"):
        convert(model, request)
    assert not path.exists()
    assert np.isfinite(clips).all()
