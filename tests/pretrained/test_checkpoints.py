"""Checkpoints of EfficientAT: read, refused, and computed as PyTorch computes them."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.audio.io.decode import decode
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.models.mobilenet.architecture import architecture, squeezed
from aec_ofa_tf.pretrained.efficientat import efficientat_model
from aec_ofa_tf.pretrained.torch_files import CheckpointError, read_state_dict

torch = pytest.importorskip("torch", reason="needs the extra torch")

SHARED = Path(__file__).parents[3] / "shared" / "data"
REAL = SHARED / "efficientat"


def conv(channels_in, channels_out, kernel=1, stride=1, groups=1, activation=None):
    """Convolution and batch norm as EfficientAT nests them: `0` and `1`, then the activation."""
    layers = [
        torch.nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, 1, groups, False),
        torch.nn.BatchNorm2d(channels_out, eps=1e-3),
    ]
    return torch.nn.Sequential(*layers, *([activation()] if activation else []))


class Squeeze(torch.nn.Module):
    def __init__(self, channels, units):
        super().__init__()
        self.fc1 = torch.nn.Linear(channels, units)
        self.fc2 = torch.nn.Linear(units, channels)

    def forward(self, x):
        gates = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))
        return x * gates[:, :, None, None]


class Squeezes(torch.nn.Module):
    def __init__(self, channels, units):
        super().__init__()
        self.conc_se_layers = torch.nn.ModuleList([Squeeze(channels, units)])

    def forward(self, x):
        return self.conc_se_layers[0](x)


class Residual(torch.nn.Module):
    def __init__(self, channels, block):
        super().__init__()
        activation = torch.nn.Hardswish if block.hard_swish else torch.nn.ReLU
        wide = block.expanded
        layers = [conv(channels, wide, activation=activation)] if block.expands else []
        layers.append(conv(wide, wide, block.kernel, block.stride, wide, activation))
        layers += [Squeezes(wide, squeezed(wide))] if block.squeezes else []
        self.block = torch.nn.Sequential(*layers, conv(wide, block.width))
        self.is_residual = block.stride == 1 and channels == block.width

    def forward(self, x):
        return x + self.block(x) if self.is_residual else self.block(x)


class MN(torch.nn.Module):
    """The network in PyTorch, written for this test after the published architecture."""

    def __init__(self, width_mult, classes):
        super().__init__()
        full = architecture(width_mult)
        layers, channels = [conv(1, full.stem, 3, 2, activation=torch.nn.Hardswish)], full.stem
        for block in (block for stage in full.stages for block in stage):
            layers.append(Residual(channels, block))
            channels = block.width
        layers.append(conv(channels, full.last, activation=torch.nn.Hardswish))
        self.features = torch.nn.Sequential(*layers)
        nothing = torch.nn.Identity
        self.classifier = torch.nn.Sequential(
            *(nothing(), nothing(), torch.nn.Linear(full.last, full.hidden)),
            *(torch.nn.Hardswish(), nothing(), torch.nn.Linear(full.hidden, classes)),
        )

    def forward(self, x):  # [clips, 1, mel, time]
        return torch.sigmoid(self.classifier(self.features(x).mean((2, 3))))


def random_checkpoint(path: Path, width_mult: float, classes: int = 7) -> MN:
    torch.manual_seed(0)
    network = MN(width_mult, classes).eval()
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif value.dtype.is_floating_point:
            value.add_(0.1 * torch.randn_like(value))
    torch.save(network.state_dict(), path)
    return network


@pytest.mark.parametrize(("width_mult", "mel_bins"), [(0.1, 40), (0.4, 128), (0.35, 63)])
def test_a_random_checkpoint_computes_from_waveform_to_scores(tmp_path, width_mult, mel_bins):
    network = random_checkpoint(tmp_path / "mn.pt", width_mult)
    config = front_end("efficientat_32k", mel_bins=mel_bins)
    waveform = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
    features = log_mel(waveform, config)
    model, _ = efficientat_model(
        read_state_dict(tmp_path / "mn.pt"), features.shape[1], mel_bins, "multi_label"
    )
    scaled = (features.numpy() * np.log(10) / 10 + 4.5) / 5
    with torch.no_grad():
        expected = network(torch.tensor(scaled.transpose(0, 2, 1)[:, None].astype(np.float32)))

    np.testing.assert_allclose(model(features), expected.numpy(), atol=1e-4)


def test_a_wrong_file_is_one_clear_sentence(tmp_path):
    random_checkpoint(tmp_path / "good.pt", 0.1)
    whole = (tmp_path / "good.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_text("not a checkpoint")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "foreign.pt")
    state = torch.load(tmp_path / "good.pt", weights_only=True)
    torch.save({**state, "extra.weight": torch.zeros(3)}, tmp_path / "more.pt")
    torch.save({**state, "features.0.0.weight": torch.zeros(8, 1, 5, 5)}, tmp_path / "shape.pt")
    problems = {
        "cut": "cut or damaged",
        "text": "cannot be read",
        "list": "no tensors by name",
        "module": "other Python objects",
        "foreign": "no tensor classifier.2.weight",
        "more": "extra.weight for one",
        "shape": r"features.0.0.weight is float32 \[8, 1, 5, 5\]",
    }
    for name, problem in problems.items():
        with pytest.raises(CheckpointError, match=rf"{name}.pt.*{problem}"):
            efficientat_model(read_state_dict(tmp_path / f"{name}.pt"), 50, 40, "multi_label")
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / "none.pt")


def test_foreign_and_cut_files_are_refused_with_one_sentence(tmp_path):
    whole = tmp_path / "whole.pt"
    torch.save({"weight": torch.ones(64, 64)}, whole)
    legacy = tmp_path / "legacy.pt"
    torch.save({"weight": torch.ones(4)}, legacy, _use_new_zipfile_serialization=False)
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.zeros(8000), 8000)
    contents = [sound.read_bytes(), b"", b"\x80", b"PK\x03\x04", b"\x80\x02\x8a\x0a" + b"x" * 64]
    for path in (whole, legacy):
        size = path.stat().st_size
        contents += [path.read_bytes()[: size * part // 8] for part in range(1, 8)]
    for content in contents:
        sound.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"sound\.wav cannot be read as a PyTorch"):
            read_state_dict(sound)


@pytest.mark.skipif(not REAL.exists(), reason="the real weights are not here")
def test_the_real_weights_compute_what_the_original_code_computes():
    expected = json.loads((REAL / "mn04_expected.json").read_text())
    state = read_state_dict(REAL / "mn04_as_mAP_432.pt")
    models: dict[int, keras.Model] = {}
    for name, wanted in expected.items():
        frames = wanted["log_mel_shape"][1]
        waveform = extended(waveform_of(name))
        features = log_mel(waveform[None], front_end("efficientat_32k"))[:, :frames]
        if frames not in models:
            models[frames], _ = efficientat_model(state, frames, 128, "multi_label")
        scores = models[frames](features)[0].numpy()
        logits = np.log(scores) - np.log1p(-scores)
        for index, value in wanted["top_5"]:
            assert logits[index] == pytest.approx(value, abs=1e-3)
        probe = keras.Model(models[frames].input, models[frames].get_layer("embedding").output)
        embedding = probe(features).numpy().ravel()
        np.testing.assert_allclose(logits[:5], wanted["logits_first_5"], atol=1e-3)
        if "embedding_first_5" in wanted:
            np.testing.assert_allclose(embedding[:5], wanted["embedding_first_5"], atol=1e-3)
            assert embedding.mean() == pytest.approx(wanted["embedding_384_mean"], abs=1e-3)
        scaled = (features.numpy() * np.log(10) / 10 + 4.5) / 5
        assert scaled.mean() == pytest.approx(wanted["log_mel_mean"], abs=1e-3)


def extended(waveform: np.ndarray) -> np.ndarray:
    """The waveform, and what follows if its pre-emphasis is reflected at its end.

    The original code computes a frame more than the hop fits into the clip, with such an end.
    """
    emphasised = waveform[1:] - 0.97 * waveform[:-1]
    more = [waveform[-1]]
    for value in emphasised[-2 : -2 - 960 : -1]:
        more.append(value + 0.97 * more[-1])
    whole = np.concatenate([waveform, more[1:]]).astype(np.float32)
    return whole[: len(whole) // 320 * 320]


def waveform_of(name: str) -> np.ndarray:
    """The clip that a row of the expected values is of, 5 s at 32 kHz."""
    samples = 160_000
    if name.startswith("sine"):
        return (0.1 * np.sin(2 * np.pi * 440 * np.arange(samples) / 32000)).astype(np.float32)
    if name.startswith("silence"):
        return np.zeros(samples, np.float32)
    if name.startswith("noise"):
        return np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    folder, _, file = name.partition("/")
    return decode(SHARED / folder / "audio" / file, 32000).waveform
