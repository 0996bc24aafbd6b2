"""Which subnets become HParams sessions, and what columns HParams gets."""

import numpy as np
import pytest

from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.reporting.sessions import MOST_SESSIONS, Scored, write_sessions
from aec_ofa_tf.search.tensorboard import choose_sessions
from tests.reporting.events import logged

SPACE = cnn10_space("[2,2,X]", base_channels=4)
SUBNETS = SPACE.subnets()
COSTS = {subnet: {"params": float(number)} for number, subnet in enumerate(SUBNETS)}
NOTHING = Scored({}, np.zeros([0, 1], np.float32), ["dog"])


def test_few_subnets_are_all_sessions():
    few = {subnet: COSTS[subnet] for subnet in SUBNETS[:MOST_SESSIONS]}
    assert choose_sessions(few, [SUBNETS[3]], []) == SUBNETS[:MOST_SESSIONS]


def test_of_many_the_winners_the_ends_and_the_fronts_come_first_and_then_an_even_choice():
    front = [SUBNETS[number] for number in (4, 5, 6, 7)]
    chosen = choose_sessions(COSTS, [SUBNETS[40], SUBNETS[41]], [front, front[::2]])

    assert len(chosen) == MOST_SESSIONS
    assert {SUBNETS[0], SUBNETS[-1], SUBNETS[40], SUBNETS[41], *front} <= set(chosen)
    places = [SUBNETS.index(subnet) for subnet in chosen]
    assert places == sorted(places)
    assert max(np.diff(places)) < 2 * len(SUBNETS) / (MOST_SESSIONS - 8)


def test_a_long_front_is_thinned_out_and_keeps_its_ends():
    front = SUBNETS[10:90]
    chosen = choose_sessions(COSTS, [SUBNETS[5]], [front])

    assert len(chosen) == MOST_SESSIONS
    assert {SUBNETS[0], SUBNETS[5], SUBNETS[10], SUBNETS[89], SUBNETS[-1]} <= set(chosen)


@pytest.mark.parametrize("count", [1, 3])
def test_more_winners_than_sessions_are_no_error(count):
    assert len(choose_sessions(COSTS, SUBNETS, [], most=count)) == count


def test_columns_are_the_choices_that_tell_sessions_apart(tmp_path):
    from tensorboard.plugins.hparams.metadata import parse_experiment_plugin_data

    values = {subnet: {"mAP": 0.5, "params": 1.0} for subnet in SUBNETS[:40]}
    write_sessions(tmp_path, values, SPACE, NOTHING)

    columns = parse_experiment_plugin_data(logged(tmp_path)["_hparams_/experiment"])
    names = [info.name for info in columns.hparam_infos]
    # A block's two convolutions are equally wide, and the first block has no choice.
    assert names == sorted(names)
    assert "block3_width1" in names
    (domain,) = (c.domain_interval for c in columns.hparam_infos if c.name == "block4_width2")
    assert domain.min_value == 0  # of subnets whose last block has one convolution
    assert not {"block1_width1", "block1_depth", "block3_width2"} & set(names)
    metrics = [(info.name.tag, info.display_name) for info in columns.metric_infos]
    assert metrics == [("subnet/mAP", "mAP"), ("subnet/params", "params")]


def test_other_files_in_the_folder_of_sessions_are_kept(tmp_path):
    values = {SPACE.largest: {"mAP": 0.5}}
    write_sessions(tmp_path, values, SPACE, NOTHING)
    mine = tmp_path / str(SPACE.largest) / "mine.txt"
    mine.write_text("mine")
    write_sessions(tmp_path, {SPACE.smallest: {"mAP": 0.5}}, SPACE, NOTHING)

    assert [path.name for path in mine.parent.iterdir()] == ["mine.txt"]
    assert logged(tmp_path / str(SPACE.smallest))["subnet/mAP"] == pytest.approx(0.5)
