"""Plans of runs: what is measured is fixed. Seconds are injected, except in one test."""

import json
from dataclasses import replace

import pytest

from aec_ofa_tf import planning
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.planning import PlannedStages
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.recipe import small_data
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.training.time_budget import MeasuredSecs
from tests.recordings import noise, write
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records
from tfrecords.sources.folder import read_folder

SPACE = cnn10_space("[2,2,X]", 4)
TRAIN = TrainConfig(batch_size=4, calibration_clips=8, precision="float32", checkpoint_every=50)
STAGES = PlannedStages(
    TeacherConfig(TRAIN, base_channels=4),
    SupernetConfig(TRAIN, largest_steps=0, init="teacher", subnets_per_step=2),
    SearchConfig(["params<=6k"]),
)
MEASURED = MeasuredSecs(0.01, 0.0, 0.01, {"search": 1.0})
HOURS = 0.001
"""100 steps of each, by these seconds."""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planned")
    for number in range(24):
        sound = noise(secs=0.4, seed=number) ** (1 + number % 2)
        write(folder / "sounds" / ("hiss", "rasp")[number % 2] / f"{number}.wav", sound)
    config = PrepareConfig("folder", clip_secs=0.4)
    prepare(read_folder(folder / "sounds", 0.2, 0.2), config, folder / "data")
    return open_records(folder / "data")


@pytest.fixture
def measured(monkeypatch):
    """The calls of what measures, which gives `MEASURED`."""
    calls = []

    def measure(run, stages, clips):
        calls.append(stages)
        return MEASURED

    monkeypatch.setattr(planning, "measure", measure)
    return calls


def test_a_plan_is_measured_once_and_then_read(records, measured, tmp_path):
    plan = Experiment(tmp_path / "run", records, SPACE).plan(HOURS, STAGES)
    again = Experiment.open(tmp_path / "run", records).plan(HOURS, STAGES)

    assert len(measured) == 1
    assert again == plan
    kept = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert kept["steps"]["teacher"] == plan.teacher.steps == 120
    assert kept["steps"]["supernet"] == plan.supernet.steps == 120
    assert kept["measured"]["fixed"] == {"search": 1.0}


def test_warm_up_and_intervals_are_the_plan_s_unless_they_were_given(records, measured, tmp_path):
    plan = Experiment(tmp_path / "run", records, SPACE).plan(HOURS, STAGES)

    assert plan.teacher.train.warmup_steps == plan.supernet.train.warmup_steps == 6
    assert plan.teacher.train.validate_every == 40
    assert plan.teacher.train.checkpoint_every == 50  # given


def test_intervals_that_were_given_are_what_the_plan_says(records, measured, tmp_path):
    given = replace(TRAIN, validate_every=7, warmup_steps=3)
    stages = PlannedStages(TeacherConfig(given, 4), replace(STAGES.supernet, train=given))
    plan = Experiment(tmp_path / "run", records, SPACE).plan(HOURS, stages)

    assert "warm-up 3 steps; every 7 steps a validation" in str(plan)
    assert (plan.teacher.train.validate_every, plan.time.steps.validate_every) == (7, 7)


def test_validations_by_a_given_interval_take_a_share_of_every_step(records, tmp_path):
    often = replace(TRAIN, validate_every=1)
    stages = PlannedStages(TeacherConfig(often, 4), replace(STAGES.supernet, train=often))
    found = Experiment(tmp_path / "run", records, SPACE).plan(1.0, stages).time.measured

    assert "validations" not in found.fixed
    # Each step of the supernet is followed by the validation of all landmarks.
    assert found.supernet > found.teacher


def test_a_plan_for_another_teacher_is_measured_anew_before_the_first_step(
    records, measured, tmp_path
):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    experiment.plan(HOURS, STAGES)
    experiment.plan(HOURS, replace(STAGES, teacher=TeacherConfig(TRAIN, base_channels=8)))
    budgets = replace(STAGES, search=SearchConfig(["params<=7k"]))
    experiment.plan(HOURS, replace(budgets, teacher=TeacherConfig(TRAIN, base_channels=8)))

    assert [stages.teacher.base_channels for stages in measured] == [4, 8]


def test_other_hours_before_the_first_step_are_a_new_plan_and_later_an_error(
    records, measured, tmp_path
):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    experiment.plan(2 * HOURS, STAGES)
    plan = experiment.plan(HOURS, STAGES)
    assert len(measured) == 2
    experiment.train_teacher(plan.teacher)

    with pytest.raises(ConfigError, match=r"begun with hours=0\.001, now hours=0\.002"):
        experiment.plan(2 * HOURS, STAGES)
    assert experiment.plan(HOURS, STAGES) == plan
    assert len(measured) == 2


def test_a_run_that_counts_its_steps_takes_no_hours_later(records, measured, tmp_path):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    experiment.train_teacher(TeacherConfig(TRAIN, base_channels=4, steps=2))

    with pytest.raises(ConfigError, match="begun with step numbers"):
        experiment.plan(HOURS, STAGES)
    assert not measured


def test_too_few_hours_leave_no_plan(records, measured, tmp_path):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    with pytest.raises(ConfigError, match="at least hours="):
        experiment.plan(HOURS / 2, STAGES)
    with pytest.raises(ConfigError, match="hours is a number above 0, received '1'"):
        experiment.plan("1", STAGES)
    assert not (tmp_path / "run" / "plan.json").exists()


def test_real_steps_are_measured_and_the_run_is_left_as_it_was(records, tmp_path):
    experiment = Experiment(tmp_path / "run", records, SPACE)
    before = sorted(tmp_path.rglob("*"))
    plan = experiment.plan(1.0, replace(STAGES, other_secs={"preparation": 5.0}))

    assert sorted({*tmp_path.rglob("*")} - {*before}) == [tmp_path / "run" / "plan.json"]
    found = plan.time.measured
    assert min(found.teacher, found.supernet) > found.largest == 0
    assert set(found.fixed) == {
        *("preparation", "start of the stages", "soft labels", "validations", "search"),
        "these measurements",
    }
    assert sum(plan.time.steps.secs(found).values()) <= 3600


def test_a_phase_1_and_a_run_without_a_teacher_are_measured_too(records, tmp_path):
    alone = SupernetConfig(TRAIN, sampler="sandwich", distill_from="largest", subnets_per_step=2)
    plan = Experiment(tmp_path / "run", records, SPACE).plan(1.0, PlannedStages(None, alone))

    assert plan.teacher is None
    assert plan.supernet.largest_steps > 0
    assert plan.supernet.distill_from == "largest"
    assert plan.time.measured.teacher == 0


def test_the_default_is_a_recipe_for_small_data(records, measured, tmp_path):
    plan = Experiment(tmp_path / "run", records, SPACE).plan(HOURS)

    (stages,) = measured
    assert stages.teacher.train == small_data(0.4)
    assert stages.teacher.subnet == SPACE.largest
    assert (stages.supernet.init, plan.supernet.largest_steps) == ("teacher", 0)


def test_the_recipe_s_window_is_half_a_clip_unless_it_is_short_and_changes_are_taken():
    assert (small_data(5.0).crop_secs, small_data(5.0).crop_silence) == (2.5, 0.5)
    assert (small_data(1.0).crop_secs, small_data(1.0).crop_silence) == (0.0, 0.0)
    assert small_data(1.0, batch_size=8, crop_secs=1.0) == replace(
        small_data(1.0), batch_size=8, crop_secs=1.0
    )
    with pytest.raises(ConfigError, match="clip_secs is a number above 0, received 0"):
        small_data(0)
