"""The largest subnet of phase 1, frozen, teaches phase 2."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.fine_tune import tuning_targets
from aec_ofa_tf.models.cnn10 import Cnn10Network, cnn10_space, parse_subnet
from aec_ofa_tf.models.keras_files import load_model, model_fingerprint
from aec_ofa_tf.models.materialise import build_plain, materialise
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.distillation import of_largest, scorer
from aec_ofa_tf.training.run import Sizes
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from tests.recordings import source
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.records import open_records

SPACE = cnn10_space("[2,2,2]", 4)
SUBTREES = cnn10_space("[2,2,X]", 4)
TRAIN = TrainConfig(
    batch_size=2,
    calibration_clips=8,
    precision="float32",
    checkpoint_every=1,
    crop_secs=0.25,
    mixup_domain="power",
)
CONFIG = SupernetConfig(
    TRAIN,
    largest_steps=2,
    steps=2,
    subnets_per_step=2,
    sampler="sandwich",
    distill_from="frozen_largest",
    student_mixup=True,
    feature_weight=2.0,
    map_weight=1.0,
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    prepare(source(folder / "raw", train=8), PrepareConfig("folder", 0.5), folder / "records")
    return open_records(folder / "records")


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory) -> Experiment:
    experiment = Experiment(tmp_path_factory.mktemp("run"), records, SPACE)
    experiment.train_supernet(CONFIG)
    return experiment


def interrupted(
    trained: Experiment, folder: Path, step: int, space: SearchSpace = SPACE
) -> Experiment:
    """A copy of the run that has not got further than a step."""
    shutil.copytree(trained.run.workdir.path, folder)
    for path in (folder / "checkpoints" / "supernet").glob("step-*"):
        if int(path.name.split(".")[0].removeprefix("step-")) > step:
            path.unlink()
    record = folder / "stages" / "supernet.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "result": None}))
    return Experiment(folder, trained.run.records, space)


def test_the_teacher_is_the_largest_subnet_as_phase_1_left_it(trained, records, tmp_path):
    at_two = interrupted(trained, tmp_path / "two", 2).run
    supernet = Supernet(SPACE, at_two.network)
    at_two.restore("supernet", supernet, 2)
    statistics = at_two.evaluator(supernet, Sizes(2, 8)).recalibrate(SPACE.largest)
    expected = materialise(supernet, SPACE.largest, statistics)
    frozen = keras.models.load_model(trained.run.frozen_path)

    for one, other in zip(frozen.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_phase_1_learns_the_labels(trained, records, tmp_path):
    inplace = Experiment(tmp_path / "run", records, SPACE)
    inplace.train_supernet(
        replace(CONFIG, distill_from="largest", feature_weight=0.0, map_weight=0.0, steps=1)
    )
    weights = [Supernet(SPACE, trained.run.network) for _ in range(2)]
    for experiment, network, name in zip(
        (trained, inplace), weights, ("frozen", "inplace"), strict=True
    ):
        interrupted(experiment, tmp_path / name, 2).run.restore("supernet", network, 2)

    for one, other in zip(*(network.weights for network in weights), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_phase_1_may_be_trained_without_mixtures(trained, records, tmp_path):
    single = replace(CONFIG, steps=1, largest_mixup=False)
    never = replace(single, student_mixup=False, train=replace(TRAIN, batch_size=4))
    networks = []
    for name, config in {"mixed": CONFIG, "single": single, "never": never}.items():
        experiment = trained
        if config is not CONFIG:
            experiment = Experiment(tmp_path / name, records, SPACE)
            experiment.train_supernet(config)
        networks.append(Supernet(SPACE, trained.run.network))
        after = interrupted(experiment, tmp_path / f"{name} 2", 2).run
        after.restore("supernet", networks[-1], 2)
    mixed, single, never = (network.get_weights() for network in networks)

    for one, other in zip(single, never, strict=True):  # the same four clips a step
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(single, mixed, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 3])
def test_a_resumed_run_has_the_same_teacher(trained, tmp_path, step):
    resumed = interrupted(trained, tmp_path / "run", step)
    resumed.train_supernet(CONFIG)

    for one, other in zip(weights_of(resumed), weights_of(trained), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_averages_of_a_subtree_by_lazy_adam_are_resumed_and_taught(records, tmp_path):
    options = {"ema_momentum": 0.5, "lazy_adam": True, "label_smoothing": 0.1}
    config = replace(CONFIG, train=replace(TRAIN, **options), sampler="subtree", subnets_per_step=4)
    unbroken = Experiment(tmp_path / "run", records, SUBTREES)
    unbroken.train_supernet(config)
    frozen = load_model(unbroken.run.frozen_path)
    resumed = interrupted(unbroken, tmp_path / "resumed", 3, SUBTREES)  # in phase 2
    resumed.train_supernet(config)
    for one, other in zip(weights_of(resumed), weights_of(unbroken), strict=True):
        np.testing.assert_array_equal(one, other)
    again = load_model(resumed.run.frozen_path)
    for one, other in zip(again.weights, frozen.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def weights_of(experiment: Experiment) -> list[np.ndarray]:
    return experiment.run.load_supernet().get_weights()


def test_a_resumed_run_without_its_teacher_is_refused(trained, tmp_path):
    resumed = interrupted(trained, tmp_path / "run", 3)
    resumed.run.frozen_path.unlink()
    with pytest.raises(OSError, match=r"frozen_largest\.keras is missing, from which the run lear"):
        resumed.train_supernet(CONFIG)


def test_the_stage_is_removed_with_its_teacher(trained, tmp_path):
    copy = interrupted(trained, tmp_path / "run", 4)
    copy.reset("supernet")
    assert not copy.run.frozen_path.exists()


def test_the_frozen_network_teaches_its_scores_and_features(trained):
    run, crop = trained.run, 25
    frozen = keras.models.load_model(run.frozen_path)
    teach = of_largest(run, frozen, crop)
    clips = np.random.default_rng(0).normal(-30, 5, (2, crop, 64)).astype(np.float32)
    plain = build_plain(SPACE.largest, replace(run.network, frames=crop))
    plain.set_weights(frozen.get_weights())
    names = ("block1_pool", "block2_pool", "block3_pool", "block4_relu2")
    ends = [plain.get_layer(name).output for name in names]
    whole = keras.Model(plain.input, [plain.output, keras.ops.mean(ends[-1], (1, 2)), *ends])
    scores, features, *maps = whole(clips, training=False)
    received = teach(clips)

    np.testing.assert_allclose(received.scores, scores, atol=1e-5)
    np.testing.assert_allclose(received.features, features, atol=1e-5)
    assert list(received.maps) == [1, 3, 5, 7]
    for one, other in zip(received.maps.values(), maps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_networks_are_fine_tuned_for_int8_towards_the_same_teacher(trained, tmp_path):
    run = interrupted(trained, tmp_path / "run", 4).run
    own = build_plain(SPACE.smallest, run.network)
    clips, targets_of = tuning_targets(run, ExportConfig(qat_clips=4))
    frozen = load_model(run.frozen_path)

    assert len(clips) == 8  # as many mixtures as clips
    np.testing.assert_allclose(targets_of(own), frozen(clips, training=False), atol=1e-6)
    run.frozen_path.unlink()
    clips, targets_of = tuning_targets(run, ExportConfig(qat_clips=4))
    np.testing.assert_allclose(targets_of(own), own(clips, training=False), atol=1e-6)


def test_one_subnet_learns_from_the_same_teacher(trained, tmp_path):
    copy = interrupted(trained, tmp_path / "run", 4)
    copy.train_supernet(CONFIG)
    config = SubnetConfig(
        TRAIN, steps=1, distill_from="frozen_largest", student_mixup=True, feature_weight=1.0
    )
    result = copy.train_subnet("smallest", config)
    (stage,) = (name for name in copy.run.workdir.stages() if name.startswith("subnet"))
    settings = copy.run.workdir.settings(stage)
    assert settings["teacher"] == model_fingerprint(load_model(copy.run.frozen_path))
    assert result.subnet == str(SPACE.smallest)

    assert stage in copy.reset("supernet")


def test_features_need_the_teacher_that_has_them():
    none = {"feature_weight": 0.0, "map_weight": 0.0}
    for config in (replace(CONFIG, distill_from="frozen_largest"), SubnetConfig(TRAIN)):
        for name in ("feature_weight", "map_weight"):
            with pytest.raises(ConfigError, match=f"{name} needs a teacher with the features"):
                replace(config, distill_from="cache", **{**none, name: 1.0})
    with pytest.raises(ConfigError, match="the largest of a step's subnets, and here there is one"):
        SubnetConfig(TRAIN, distill_from="largest")
    with pytest.raises(ConfigError, match="are those of a pretrained network: add init"):
        replace(CONFIG, largest_statistics="pretrained")


def test_without_phase_1_there_is_no_teacher():
    with pytest.raises(ConfigError, match="give it largest_steps"):
        replace(CONFIG, largest_steps=0)


@pytest.mark.slow
def test_an_online_teacher_scores_crops(records, tmp_path):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    experiment.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=1))
    result = experiment.train_supernet(
        replace(
            CONFIG,
            distill_from="online",
            feature_weight=0.0,
            map_weight=0.0,
            largest_steps=0,
            steps=1,
        )
    )
    assert result.subnets == SPACE.size


def test_a_model_scores_clips_of_other_lengths():
    subnet = parse_subnet("4x2-4x2-4x2-4x2")
    network = Cnn10Network(3, 40, embedding_units=8, task="multi_label")
    model = build_plain(subnet, network)
    teach = scorer(model, subnet, network, 20)
    clips = np.random.default_rng(0).normal(-30, 5, (2, 20, 64)).astype(np.float32)
    shorter = build_plain(subnet, replace(network, frames=20))
    shorter.set_weights(model.get_weights())

    np.testing.assert_array_equal(teach(clips), shorter(clips, training=False))
