"""The attribution monitor: importance as it is, alerts when it moves and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.base import Summary
from processors.explanation.attributions import Attribution, AttributionSettings
from processors.packing import pack, unpack
from processors.profile import Profile
from processors.rows import Explanations
from processors.slices import ExplanationRows
from tests.processors.panes import NO_SIGNALS, PANE, Run, cells, predictions, words

FEATURES = ("amount", "country", "hour", "noise")
USUAL = np.array([0.5, 0.3, 0.15, 0.05])


def explanations(values: npt.ArrayLike, start: int = 0, features: tuple[str, ...] = FEATURES) -> Explanations:
    """Attributions (rows, features) of predictions in one pane."""
    matrix = np.asarray(values, np.float64)
    table = predictions(len(matrix), start=start)
    names = words("fraud", "1")
    columns: dict[str, Any] = {name: matrix[:, at].tolist() for at, name in enumerate(features)}
    attributions = cells(columns, len(matrix), names)
    return Explanations(table.time, table.model, table.version, table.key, table.id, attributions, names)


def monitor(**settings: Any) -> Attribution:
    """The monitor with these settings."""
    return Attribution(AttributionSettings(**settings))


def profiled() -> Profile:
    """A profile that knows the model and its features."""
    profile = Profile()
    profile.admit(predictions(2, {feature: [1.0, 2.0] for feature in FEATURES}), NO_SIGNALS)
    return profile


def located(profile: Profile, table: Explanations, start: int = 0) -> ExplanationRows:
    """The explanations as the monitor gets them."""
    return profile.locate_explanations(table, start, start + PANE)


def draws(random: np.random.Generator, count: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Attributions whose mean shares are `shares`, of any sign and scale."""
    size = random.dirichlet(shares * 10, count) * random.gamma(2, size=(count, 1))
    return np.asarray(size * random.choice([-1, 1], size.shape))


class Stream(Run):
    """The monitor over panes of explanations."""

    def explain(self, values: npt.ArrayLike, pane: int) -> Any:
        return self._pane(located(self.profile, explanations(values, pane * PANE), pane * PANE), pane * PANE)


def stream(**settings: Any) -> Stream:
    """The monitor before its first pane."""
    return Stream(monitor(**settings), profiled(), window_span=60 * PANE, through_bytes=False)


def by_feature(readings: list[Any]) -> dict[str, float]:
    """Values of readings by their feature."""
    return {reading.feature: reading.value for reading in readings}


