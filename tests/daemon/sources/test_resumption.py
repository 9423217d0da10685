"""Where a partition goes on, and when that is a gap."""

import pytest

from daemon.records import Gap, Partition, Position
from daemon.sources.resumption import Extent, resume

PARTITION = Partition("events", 0)


@pytest.mark.parametrize(
    ("stored", "extent", "found", "reason"),
    [
        pytest.param(Position(5, "a"), Extent(0, 9, "a"), 5, None, id="there"),
        pytest.param(Position(9, "a"), Extent(0, 9, "a"), 9, None, id="at the end"),
        pytest.param(Position(5, "a"), Extent(5, 9, "a"), 5, None, id="just not deleted"),
        pytest.param(Position(4, "a"), Extent(5, 9, "a"), 5, "retention", id="deleted"),
        pytest.param(Position(4, "a"), Extent(9, 9, "a"), 9, "retention", id="everything deleted"),
        pytest.param(Position(5, "a"), Extent(0, 9, "b"), 0, "recreated", id="another topic that reaches as far"),
        pytest.param(Position(5, "a"), Extent(0, 3, "b"), 0, "recreated", id="another topic that is shorter"),
        pytest.param(Position(0, "a"), Extent(0, 0, "b"), 0, "recreated", id="another topic, nothing was read"),
        pytest.param(Position(9, "a"), Extent(0, 5, "a"), 5, "truncated", id="the same topic ends before"),
        pytest.param(Position(9, ""), Extent(0, 5, ""), 0, "recreated", id="brokers without ids, ends before"),
        pytest.param(Position(9, ""), Extent(0, 5, "a"), 0, "recreated", id="brokers got ids, ends before"),
        pytest.param(Position(5, ""), Extent(0, 9, "a"), 5, None, id="brokers got ids"),
        pytest.param(Position(5, "a"), Extent(0, 9, ""), 5, None, id="brokers lost ids"),
    ],
)
def test_where_to_go_on(stored: Position, extent: Extent, found: int, reason: str | None) -> None:
    """Nothing is skipped or read again without a gap that says so."""
    offset, gap = resume(PARTITION, stored, extent)
    assert offset == found
    if reason is None:
        assert gap is None
    else:
        assert gap == Gap(PARTITION, stored.next_offset, found, reason)  # type: ignore[arg-type]


def test_only_retention_knows_how_much_is_lost() -> None:
    """Offsets of a topic that is gone can't be counted."""
    assert Gap(PARTITION, 4, 9, "retention").lost == 5
    assert Gap(PARTITION, 4, 0, "recreated").lost is None
