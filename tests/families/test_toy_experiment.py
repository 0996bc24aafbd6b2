"""The toy family from a folder of recordings to a tagged clip, through the library's front door."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

import aec_ofa_tf as ofa
from aec_ofa_tf.costs.costs import params
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.tagging.model_file import read_info
from tests.families.toy import ToyNetwork, ToySpace

RATE_HZ = 16000
SPACE = ToySpace(units=2)
TRAIN = ofa.TrainConfig(
    batch_size=8, calibration_clips=16, precision="float32", learning_rate=1e-2, mixup_alpha=0.2
)
KINDS = ("float32", "int8", "int8_qat")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Tones and noises of 0.4 s, a class each."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    for number in range(40):
        kind = ("hiss", "tone")[number % 2]
        (folder / kind).mkdir(exist_ok=True)
        tone = np.sin(np.arange(6400) * generator.uniform(0.2, 0.4))
        sound = generator.normal(size=6400) if kind == "hiss" else tone
        soundfile.write(folder / kind / f"{number}.wav", 0.1 * sound, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def records(recordings, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    config = ofa.PrepareConfig("folder", clip_secs=0.4, payload="audio")
    return ofa.prepare(ofa.read_folder(recordings, 0.2, 0.2), data, config)


@pytest.fixture(scope="module")
def experiment(records, tmp_path_factory) -> ofa.Experiment:
    """Trained and searched; the teacher is a CNN10."""
    experiment = ofa.Experiment(tmp_path_factory.mktemp("run"), records, SPACE)
    experiment.train_teacher(ofa.TeacherConfig(TRAIN, base_channels=4, steps=10))
    experiment.soft_labels()
    experiment.train_supernet(
        ofa.SupernetConfig(TRAIN, largest_steps=5, steps=25, subnets_per_step=2, label_weight=0.5)
    )
    budgets = ["params<=600", "params<=2k"]
    experiment.search(ofa.SearchConfig(budgets, "evolutionary", population=3, generations=2))
    return experiment


@pytest.fixture(scope="module")
def exported(experiment):
    """Waveform-in files of the first budget's winner, each of which was compared with Keras."""
    config = ofa.ExportConfig(
        inputs=("waveform",),
        quantizations=KINDS,
        max_map_drop=0.25,
        representative_clips=8,
        qat_steps=3,
        qat_clips=16,
    )
    winner = experiment.winners()["params<=600"]
    return dict(zip(KINDS, experiment.export(config, winner).files, strict=True))


def test_the_run_directory_names_the_family_and_is_opened_again(experiment, records):
    config = json.loads((experiment.workdir.path / "config.json").read_text())
    again = ofa.Experiment.open(experiment.workdir.path, records)

    assert config["space"]["family"] == config["network"]["family"] == "toy"
    assert isinstance(again.run.network, ToyNetwork)
    assert again.space == SPACE
    assert again.load_supernet().subnets == SPACE.subnets()


def test_a_subnet_is_trained_alone_from_its_part_of_a_pretrained_network(experiment, tmp_path):
    network = experiment.run.network
    pretrained = tmp_path / "pretrained.keras"
    build_plain(SPACE.largest, replace(network, classes=7)).save(pretrained)  # of other classes
    transfer = ofa.TransferConfig(str(pretrained), classifier_steps=1, body_warmup_steps=1)
    how = {"objective": "labels", "init": "pretrained", "transfer": transfer}

    alone = experiment.train_subnet(SPACE.smallest, ofa.SubnetConfig(TRAIN, steps=2, **how))

    assert alone.costs["params"] == params(SPACE.smallest, network)
    assert keras.models.load_model(alone.file).output_shape == (None, 2)


def test_winners_meet_their_budgets(experiment):
    result = experiment.search_result()

    assert [row.evaluated > 0 for row in result.budgets] == [True, True]
    assert result.budgets[0].best.costs["params"] <= 600
    assert all(subnet in SPACE for subnet in experiment.winners().values())
    assert experiment.evaluate("largest").metrics.accuracy is not None


def test_a_subnet_is_trained_alone(experiment):
    config = ofa.SubnetConfig(TRAIN, init="supernet", steps=2)
    result = experiment.train_subnet("smallest", config)

    assert result.subnet == str(SPACE.smallest)
    assert Path(result.file).is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_file_tags_a_recording(exported, recordings, kind):
    file = exported[kind]
    info = read_info(file.path)
    result = ofa.Tagger(file.path).tag_file(recordings / "tone" / "1.wav", top_k=2)

    assert (info.network, info.quantization, info.input) == ("TOY", kind, "waveform")
    assert file.parity_drop is not None
    assert "TOY" in Path(f"{file.file}.md").read_text()
    assert result.tags is not None
    assert {tag.label for tag in result.tags} == {"hiss", "tone"}
    assert sum(tag.score for tag in result.tags) == pytest.approx(1, abs=1 / 128)
