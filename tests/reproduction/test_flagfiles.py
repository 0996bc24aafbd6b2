"""The flagfiles of `reproduce` say what they promise."""

import json

import pytest

from tests.programs import Running


def parsed(flagfile: str, *others: str) -> dict:
    return (
        Running("tests.reproduction.parsed", [f"--flagfile={flagfile}", *others]).finished().result
    )


@pytest.fixture(scope="module")
def paper():
    return parsed("audioset_paper.flags")


def test_the_paper_s_spaces_and_budgets(paper):
    assert [space.split(" per ")[0] for space in paper["spaces"]] == [
        "[2,2,X] widths 0.4,0.6,0.8,1",
        "[X,X,X] widths 0.4,0.6,0.8,1",
        "[2,X,X] widths 0.4,0.6,0.8,1",
        "[2,2,2] widths 0.2,0.4,0.6,0.8,1",
    ]
    assert paper["budgets"] == [f"params={n}00000+-200000" for n in (8, 18, 28, 38)]
    assert all(space["base_channels"] == 64 for space in paper["config"]["spaces"])


def test_the_paper_s_training(paper):
    config = paper["config"]
    for part in ("teacher", "supernet", "subnet"):
        train = config[part]["train"]
        assert (train["batch_size"], train["learning_rate"]) == (64, 1e-3)
        assert (train["adam_epsilon"], train["schedule"]) == (1e-8, "constant")
        assert (train["time_mask_frames"], train["mel_mask_bins"]) == (64, 8)
    supernet = config["supernet"]
    assert (supernet["largest_steps"], supernet["steps"]) == (100_000, 200_000)
    assert (supernet["subnets_per_step"], supernet["sampler"]) == (4, "uniform")
    assert (config["teacher"]["steps"], config["subnet"]["steps"]) == (400_000, 100_000)
    assert config["tune_steps"] == [10_000, 100_000]
    assert config["fixed_ratios"] == [0.4, 0.6, 0.8]
    assert not supernet["student_mixup"]
    assert not config["subnet"]["student_mixup"]
    assert config["search"]["population"] == 25
    assert paper["options"]["task"] == "multi_label"
    assert (paper["validation_clips"], paper["front_end"]) == (28_339, "panns_32k")


def test_all_of_audioset_differs_in_data_and_devices(paper):
    full = parsed("audioset_full.flags")

    assert full["devices"]["strategy"] == "mirrored"
    assert full["config"]["supernet"]["train"]["batch_size"] == 256
    for name in ("budgets", "spaces"):
        assert full[name] == paper[name]
    assert full["config"]["supernet"]["steps"] == paper["config"]["supernet"]["steps"]


def test_scenes_have_three_seeds_of_three_budgets_and_equal_steps():
    config = parsed("esc50_scenes.flags")["config"]

    assert (config["seeds"], config["ablation_seeds"]) == (3, 1)
    assert len(config["search"]["budgets"]) == len(config["fixed_ratios"]) == 3
    assert (
        config["tune_steps"][1] == config["subnet"]["steps"] == config["supernet"]["largest_steps"]
    )


def test_the_last_flag_wins_and_a_repeated_space_is_added():
    found = parsed("tiny.flags", "--seeds=1", "--arms=kd", "--tune_steps=3")

    assert (found["config"]["seeds"], found["config"]["arms"]) == (1, ["kd"])
    assert found["config"]["tune_steps"] == [3]
    assert json.dumps(found["spaces"]).count("base 4") == 4
