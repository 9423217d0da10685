"""`vigild report`: what a configuration would have paged on the recorded log, beside what was paged.

The log is what the daemon consumed (as `vigild dump` writes it), or files that are named. It is replayed from its
beginning, for what is normal has to be learnt first; told is what fired since a time. What it is compared with is what
the alert topic (or file) says, or what another configuration makes of the same log.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration

if TYPE_CHECKING:
    from config import Config
    from daemon.preview.episodes import Episode


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="what this configuration would have paged, beside what was paged",
        description="Replay the recorded log with a configuration (a changed one, before it is deployed) and show "
        "which alerts are gained, lost, earlier or later than those on the alert topic, or by another configuration.",
    )
    configuration.add_option(parser)
    parser.add_argument("--since", metavar="TIME", help="only what fired since then: 7d, 12h, or 2026-11-22T00:00:00Z")
    parser.add_argument(
        "-i", "--input", type=Path, nargs="+", action="extend", metavar="FILE", help="the log, if not the daemon's own"
    )
    beside = parser.add_mutually_exclusive_group()
    beside.add_argument("--compare", type=Path, metavar="OLD", help="beside this configuration, on the same log")
    beside.add_argument("--recorded", type=Path, metavar="FILE", help="beside the alerts in this file")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay, read what was said, and tell the difference."""
    config = configuration.load(arguments.config, source_required=arguments.input is None)
    old = None if arguments.compare is None else configuration.load(arguments.compare, source_required=False)
    since = None if arguments.since is None else _Since(arguments.since)

    from daemon import dumping, telemetry
    from daemon.commands.replay import watched
    from daemon.preview import previewing

    telemetry.configure("error", config.log.format)
    with ExitStack() as stack:
        inputs = arguments.input
        if inputs is None:
            inputs = [Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log.ndjson"]
            dumping.dump(config, inputs[0])
        if old is not None:
            before, name = previewing.replayed(old, inputs, watched), str(arguments.compare)
        else:
            before, name = _recorded(config, arguments.recorded)
        after = previewing.replayed(config, inputs, watched)
    latest = max([each.ended or each.fired for each in (*before, *after)] or [0])
    begin = None if since is None else since.before(latest)
    names = (name, str(arguments.config))
    previewing.tell(before, after, names, int(config.time.pane), since=begin, html=arguments.html)
    return exits.OK


class _Since:
    """A time, or a length of time before the last that anything is known of."""

    def __init__(self, text: str) -> None:
        """Raises `Ended` if it is neither."""
        from config.units import Duration
        from daemon.stamps import microseconds

        self._ago = self._at = None
        try:
            self._ago = int(Duration.parse(text))
        except ValueError:
            at = int(microseconds([text])[0])
            if at < 0:
                raise exits.Ended(exits.USAGE, f"--since: {text!r}: write 7d, 12h, or 2026-11-22T00:00:00Z") from None
            self._at = at

    def before(self, latest: int) -> int:
        """The time in microseconds."""
        return self._at if self._at is not None else latest - (self._ago or 0)


def _recorded(config: Config, path: Path | None) -> tuple[list[Episode], str]:
    """What was said, and where that stands. Raises `Ended` if it can't be known."""
    from config.streams import FileSink, KafkaSink
    from daemon.preview.episodes import episodes
    from daemon.preview.previewing import recorded

    if path is not None:
        return recorded(path), str(path)
    for sink in config.outputs["alerts"]:
        if isinstance(sink.settings, FileSink):
            return recorded(sink.settings.path), str(sink.settings.path)
        if isinstance(sink.settings, KafkaSink) and config.kafka is not None:
            topic = sink.settings.topic
            return episodes(_messages(config, topic)), f"topic {topic}"
    raise exits.Ended(exits.USAGE, "what was said is not kept where it can be read: name --recorded, or --compare")


def _messages(config: Config, topic: str) -> Iterator[bytes | None]:
    """All that a topic holds, up to its present end; each partition in its order."""
    from kafka import KafkaConsumer, TopicPartition

    from daemon.kafka_client import opened

    assert config.kafka is not None  # noqa: S101 - the caller made sure
    consumer = opened(KafkaConsumer, **config.kafka.client_options(), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from (record.value for record in records)
    finally:
        consumer.close()
