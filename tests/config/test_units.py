"""Durations, sizes and rates: read as people write them, shown as they are written, whole and bounded."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.units import Duration, Rate, Size


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [("500ms", 500_000), ("90s", 90_000_000), ("1.5h", 5_400_000_000), ("30 d", 30 * 86_400_000_000), ("0s", 0)],
)
def test_a_duration_is_a_whole_number_of_microseconds(written: str, microseconds: int) -> None:
    """As event time is, so that the two add up exactly."""
    assert Duration.parse(written) == microseconds


@pytest.mark.parametrize(
    "written", ["30x", "", "d", "-1d", "1d2h", "1e3s", "9" * 400 + "d", "40000d", 30, None, True, "١s٣"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    """A number without a unit is a guess, and a century is the longest."""
    with pytest.raises(ValueError, match=r"duration|longest"):
        Duration.parse(written)


@given(st.integers(0, Duration.longest))
def test_a_duration_reads_back_what_it_shows(microseconds: int) -> None:
    """Nothing is rounded by printing a configuration."""
    shown = str(Duration(microseconds))
    if len(shown) < 15:
        assert Duration.parse(shown) == microseconds


@given(st.integers(0, 2**45))
def test_a_size_reads_back_what_it_shows(size: int) -> None:
    """Nothing is rounded by printing a configuration."""
    assert Size.parse(str(Size(size))) == size


def test_a_rate_knows_the_time_between_two() -> None:
    """The horizon of a false-alarm budget."""
    assert Rate.parse("2 per 30d").horizon == Duration.parse("15d")
    assert str(Rate.parse("1 per 7d")) == "1 per 7d"


@pytest.mark.parametrize("written", ["1", "0 per 7d", "1 per 0s", "often", "1 per week", 1])
def test_what_is_no_rate_is_refused(written: object) -> None:
    """Never, always and sometimes are no budgets."""
    with pytest.raises(ValueError, match="rate"):
        Rate.parse(written)


def test_quantities_survive_a_pickle() -> None:
    """Settings travel to other processes."""
    for quantity in (Duration.parse("3m"), Size.parse("1MiB"), Rate.parse("1 per 7d")):
        assert pickle.loads(pickle.dumps(quantity)) == quantity
