"""More than is watched of everything: models, versions, features, segment values, categories, signals.

What is beyond the limits is counted and said; numbers for it are not given, and no table grows by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daemon.scalars import Words
from processors.profile import Limits, Profile
from processors.slices import PredictionRows
from tests.daemon.messages import SECOND, START, decoder, prediction, run, signal

PANE = 10 * SECOND
LIMITS = Limits(models=40, versions=3, features=30, series=400, segment_values=10, groups=200)

Event = Callable[[int], dict[str, Any]]

FLOODS: dict[str, tuple[Event, int, str]] = {
    "models": (lambda n: prediction(id=n, model=f"m{n}"), 10_000, "models"),
    "versions": (lambda n: prediction(id=n, model=f"m{n % 40}", version=str(n)), 10_000, "versions"),
    "segment values": (
        lambda n: prediction(id=n, model="m", segment={"user": f"u{n}"}), 100_000, "rows of other segment values",
    ),
    "segment values of all models": (
        lambda n: prediction(id=n, model=f"m{n % 40}", segment={"user": f"u{n // 40 % 9}"}), 20_000,
        "rows of other segment values",
    ),
    "segment keys": (lambda n: prediction(id=n, model="m", segment={f"k{n}": 1}), 20_000, "segment keys"),
    "feature names": (
        lambda n: prediction(id=n, model="m", features={f"f{10 * n + place}": 1.0 for place in range(10)}), 100_000,
        "values of further features",
    ),
    "features of all models": (
        lambda n: prediction(id=n, model=f"m{n % 40}", features={f"f{place}": 1.0 for place in range(25)}), 10_000,
        "values of further features",
    ),
    "classes": (lambda n: prediction(id=n, model="m", prediction=f"class {n}"), 20_000, "classes"),
    "signals": (lambda n: signal(model="m", name=f"s{n}", value=1.0), 50_000, "values of further signals"),
}  # fmt: skip


def poured(event: Event, count: int, pane: int = 5_000) -> Profile:
    """A profile that has seen so many events, a few panes' worth at a time."""
    profile, decode = Profile(limits=LIMITS), decoder()
    for at, first in enumerate(range(0, count, pane)):
        start = START + at * PANE
        events = [event(n) for n in range(first, min(first + pane, count))]
        decoded = decode.decode(run(events, ms=[start // 1000] * len(events)))
        profile.admit(decoded.predictions, decoded.signals)
        measured(profile, decoded.predictions, start)
        profile.locate_signals(decoded.signals, start, start + PANE)
    return profile


def measured(profile: Profile, table: Any, start: int) -> PredictionRows:
    """What monitors would see of the rows that are watched."""
    watched = table.take(profile.base_of(table.model, table.version) >= 0)
    rows = profile.locate_predictions(watched, start, start + PANE, profile.base_of(watched.model, watched.version)[:0])
    profile.learn(rows)
    return rows


@pytest.mark.parametrize("flood", sorted(FLOODS))
def test_what_is_beyond_a_limit_is_counted_and_takes_no_room(flood: str) -> None:
    """Ten times as many make nothing larger that the limits bound; and the count of what was left out says so."""
    event, count, told = FLOODS[flood]
    some, all_of_them = poured(event, count // 10), poured(event, count)
    for profile in (some, all_of_them):
        assert len(profile.bases()) <= min(LIMITS.groups, LIMITS.models * LIMITS.versions)
        assert len(profile.groups) <= 2 * LIMITS.groups
        assert len(profile.series_feature) <= LIMITS.series
        assert all(len(profile.series_of(base)) <= LIMITS.features for base in profile.bases())
        assert all(len(profile.classes(base)) <= 100 for base in profile.bases())
    assert all_of_them.cut_off[told] > some.cut_off[told] > 0
    assert len(all_of_them.groups) <= max(len(some.groups), LIMITS.models + 1)


def test_a_million_categories_are_as_many_as_the_profile_has_bins_for() -> None:
    """Those that a feature's first rows had most are told apart, all others are one bin: `unseen category`."""
    features = {f"c{place}": place for place in range(20)}
    event: Event = lambda n: prediction(  # noqa: E731 - as those above
        id=n, model="m", features={name: f"{place}-{n if n % 4 else n % 12}" for name, place in features.items()}
    )
    profile = poured(event, 50_000)
    (base,) = profile.bases()
    numbers = list(profile.series_of(base).values())
    assert len(numbers) == 20
    assert all(0 < profile.series_bins[number] <= LIMITS.categories for number in numbers)
    assert sum(map(len, profile._series.words)) <= 20 * LIMITS.categories


def test_words_are_forgotten_before_they_are_too_many() -> None:
    """The decoder's memory of texts and layouts is bounded, whatever names events bring."""
    words = Words()
    decode = decoder()
    decode._words = words
    for first in range(0, 120_000, 4_000):
        decode.decode(
            run([prediction(id=n, model="m", features={f"f{n}": f"v{n}"}) for n in range(first, first + 4_000)])
        )
    assert len(words._texts) <= 100_000
    assert sum(map(len, words._layouts)) <= 1_000_000
