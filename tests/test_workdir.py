"""A run directory that holds other values than this project wrote."""

import json
from dataclasses import asdict

import pytest

from aec_ofa_tf.audio.front_end import PRESETS
from aec_ofa_tf.averaging import average
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.family import to_config
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.workdir import Workdir

SPACE = cnn10_space("[2,2,X]")
CONFIG = {
    "space": to_config(SPACE),
    "network": to_config(SPACE.network(2, 100, 64, task="multi_label")),
    "labels": ["dog", "rain"],
    "front_end": asdict(PRESETS["panns_32k"]),
    "clip_secs": 1.0,
}


@pytest.fixture
def run(tmp_path):
    run = Workdir(tmp_path)
    run.claim(CONFIG)
    return run


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", []),
        ("space", {"family": ["cnn10"]}),
        ("space", {"depth": 3}),
        ("network", {"classes": "2", "frames": 100}),
        ("network", {"classes": 2}),
        ("front_end", {"power_floor": 10**400}),
        ("front_end", 3),
    ],
)
def test_a_configuration_with_other_values_is_named(run, name, value):
    (run.path / "config.json").write_text(json.dumps({**CONFIG, name: value}))
    read = run.front_end if name == "front_end" else run.space_and_network
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        read()


def test_a_run_of_another_front_end_is_refused(run):
    other = {**CONFIG, "front_end": asdict(PRESETS["panns_16k"])}
    with pytest.raises(ValueError, match="belongs to another experiment: front_end was"):
        run.claim(other)


@pytest.mark.parametrize("record", ['{"settings": 3, "result": {}}', "[]", '{"settings": {}}'])
def test_a_damaged_stage_is_named(run, record):
    (run.path / "stages").mkdir()
    (run.path / "stages" / "supernet.json").write_text(record)
    with pytest.raises(ValueError, match=r"supernet\.json is damaged .*remove it"):
        run.stage_config("supernet", SupernetConfig)


@pytest.mark.parametrize("value", ["1000", 10**400, [1]])
def test_a_figure_that_is_no_number_is_named(run, value):
    largest = {"params": 1000, "macs": value}
    (run.path / "search").mkdir()
    (run.path / "search" / "result.json").write_text(
        json.dumps({"budgets": [], "largest": largest})
    )
    with pytest.raises(ValueError, match=r"result\.json is damaged .*macs is a number"):
        average([run])


@pytest.mark.parametrize("result", ["[]", "{}", '{"budgets": [{"budget": 1, "subnet": []}]}'])
def test_a_damaged_search_result_is_named(run, result):
    (run.path / "search").mkdir()
    (run.path / "search" / "result.json").write_text(result)
    with pytest.raises(ValueError, match=r"result\.json is damaged .*remove it and"):
        run.winners()
