import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from aec_ofa_tf.metrics import evaluate_scores, weighted_average_precision
from aec_ofa_tf.models.cnn10 import blocks_of, search_space
from aec_ofa_tf.search.analyses import pareto_front, rank_correlation, sensitivity, spread
from aec_ofa_tf.search.bootstrap import bootstrap_interval, bootstrap_mean_average_precision
from aec_ofa_tf.search.store import EvaluationStore

SPACE = search_space("[2,2,X]")
SUBNETS = SPACE.subnets()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 1000]))
def test_weighted_average_precision_is_scikit_learns(seed, levels):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, 30) / levels  # with ties
    labels = generator.integers(0, 2, 30)
    weights = generator.multinomial(30, np.full(30, 1 / 30), size=4)
    found = weighted_average_precision(scores, labels, weights)

    for value, weight in zip(found, weights, strict=True):
        positives = (labels * weight).sum()
        if 0 < positives < 30:
            expected = average_precision_score(labels, scores, sample_weight=weight)
            assert value == pytest.approx(expected)
        else:
            assert np.isnan(value)


def test_the_bootstrap_knows_the_standard_error_of_the_map():
    generator = np.random.default_rng(0)

    def clips(count):
        labels = generator.integers(0, 2, (count, 3))
        return labels + generator.normal(0, 1, labels.shape), labels

    for count in (50, 400):
        spread = np.std([evaluate_scores(*clips(count)).mAP for _ in range(150)])
        errors = [bootstrap_mean_average_precision(*clips(count), 150).std() for _ in range(5)]
        assert np.median(errors) == pytest.approx(spread, rel=0.3)
    assert len(bootstrap_mean_average_precision(*clips(50), resamples=150)) == 150


@pytest.mark.parametrize("rate", [0.005, 0.1, 0.9])
def test_the_interval_holds_its_figure_however_rare_the_classes_are(rate):
    generator = np.random.default_rng(0)
    labels = (generator.random((1000, 40)) < rate).astype(int)
    scores = labels + generator.normal(0, 1, labels.shape)
    mean = evaluate_scores(scores, labels).mAP
    low, high = bootstrap_interval(scores, labels, mean)

    assert 0 <= low < mean < high <= 1


def test_the_interval_holds_the_true_map_about_as_often_as_it_says():
    generator = np.random.default_rng(0)

    def clips(count):
        labels = (generator.random((count, 5)) < 0.3).astype(int)
        return labels + generator.normal(0, 0.7, labels.shape), labels

    true = evaluate_scores(*clips(20_000)).mAP
    inside = 0
    for _ in range(60):
        scores, labels = clips(300)
        low, high = bootstrap_interval(scores, labels, evaluate_scores(scores, labels).mAP, 200)
        inside += low <= true <= high
    assert inside >= 51  # of 60


def test_the_pareto_front_holds_what_nothing_beats():
    points = {"a": (1, 0.2), "b": (2, 0.2), "c": (2, 0.5), "d": (3, 0.4), "e": (4, 0.9)}

    assert pareto_front(points) == ["a", "c", "e"]
    assert pareto_front({}) == []


def test_spread_has_the_quartiles():
    assert spread([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(
        {"candidates": 5, "min": 0.1, "q1": 0.2, "median": 0.3, "q3": 0.4, "max": 0.5}
    )


def test_sensitivity_is_the_mean_over_everything_else():
    scores = {spec: blocks_of(spec)[1][0] + 1000 * len(blocks_of(spec)[-1]) for spec in SUBNETS}
    rows = sensitivity(scores, SPACE)

    panels = {(row["block"], row["choice"]) for row in rows}
    assert panels == {(2, "width"), (3, "width"), (4, "width"), (4, "depth")}
    by_width = [row["mAP"] for row in rows if (row["block"], row["choice"]) == (2, "width")]
    assert by_width == [width + 1500 for width in (51, 76, 102, 128)]
    assert len({row["mAP"] for row in rows if (row["block"], row["choice"]) == (3, "width")}) == 1
    depths = [row for row in rows if row["choice"] == "depth"]
    assert depths[1]["mAP"] - depths[0]["mAP"] == pytest.approx(1000)
    assert [row["subnets"] for row in depths] == [64, 64]


def test_rank_correlation_compares_orders_not_values():
    full = {spec: float(index) for index, spec in enumerate(SUBNETS)}
    squared = rank_correlation({s: v**2 for s, v in full.items()}, full)
    assert squared["spearman"] == squared["kendall"] == pytest.approx(1)
    assert rank_correlation({s: -v for s, v in full.items()}, full)["spearman"] == -1
    assert rank_correlation(dict.fromkeys(full, 0.5), full)["kendall"] is None


def test_a_search_that_was_killed_keeps_all_but_the_line_it_was_writing(tmp_path):
    path = tmp_path / "store.jsonl"
    store = EvaluationStore(path, "weights-1", SPACE)
    for spec in SUBNETS[:3]:
        store.add(spec, {"mAP": 0.25})
    path.write_text(path.read_text()[:-7])

    again = EvaluationStore(path, "weights-1", SPACE)
    assert list(again.known) == SUBNETS[:2]
    again.add(SUBNETS[2], {"mAP": 0.75})
    assert EvaluationStore(path, "weights-1", SPACE).known[SUBNETS[2]] == {"mAP": 0.75}
    assert EvaluationStore(path, "weights-2", SPACE).known == {}


@pytest.mark.parametrize(
    "line", ['{"key": "k"}', '{"key": "k", "subnet": "4x2", "metrics": 3}', "[]"]
)
def test_damaged_lines_of_a_store_are_passed_over(tmp_path, line):
    path = tmp_path / "store.jsonl"
    path.write_text(f"{line}\n")

    assert EvaluationStore(path, "k", SPACE).known == {}
