"""The simulated fleet: what was deleted before it was read is in a dump of it as a real run would have noted it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bench.incidents import dump, eaten, events
from daemon import app
from daemon.alerts.notice import Notice
from tests.daemon.wiring.replays import configured


def test_a_deleted_minute_is_a_gap_of_as_many_offsets(tmp_path: Path) -> None:
    """It is told once, with how many there were, and is over with the next pane."""
    lines = list(events(2, 0.1, 4, 1, []))
    minute = eaten(2)
    lost = sum(minute.begin <= time < minute.end for time, _ in lines)
    path, said = tmp_path / "dump.ndjson", list[Notice]()
    path.write_bytes(b"".join(line + b"\n" for line in dump(lines, minute)))
    with closing(
        app.replaying(configured("{}"), [path], alerts=tmp_path / "alerts", on_notice=said.append)
    ) as pipeline:
        pipeline.run(lambda: False)
    gaps = [(notice.change, notice.finding.value) for notice in said if notice.finding.series == "gap"]
    assert lost > 10
    assert gaps == [("fired", lost), ("resolved", lost)]
