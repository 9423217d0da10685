"""What a library's log repeats is said once in a while, and nothing else is kept back."""

from __future__ import annotations

import io
import json
import logging

from daemon import telemetry
from daemon.rate_limited import AGAIN_S, MOST, RateLimited


class Log:
    """A library's log whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limit = RateLimited("library", clock=lambda: self.now)

    def says(self, message: str, *args: object, logger: str = "library.net") -> str | None:
        """What is written of a line; None if it is kept back."""
        record = logging.LogRecord(logger, logging.WARNING, "file", 1, message, args, None)
        return record.getMessage() if self.limit.filter(record) else None


def test_a_line_is_said_at_once_and_then_once_in_a_while_with_how_often_it_came() -> None:
    """Numbers make no difference; nothing is lost without being counted."""
    log = Log()
    assert log.says("port %d refused, try %d", 9092, 1) == "port 9092 refused, try 1"
    for number in range(2, 7):
        log.now = number
        assert log.says("port %d refused, try %d", 9092, number) is None
    log.now = AGAIN_S
    assert log.says("port %d refused, try %d", 9092, 7) == "port 9092 refused, try 7 (and 5 more like it)"
    log.now = 2 * AGAIN_S
    assert log.says("port %d refused, try %d", 9092, 8) == "port 9092 refused, try 8"


def test_another_line_or_another_logger_is_not_kept_back() -> None:
    """What is new is never hidden by what was said before."""
    log = Log()
    for message, logger in (("refused", "library.net"), ("gave up", "library.net"), ("refused", "library.group")):
        assert log.says(message, logger=logger) == message
    for _ in range(3):
        assert log.says("refused", logger="librarian") == "refused", "not that library's"


def test_lines_without_end_are_not_kept_without_end() -> None:
    """Only so many are known at a time; the oldest are forgotten, and would be said again."""
    log = Log()
    for number in range(3 * MOST):
        log.says("of " + "x" * number)
    assert len(log.limit._said) <= MOST
    assert log.says("of ") == "of "


def test_kafka_python_may_not_fill_the_log(own_log: io.StringIO) -> None:
    """What it tells of each try is said once, Vigil's own lines each time; at the level `debug` all of it is."""
    for number in range(100):
        logging.getLogger("kafka.net.manager").error("Connection failed: %s ECONNREFUSED", number)
        logging.getLogger("daemon.sources.kafka").warning("kafka is in trouble")
    said = [json.loads(line)["logger"] for line in own_log.getvalue().splitlines()]
    assert (said.count("kafka.net.manager"), said.count("daemon.sources.kafka")) == (1, 100)
    telemetry.configure("debug", "json", own_log)
    for _ in range(3):
        logging.getLogger("kafka.net.manager").error("Connection failed")
    assert own_log.getvalue().count("Connection failed") == 1 + 3
