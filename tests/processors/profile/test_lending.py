"""A feature that begins where no other version has seen it gets another's bins; what may lie there does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from processors.kernels import binning
from processors.packing import pack, unpack
from processors.profile import Profile
from tests.daemon.messages import START, prediction
from tests.processors.profile.test_profile import PANE, feed, saved, table

ROWS, PANES = 100, 12
Make = Callable[[np.random.Generator, int], Any]
"""(chance, number of the row) in, value out."""


def serve(profile: Profile, make: Make, version: str = "2", start: int = START, seed: int = 0) -> int:
    """Panes of a version whose feature `x` is made so, until it has bins; returns its number."""
    rng = np.random.default_rng(seed)
    for pane in range(PANES):
        begin = start + pane * PANE
        events = [
            prediction(
                id=f"{version}-{pane}-{n}",
                version=version,
                ts=(begin + n * PANE // ROWS) / 1e6,
                features={"x": make(rng, pane * ROWS + n)},
            )
            for n in range(ROWS)
        ]
        feed(profile, table(*events), begin)
    return profile.series_of(profile.number("m", version))["x"]


def born(first: Make, second: Make, later: int = PANES * PANE) -> tuple[Profile, int, int]:
    """Version 1, then version 2, which begins so much later: the profile, and the numbers of their features."""
    profile = Profile()
    one = serve(profile, first, "1")
    return profile, one, serve(profile, second, "2", START + later, seed=1)


def amount(rng: np.random.Generator, _: int) -> float:
    """1 to 95, with more small ones."""
    return float(1 + 94 * rng.random() ** 2)


def country(rng: np.random.Generator, _: int) -> str:
    """Three of them."""
    return str(rng.choice(["CN", "DE", "FR"]))


def city(rng: np.random.Generator, _: int) -> str:
    """More than have bins, of which most are seldom."""
    return f"C{min(rng.geometric(0.15), 60)}"


def changed(make: Make, how: Callable[[Any], Any], share: float = 1.0) -> Make:
    """A share of the values is another."""
    return lambda rng, n: how(make(rng, n)) if rng.random() < share else make(rng, n)


def drawn(of: Callable[[np.random.Generator], Any]) -> Make:
    """Made by chance alone."""
    return lambda rng, _: of(rng)


def in_turn(of: Callable[[int], Any]) -> Make:
    """Made by the number of the row alone."""
    return lambda _, n: of(n)


def wandering(begin: float) -> Make:
    """Up and up, not at each step."""
    return lambda rng, n: begin + n / 10 + float(rng.normal(0, 5))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (amount, changed(amount, lambda x: x * 1_000)),
        (amount, changed(amount, lambda x: x * 1_000, 0.6)),
        (amount, changed(amount, lambda x: x / 1_000)),
        (amount, changed(amount, lambda x: -x)),
        (amount, changed(amount, lambda x: x + 300)),
        (amount, changed(amount, lambda x: 40 + x / 1_000)),
        (drawn(lambda rng: 7 * rng.random()), drawn(lambda rng: 7 * rng.random() / 100)),
        (amount, changed(amount, str)),
        (drawn(lambda rng: int(rng.integers(10))), drawn(lambda rng: int(rng.integers(10)) / 100)),
        (lambda rng, n: 0 if rng.random() < 0.97 else amount(rng, n), lambda rng, n: amount(rng, n) + 500),
        (country, changed(country, str.lower)),
        (country, changed(country, str.lower, 0.6)),
        (country, drawn(lambda rng: int(rng.integers(3)))),
        (city, changed(city, str.lower)),
    ],
)
def test_a_stranger_has_the_bins_of_the_others(first: Make, second: Make) -> None:
    """Another unit, sign, scale, spelling or type: in the others' bins it is seen that these are none of theirs."""
    profile, one, two = born(first, second)
    assert profile.loans[two].lender == one
    for column in (profile.series_type, profile.series_bins, profile.series_edges[:, 1:]):  # ends are widened
        np.testing.assert_array_equal(column[one], column[two])
    assert one not in profile.loans


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (amount, amount),
        (amount, changed(amount, lambda x: x * 1_000, 0.3)),
        (amount, changed(amount, lambda x: 1.5 * x + 10)),
        (country, changed(country, str.lower, 0.3)),
        (in_turn(lambda n: n), in_turn(lambda n: 50_000 + n)),
        (in_turn(lambda n: 1_790_000_000 + n), in_turn(lambda n: 1_795_000_000 + n)),
        (wandering(100), wandering(900)),
        (in_turn(lambda n: n // 400), in_turn(lambda n: 12 + n // 400)),
        (in_turn(lambda _: 130), in_turn(lambda _: 297)),
        (in_turn(lambda n: ["Mo", "Tu"][n // 600]), in_turn(lambda n: ["We", "Th"][n // 600])),
        (drawn(lambda rng: f"user-{rng.integers(1_000)}"), drawn(lambda rng: f"user-{rng.integers(1_000, 2_000)}")),
        (in_turn(lambda _: None), amount),
    ],
)
def test_what_may_lie_elsewhere_has_bins_of_its_own(first: Make, second: Make) -> None:
    """The same, or a part of it changed; counters, clocks and calendars; what has more names than are known."""
    profile, _, two = born(first, second)
    assert not profile.loans
    assert profile.series_type[two] in {binning.NUMERIC, binning.CATEGORICAL}


def test_who_began_together_knows_no_better_nor_does_a_reference() -> None:
    """Which of two new versions is wrong nobody can tell; and what an operator names for usual is."""
    profile = Profile()
    thousands = changed(amount, lambda x: x * 1_000)
    rng = np.random.default_rng(2)
    for pane in range(PANES):
        begin = START + pane * PANE
        rows = [(f"{v}-{pane}-{n}", v, of) for v, of in (("1", amount), ("2", thousands)) for n in range(ROWS)]
        events = [
            prediction(id=name, version=v, ts=begin / 1e6, features={"x": make(rng, 0)}) for name, v, make in rows
        ]
        feed(profile, table(*events), begin)
    assert not profile.loans
    given = [prediction(id=str(n), version="3", features={"x": thousands(rng, n)}) for n in range(ROWS)]
    profile.adopt("m", "3", table(*given))
    assert not profile.loans


def test_each_other_version_is_asked() -> None:
    """What one of them has seen is not strange; and a stranger vouches for nothing, whatever it goes on to send."""
    thousands = changed(amount, lambda x: x * 1_000)
    profile, one, two = born(amount, thousands)
    three = serve(profile, thousands, "3", START + 2 * PANES * PANE, seed=3)
    assert {number: loan.lender for number, loan in profile.loans.items()} == {two: one, three: one}
    profile.unseal(frozenset({two}))
    serve(profile, thousands, "2", START + 3 * PANES * PANE, seed=4)
    serve(profile, thousands, "4", START + 4 * PANES * PANE, seed=5)
    assert set(profile.loans) == {three}


def test_a_loan_outlives_a_restart_and_its_lender() -> None:
    """But not an operator's word, which holds for as long as the version lives."""
    thousands = changed(amount, lambda x: x * 1_000)
    profile, one, two = born(amount, thousands)
    assert profile.loans[two].words() == (
        "from its first value on this version has sent 1000 to 94960.7, where all others had 1 to 94.9063"
    )
    again = saved(profile)
    assert again.loans == profile.loans
    again.retire(again.number("m", "1"))
    assert again.loans[two].lender == two
    edges = again.series_edges[two].copy()
    assert np.isfinite(edges[0])
    profile.unseal(frozenset({two}))
    assert not profile.loans
    profile = saved(profile)
    assert serve(profile, thousands, "2", START + 3 * PANES * PANE) == two
    assert not profile.loans
    assert profile.series_edges[two, 0] > profile.series_upper[one]


def test_states_of_older_releases_have_no_loans() -> None:
    """Nor do they know when a series got its bins: others may be compared with these."""
    profile = Profile()
    serve(profile, amount, "1")
    state = profile.to_state()
    del state["series"]["loans"], state["series"]["since"]
    older = Profile()
    older.load(unpack(pack(state)))
    assert not older.loans
    two = serve(older, changed(amount, lambda x: x * 1_000), "2", START + PANES * PANE)
    assert set(older.loans) == {two}
