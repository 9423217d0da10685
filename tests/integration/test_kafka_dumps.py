"""Dumps of what a daemon consumed: all that it read, and what the broker no longer has of it."""

from __future__ import annotations

from pathlib import Path

import orjson

from daemon import exits
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.daemon.commands.vigild import vigild
from tests.integration.daemons import running
from tests.integration.running import produce
from tests.integration.watched import KEEP, configure, counted, messages, read_to


def test_a_dump_says_what_retention_has_eaten(broker: Cluster, new_topic: NewTopic, tmp_path: Path) -> None:
    """Exit 65, a line in the dump and a warning with the number of offsets; a replay warns again. What the run itself
    had missed doesn't count.
    """
    topic = new_topic("partly", **KEEP)
    configure(tmp_path, broker.bootstrap, topic)
    for first, kept in ((0, 0), (300, 400)):
        produce(broker.bootstrap, messages(topic, 300, first=first))
        broker.delete_records(topic, kept)
        with running(tmp_path) as daemon:
            read_to(daemon, first + 300)
            daemon.stop()
    whole = vigild("dump", "-o", "partly.ndjson", cwd=tmp_path)
    assert whole.returncode == exits.DATA
    assert "300 offsets" in whole.stderr
    broker.delete_records(topic, 450)
    told = vigild("dump", "-o", "dump.ndjson", cwd=tmp_path)
    assert told.returncode == exits.DATA
    lines = [orjson.loads(line) for line in (tmp_path / "dump.ndjson").read_bytes().splitlines()]
    (missing,) = [line for line in lines if line.get("control") == "missing"]
    assert (missing["expected"], missing["found"], missing["offsets"]) == (0, 450, 350)
    assert [line["offset"] for line in lines if "value" in line] == list(range(450, 600))
    again = vigild("replay", "-c", "vigil.yaml", "--input", "dump.ndjson", cwd=tmp_path)
    assert again.returncode == exits.OK
    assert "the dump is not whole" in again.stderr


def test_a_dump_begins_where_the_run_began(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """With `start: latest` the run had not read what was there before, so its replay must not either."""
    topic = new_topic("late", **KEEP)
    configure(tmp_path, broker.bootstrap, topic, transport, "start: latest")
    produce(broker.bootstrap, messages(topic, 100))
    with running(tmp_path) as daemon:
        daemon.until(lambda: daemon.metric("vigil_position") == 100)
        produce(broker.bootstrap, messages(topic, 200, first=100))
        read_to(daemon, 300)
        counted(daemon, 200)
        daemon.stop()
    told = vigild("dump", "-o", "dump.ndjson", cwd=tmp_path)
    assert told.returncode == exits.OK, told.stderr
    lines = [orjson.loads(line) for line in (tmp_path / "dump.ndjson").read_bytes().splitlines()]
    assert [line["offset"] for line in lines if "value" in line] == list(range(100, 300))


def test_a_dump_of_a_topic_made_anew_says_that_nothing_is_left(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path
) -> None:
    """It doesn't take the new topic's records for those that were consumed, nor wait for as many to come."""
    topic = new_topic("gone", 2, **KEEP)
    configure(tmp_path, broker.bootstrap, topic)
    produce(broker.bootstrap, messages(topic, 300, partitions=2))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        daemon.stop()
    broker.recreate_topic(topic, **KEEP)
    produce(broker.bootstrap, messages(topic, 10))
    told = vigild("dump", "-o", "dump.ndjson", cwd=tmp_path)
    assert told.returncode == exits.DATA
    lines = [orjson.loads(line) for line in (tmp_path / "dump.ndjson").read_bytes().splitlines()]
    missing = [(line["partition"], line["offsets"]) for line in lines if line.get("control") == "missing"]
    assert sorted(missing) == [(0, 150), (1, 150)]
    assert not [line for line in lines if "value" in line]
