"""The arithmetic of a time budget. Seconds are values here: nothing is measured."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.training.time_budget import (
    LEAST_STEPS,
    VALIDATIONS,
    MeasuredSecs,
    StepNumbers,
    TimePlan,
    divide,
    kept_plan,
    least_hours,
    read_plan,
    write_plan,
)

step_secs = st.floats(1e-4, 100.0)
maybe_secs = st.one_of(st.just(0.0), step_secs)
fixed_secs = st.dictionaries(st.sampled_from(["search", "validations"]), st.floats(0.0, 1e4))
measured_secs = st.builds(MeasuredSecs, maybe_secs, maybe_secs, step_secs, fixed_secs)
factors = st.floats(1.0, 1e3)

MEASURED = MeasuredSecs(0.5, 0.0, 1.0, {"search": 60.0, "validations": 40.0})


@given(measured_secs, factors)
def test_the_parts_sum_to_at_most_the_budget(measured, factor):
    hours = factor * least_hours(measured)
    steps = divide(hours, measured)
    assert sum(steps.secs(measured).values()) <= 3600 * hours


@given(measured_secs, factors, factors)
def test_more_hours_never_give_fewer_steps(measured, factor, more):
    hours = factor * least_hours(measured)
    few, many = divide(hours, measured), divide(more * hours, measured)
    for name in ("teacher", "largest", "supernet", "warmup_steps", "validate_every"):
        assert getattr(few, name) <= getattr(many, name)


@given(measured_secs)
def test_the_least_hours_are_enough_and_less_is_refused_with_their_number(measured):
    least = least_hours(measured)
    assert min(step for step in _phases(divide(least, measured)) if step) >= LEAST_STEPS
    with pytest.raises(ConfigError, match=re.escape(f"at least hours={least:g} ")):
        divide(0.9 * least, measured)


@given(measured_secs, factors)
def test_phases_that_are_not_there_get_no_steps_and_the_others_all_the_time(measured, factor):
    hours = factor * least_hours(measured)
    steps = divide(hours, measured)
    assert (steps.teacher == 0) == (measured.teacher == 0)
    assert (steps.largest == 0) == (measured.largest == 0)
    # What is left unused is the reserve and less than a unit of rounding of each phase.
    unused = 0.95 * 3600 * hours - sum(steps.secs(measured).values())
    units = sum(50 * secs for secs in measured.phases.values())
    assert unused <= units * (1 + 1e-9)


@given(measured_secs, factors)
def test_intervals_suit_the_steps(measured, factor):
    steps = divide(factor * least_hours(measured), measured)
    stages = [steps.teacher, steps.largest + steps.supernet]
    assert steps.warmup_steps < min(step for step in _phases(steps) if step)
    assert 2 <= max(stages) // steps.validate_every < VALIDATIONS
    assert 1 <= steps.checkpoint_every < min(step for step in _phases(steps) if step)


def _phases(steps):
    return steps.teacher, steps.largest, steps.supernet


def test_an_hour_by_hand():
    # 3,600 s, a twentieth in reserve, 100 s for other things: 3,320 s, half to each of two.
    assert divide(1.0, MEASURED) == StepNumbers(
        teacher=3300,
        largest=0,
        supernet=1650,
        warmup_steps=82,
        validate_every=1100,
        checkpoint_every=120,
    )


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_hours_that_are_none(hours):
    with pytest.raises(ConfigError, match="hours is a number above 0, received"):
        divide(hours, MEASURED)


def test_there_must_be_something_to_divide_among():
    with pytest.raises(ValueError, match="none was measured"):
        MeasuredSecs(fixed={"search": 1.0})


def test_the_plan_tells_what_it_chose_and_why():
    text = str(TimePlan(1.0, MEASURED, divide(1.0, MEASURED)))
    assert "teacher 3,300 steps of 0.5 s, 28 min" in text
    assert "supernet 1,650 steps of 1 s, 28 min" in text
    assert "search 60 s" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.fixture
def planned(tmp_path):
    plan = TimePlan(1.0, MEASURED, divide(1.0, MEASURED), "stages")
    write_plan(tmp_path, plan)
    return plan


def test_a_plan_is_read_as_it_was_written(planned, tmp_path):
    assert read_plan(tmp_path) == planned
    assert read_plan(tmp_path / "another") is None


@pytest.mark.parametrize("begun", [False, True])
def test_the_same_hours_take_the_plan_that_is_there(planned, tmp_path, begun):
    assert kept_plan(tmp_path, 1.0, begun, planned.stages) == planned


def test_a_plan_of_other_stages_is_made_again_until_training_has_begun(planned, tmp_path):
    assert kept_plan(tmp_path, 1.0, False, "others") is None
    assert kept_plan(tmp_path, 1.0, True, "others") == planned


def test_other_hours_are_refused_once_the_run_has_begun(planned, tmp_path):
    assert kept_plan(tmp_path, 2.0, False, "") is None
    with pytest.raises(ConfigError, match="begun with hours=1, now hours=2"):
        kept_plan(tmp_path, 2.0, True, "")


def test_hours_are_refused_for_a_run_that_was_begun_with_step_numbers(tmp_path):
    with pytest.raises(ConfigError, match="begun with step numbers, now hours=1"):
        kept_plan(tmp_path, 1.0, True, "")


def test_a_damaged_plan_is_named(planned, tmp_path):
    (tmp_path / "plan.json").write_text('{"hours": 1.0}')
    with pytest.raises(ValueError, match=r"plan\.json"):
        read_plan(tmp_path)