def test_readings_are_the_mean_sizes_and_the_mean_shares() -> None:
    """As computed over the whole window at once; |value| and shares differ where predictions differ in scale."""
    run = stream()
    values = [draws(np.random.default_rng(pane), 8, USUAL) for pane in range(5)]
    for pane, rows in enumerate(values):
        run.explain(rows, pane)
    run.finish()
    size = np.abs(np.concatenate(values))
    expected = dict(zip(FEATURES, size.mean(axis=0).tolist(), strict=True))
    assert by_feature(run.series("mean_abs_attribution")) == pytest.approx(expected)
    shares = (size / size.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
    assert by_feature(run.series("share")) == pytest.approx(dict(zip(FEATURES, shares, strict=True)), abs=1e-8)
    assert {reading.n for reading in run.readings} == {40}


def test_a_feature_without_attribution_in_a_row_has_a_share_of_zero_there() -> None:
    """Events may carry their largest attributions only: the mean is over all explained rows, not over those with it."""
    profile = profiled()
    few = explanations([[3.0, 1.0]], features=("amount", "country"))
    rows = located(profile, Explanations.concat([few, explanations([[1.0, 1.0, 1.0, 1.0]])]))
    summary = monitor().measure(rows, profile, None)
    shares = dict(zip((profile.series_feature[key] for key in summary.keys), summary["share"] / 2**32, strict=True))
    assert shares == pytest.approx({"amount": 1.0, "country": 0.5, "hour": 0.25, "noise": 0.25})
    assert summary["n"].tolist() == [2, 2, 2, 2]


def test_measuring_in_parts_and_merging_is_measuring_at_once() -> None:
    """Shares and counts exactly; sums of sizes up to rounding."""
    profile, values = profiled(), draws(np.random.default_rng(1), 30, USUAL)
    table, attribution = explanations(values), monitor()
    whole = attribution.measure(located(profile, table), profile, None)
    parts = [attribution.measure(located(profile, table.take(at)), profile, None) for at in np.split(np.arange(30), 3)]
    merged = attribution.merge(parts[2], attribution.merge(parts[0], parts[1]))
    for column in ("n", "share"):
        np.testing.assert_array_equal(merged[column], whole[column])
    np.testing.assert_allclose(merged["total"], whole["total"], rtol=1e-12)


@pytest.mark.parametrize("ugly", [np.nan, np.inf, -np.inf, 1e308, 0.0])
def test_ugly_attributions_are_ordinary(ugly: float) -> None:
    """Nothing is raised, and every share stays a number from 0 to 1."""
    profile = profiled()
    rows = located(profile, explanations(np.full((3, 4), ugly)))
    summary = monitor().measure(rows, profile, None)
    assert ((summary["share"] >= 0) & (summary["share"] <= 3 * 2**32)).all() if len(summary) else ugly != 1e308
    run = stream()
    run.explain(np.full((3, 4), ugly), 0)
    run.finish()


def test_no_rows_are_an_empty_summary() -> None:
    """Panes without explanations cost nothing and change nothing."""
    profile = profiled()
    summary = monitor().measure(located(profile, explanations(np.zeros((0, 4)))), profile, None)
    assert len(summary) == 0


@pytest.mark.parametrize("seed", range(2))
def test_a_stable_model_raises_nothing(seed: int) -> None:
    """Eight samples a pane for 3,000 panes (8 hours): far more than the budget would pay for by chance."""
    run, random = stream(), np.random.default_rng(seed)
    for pane in range(3_000):
        run.explain(draws(random, 8, USUAL), pane)
    assert run.findings == []


def test_one_alert_fires_when_another_feature_drives_the_model_and_ends_when_it_is_over() -> None:
    """However many features move, there is one life: fired, updates, recovered; the lead is the one that moved most."""
    run, random = stream(), np.random.default_rng(3)
    broken = np.array([0.1, 0.3, 0.15, 0.45])
    for pane in range(500):
        run.explain(draws(random, 8, USUAL), pane)
    for pane in range(500, 700):
        run.explain(draws(random, 8, broken), pane)
    fired = run.findings[0]
    assert fired.kind == "fired"
    assert fired.series == "attribution_drift"
    assert fired.evidence["moved_feature"] in {"amount", "noise"}
    assert abs(fired.since - 500 * PANE) <= 5 * PANE
    assert {finding.kind for finding in run.findings[1:]} <= {"updated"}
    for pane in range(700, 2_500):
        run.explain(draws(random, 8, USUAL), pane)
    kinds = [finding.kind for finding in run.findings]
    assert kinds.count("fired") == kinds.count("recovered") == 1
    assert kinds[-1] == "recovered"


def test_a_change_below_the_effect_that_matters_raises_nothing() -> None:
    """Statistically plain (3 points over 24,000 samples), practically nothing."""
    run, random = stream(), np.random.default_rng(4)
    for pane in range(3_000):
        run.explain(draws(random, 8, USUAL if pane < 500 else np.array([0.47, 0.33, 0.15, 0.05])), pane)
    assert run.findings == []


def test_the_rankings_likeness_falls_when_the_order_turns() -> None:
    """NDCG is 1 while the order stands and clearly less when the last feature becomes the first."""
    run, random = stream(), np.random.default_rng(5)
    for pane in range(180):
        run.explain(draws(random, 8, USUAL if pane < 120 else USUAL[::-1].copy()), pane)
    run.finish()
    likeness = [reading.value for reading in run.series("attribution_ndcg")]
    assert likeness[0] == pytest.approx(1.0)
    assert likeness[-1] is not None
    assert likeness[-1] < 0.8


def test_evidence_names_what_drives_the_model_now_and_what_did() -> None:
    """For any alert of the version: features by share, with the reference's share beside it."""
    run, random = stream(), np.random.default_rng(6)
    for pane in range(300):
        run.explain(draws(random, 8, USUAL), pane)
    attribution = run.monitor
    assert isinstance(attribution, Attribution)
    top = attribution.evidence(run.state, 0, k=2)["top_features"]
    assert [feature["feature"] for feature in top] == ["amount", "country"]
    assert top[0]["share"] == pytest.approx(0.5, abs=0.1)
    assert top[0]["reference_share"] == pytest.approx(0.5, abs=0.02)
    assert top[0]["change"] == pytest.approx(top[0]["share"] - top[0]["reference_share"])
    assert attribution.evidence(attribution.initial(), 0) == {}


def test_state_through_bytes_goes_on_identically() -> None:
    """Saving and loading between any two panes changes no reading and no finding."""

    def told(*, through_bytes: bool) -> Any:
        run, random = stream(warmup=40), np.random.default_rng(7)
        run.through_bytes, run.window_span = through_bytes, 5 * PANE
        for pane in range(120):
            run.explain(draws(random, 8, USUAL if pane < 60 else USUAL[::-1].copy()), pane)
        run.finish()
        return run.readings, run.findings, pack(run.state)

    assert told(through_bytes=True) == told(through_bytes=False)


def test_forgetting_frees_series_for_others() -> None:
    """A retired version's numbers carry nothing over."""
    run, random = stream(), np.random.default_rng(8)
    for pane in range(100):
        run.explain(draws(random, 8, USUAL), pane)
    attribution = run.monitor
    assert isinstance(attribution, Attribution)
    state = attribution.forget(unpack(pack(run.state)), frozenset({0}), frozenset(range(4)))
    assert attribution.evidence(state, 0) == {}
    assert state["names"] == {}
    assert attribution.deadline(state) is None
    assert isinstance(attribution.empty(), Summary)
