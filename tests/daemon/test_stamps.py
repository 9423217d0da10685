"""Event times: what people and programs write for a moment, as microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.stamps import ABSENT, INVALID, LATEST_US, microseconds, rfc3339

NOON = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def typed(*values: Any) -> tuple[Any, ...]:
    """Values of any type."""
    return values


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22t12:00:00z", NOON),
        ("2026-11-22 12:00:00Z", NOON),
        ("2026-11-22T12:00:00", NOON),
        ("2026-11-22T12:00", NOON),
        ("2026-11-22T12:00:00.5Z", NOON + 500_000),
        ("2026-11-22T12:00:00.123Z", NOON + 123_000),
        ("2026-11-22T12:00:00.123456Z", NOON + 123_456),
        ("2026-11-22T12:00:00.123456789Z", NOON + 123_456),
        ("2026-11-22T13:30:00+01:30", NOON),
        ("2026-11-22T04:00:00.25-08:00", NOON + 250_000),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        (NOON // 1_000_000, NOON),
        (NOON / 1e6 + 0.25, NOON + 250_000),
        (NOON // 1_000, NOON),
        (NOON / 1e3 + 0.5, NOON + 500),
        (NOON, NOON),
        (NOON * 1_000 + 999, NOON),
        (0, 0),
        (0.0, 0),
        (None, ABSENT),
        *(
            (wrong, INVALID)
            for wrong in typed(
                "", "now", "2026", "2026-11-22", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "1969-12-31T23:59:59Z",
                "2262-01-01T00:00:00Z", "2026-11-22T12:00:00+25:00", "2026-11-22T12:00:60Z", "NaT", "1795348800",
                -1, -0.5, 9.3e18, 1e300, 2**63, LATEST_US * 1_000, True, [], {}, [NOON],
            )
        ),
    ],
)  # fmt: skip
def test_a_time_is_read_as_it_is_meant(written: Any, meant: int) -> None:
    """RFC 3339 with any offset, or epoch seconds, milliseconds, microseconds or nanoseconds by size; 1970 to 2262."""
    assert microseconds([written]).tolist() == [meant]
    assert microseconds([None, written, "2026-11-22T12:00:00Z", 7]).tolist()[1] == meant


MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2261, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.integers(-18 * 60, 18 * 60))
def test_every_way_to_write_a_moment_leads_to_it(moment: datetime, offset: int) -> None:
    """Texts of any offset and epoch numbers agree with Python's own arithmetic."""
    meant = (moment - EPOCH) // timedelta(microseconds=1)
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    texts = [moment.isoformat(), local.isoformat(), moment.isoformat().replace("+00:00", "Z"), rfc3339(meant)]
    assert microseconds(texts).tolist() == [meant] * 4
    if meant > 100_000_000_000_000:
        assert microseconds([meant, meant * 1000]).tolist() == [meant, meant]


TWISTED = st.tuples(
    MOMENTS.map(lambda moment: moment.isoformat(timespec="milliseconds")[:23] + "Z"),
    st.integers(0, 23), st.sampled_from("0123456789 -+:.TZzW,"),
).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :])  # fmt: skip


@given(st.lists(TWISTED, min_size=1, max_size=4))
def test_how_a_time_is_read_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    """The quick way for uniform texts gives what the careful way gives, for texts just off the form as well."""
    careful = [int(microseconds([text, None])[0]) for text in texts]
    assert microseconds(texts).tolist() == careful


@given(st.integers(0, LATEST_US - 1))
def test_a_time_as_text_reads_back_as_itself(time_us: int) -> None:
    """What Vigil writes it reads, to the microsecond."""
    assert microseconds([rfc3339(time_us)]).tolist() == [time_us]
