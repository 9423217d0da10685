"""Words for the sentences that findings say: models, moments, shares and counts as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from processors.profile import GroupKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def model_words(group: GroupKey) -> str:
    """`Model fraud v3` or `Model fraud v3, region=eu`; a version that says itself what it is stays as it is."""
    version = f"v{group.version}" if group.version[:1].isdigit() else group.version
    segment = f", {group.segment}={group.value}" if group.segment else ""
    return f"Model {group.model} {version}".rstrip() + segment


def moment(time_us: int) -> str:
    """A time in microseconds as `2026-11-22 03:10 UTC`; the empty string where there is no such day."""
    try:
        return f"{_EPOCH + timedelta(microseconds=int(time_us)):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return ""


def percent(share: float) -> str:
    """A share as `12%`, with a decimal where it is small: `1.2%`, `0.04%`."""
    size = abs(share) * 100
    return f"{share * 100:.{0 if size >= 10 or size == 0 else 1 if size >= 1 else 2}f}%"


def basis(n: int, noun: str, since_us: int) -> str:
    """What a statement rests on: `1,840 outcomes since 2026-11-22 03:10 UTC`."""
    return f"{n:,} {noun} since {moment(since_us)}"
