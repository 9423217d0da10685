"""Expected measures of a classifier: their values, slopes and intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from processors.estimation.calibration import Known
from processors.estimation.counts import facet_of
from processors.estimation.measures import Expected, Measures, measures

Floats = npt.NDArray[np.float64]


def _binary(score: Floats, rate: Floats, size: float = 1e12) -> Measures:
    """Measures of one unit of predictions of these scores; `size` outcomes were learnt from."""
    count = len(score)
    facet = facet_of(np.zeros(count, np.int64), np.ones(count, np.bool_), score > 0.5)
    nothing = np.zeros(count, np.int64)
    known = Known(rate, rate * (1 - rate), np.arange(count), np.full(count, size), np.ones(count, np.bool_))
    code = np.argsort(np.argsort(score)).astype(np.int64)
    return measures(Expected(nothing, facet, code, np.ones(count), known, 1), binary=True)


def test_with_certain_rates_they_are_the_measures_of_the_labels() -> None:
    """Where each class is known the five are scikit-learn's."""
    rng = np.random.default_rng(1)
    score = rng.random(500)
    label = (rng.random(500) < score).astype(np.float64)
    found = _binary(score, label)
    said = score > 0.5
    oracle = [
        accuracy_score(label, said),
        precision_score(label, said),
        recall_score(label, said),
        f1_score(label, said),
        roc_auc_score(label, score),
    ]
    np.testing.assert_allclose(found.value[0], oracle, atol=1e-12)


def test_averages_over_the_classes_are_those_of_scikit_learn() -> None:
    """Macro averages of a three-class model, one versus rest for the area."""
    rng = np.random.default_rng(2)
    proba = rng.dirichlet(np.ones(3), 400)
    said = proba.argmax(axis=1)
    label = np.array([rng.choice(3, p=row) for row in proba])
    number = np.tile(np.arange(3), 400)
    hit = (np.repeat(label, 3) == number).astype(np.float64)
    facet = facet_of(number, np.ones(1_200, np.bool_), np.repeat(said, 3) == number)
    code = np.argsort(np.argsort(proba.ravel())).astype(np.int64)
    nothing = np.zeros(1_200, np.int64)
    known = Known(hit, np.zeros(1_200), nothing, np.ones(1_200), hit > 2)
    found = measures(Expected(nothing, facet, code, np.ones(1_200), known, 1), binary=False)
    oracle = [accuracy_score(label, said)]
    oracle += [score(label, said, average="macro") for score in (precision_score, recall_score, f1_score)]
    areas = [roc_auc_score(label == one, proba[:, one]) for one in range(3)]
    np.testing.assert_allclose(found.value[0], [*oracle, np.mean(areas)], atol=1e-12)


@pytest.mark.parametrize("size", [1e12, 300.0])
def test_intervals_hold_what_labels_will_show_nineteen_times_in_twenty(size: float) -> None:
    """Labels are drawn from the true rates, estimates made from rates learnt from `size` outcomes each."""
    rng = np.random.default_rng(3)
    score = rng.random(1_000)
    truth = 0.1 + 0.8 * score
    bins = (score * 10).astype(int)
    inside = np.zeros(5)
    trials = 300
    for _ in range(trials):
        # One rate for each tenth of the scores, learnt from `size` outcomes of it.
        mean = np.bincount(bins, truth) / np.bincount(bins)
        learnt = mean if size > 1e6 else rng.binomial(int(size), mean) / size
        count = len(score)
        facet = facet_of(np.zeros(count, np.int64), np.ones(count, np.bool_), score > 0.5)
        rate = learnt[bins]
        known = Known(rate, rate * (1 - rate), bins, np.full(count, size), np.ones(count, np.bool_))
        expected = Expected(np.zeros(count, np.int64), facet, bins.astype(np.int64), np.ones(count), known, 1)
        found = measures(expected, binary=True)
        label = rng.random(count) < mean[bins]
        exact = measures(
            Expected(expected.place, facet, expected.code, expected.n, _as_known(label, bins), 1), binary=True
        )
        inside += (found.low[0] <= exact.value[0]) & (exact.value[0] <= found.high[0])
    assert (inside / trials >= 0.91).all(), inside / trials
    assert (inside / trials <= 0.995).all(), inside / trials


def _as_known(label: npt.NDArray[np.bool_], bins: npt.NDArray[np.int64]) -> Known:
    rate = label.astype(np.float64)
    return Known(rate, np.zeros(len(rate)), bins, np.ones(len(rate)), label)


def test_what_cannot_be_is_undefined() -> None:
    """No predicted positive: no precision; no expected negative: no area."""
    found = _binary(np.array([0.1, 0.2]), np.array([0.3, 0.2]))
    assert np.isnan(found.value[0, 1])
    found = _binary(np.array([0.7, 0.9]), np.array([1.0, 1.0]))
    assert np.isnan(found.value[0, 4])
