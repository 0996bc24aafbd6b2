"""What parts of a recipe are worth: which trainings are compared, and how."""

import pytest

from pipelines.benchmarks.recipe import PAPER, WITHOUT, config, table


@pytest.mark.parametrize("part", [*WITHOUT, PAPER])
def test_a_training_leaves_out_what_its_name_says_and_nothing_else(part):
    whole, without = (vars(config(one, seed=3, steps=100).train) for one in ("nothing", part))
    changed = {name for name in whole if whole[name] != without[name]}

    assert without["seed"] == 3
    if part == PAPER:
        assert (without["mixup_domain"], without["ema_momentum"]) == ("log_mel", 0)
    else:
        assert changed == set(WITHOUT[part])


def test_differences_are_of_the_same_folds_and_seeds():
    def row(without, fold, accuracy):
        return {"without": without, "fold": fold, "seed": 0, "accuracy": accuracy, "log_loss": 1.0}

    rows = [
        *(row("nothing", 1, 0.9), row("nothing", 5, 0.8)),
        *(row("masks", 1, 0.8), row("masks", 5, 0.8), row("gain", 5, 0.7)),
    ]
    found = table(rows)

    assert [one["difference"] for one in found] == ["+0.0 ± 0.0", "-5.0 ± 5.0", "-10.0"]
    assert [one["trainings"] for one in found] == [2, 2, 1]
    assert found[1]["accuracy"] == pytest.approx(0.8)
