"""A pretrained MobileNet from recordings to a tagged clip."""

from pathlib import Path

import keras
import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.mobilenet import mobilenet_space
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.tagging.tagger import Tagger
from aec_ofa_tf.training.config import TrainConfig
from aec_ofa_tf.training.origins import TransferConfig
from aec_ofa_tf.training.student_config import SupernetConfig
from tests.recordings import source
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import open_records


def sorted_model(path: Path, network: NetworkConfig) -> keras.Model:
    model = keras.models.load_model(path)
    network.sort_channels(model)
    return model


def assert_same_body(one: keras.Model, other: keras.Model) -> None:
    for layer in other.layers:
        if layer.name != "classifier":
            for a, b in zip(one.get_layer(layer.name).weights, layer.weights, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=a.path)


SPACE = mobilenet_space("mn01 width=1 expand=0.5,1 last=0.5,1 hidden=0.5,1 kernel=full")
TRAIN = TrainConfig(batch_size=4, calibration_clips=8, precision="float32", mixup_alpha=0.3)


@pytest.mark.slow
def test_pretrained_weights_become_files_that_tag(tmp_path):
    features = front_end("efficientat_32k", mel_bins=32)
    config = PrepareConfig("folder", 0.5, payload="audio", front_end=features)
    prepare(source(tmp_path / "raw", train=8), config, tmp_path / "records")
    records = open_records(tmp_path / "records")
    pretrained = tmp_path / "pretrained.keras"
    network = SPACE.network(7, records.frames, 32, task="multi_label")  # of other classes
    build_plain(SPACE.largest, network).save(pretrained)
    transfer = TransferConfig(str(pretrained), classifier_steps=1, body_warmup_steps=1)

    experiment = Experiment(tmp_path / "run", records, SPACE)
    how = {
        "sampler": "sandwich",
        "subnets_per_step": 2,
        "distill_from": "frozen_largest",
        "feature_weight": 1.0,
        "largest_statistics": "pretrained",
        "sample_budget": "params<=70k",
    }
    experiment.train_supernet(
        SupernetConfig(TRAIN, largest_steps=1, steps=2, init="pretrained", transfer=transfer, **how)
    )
    # Phase 1 trained the classifier alone: body and statistics are those of the pretrained network.
    frozen = keras.models.load_model(experiment.run.frozen_path)
    given = sorted_model(pretrained, network)
    assert_same_body(frozen, given)
    budget = "params<=70k"
    (found,) = experiment.search(SearchConfig([budget], algorithm="random", population=3)).budgets
    assert found.best.costs["params"] <= 70_000
    exported = experiment.export(
        ExportConfig(
            ["waveform"], ["int8"], max_map_drop=1.0, representative_clips=4, parity_clips=4
        )
    )
    (file,) = exported.files
    tags = Tagger(file.path).tag_file(tmp_path / "raw" / "0.wav").tags
    assert (file.quantization, {tag.label for tag in tags}) == ("int8", set(records.labels))
