"""Alerts in Vigil's own log, and how that log is written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from daemon import telemetry
from daemon.alerts.life import Life
from daemon.alerts.log import log_notices
from daemon.alerts.silences import Silence
from tests.daemon.alerts.findings import HOUR, PANE, finding, rules

START = 1_774_148_400_000_000


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged as JSON; logging is put back as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    out = io.StringIO()
    telemetry.configure("info", "auto", out)
    yield out
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_alert_is_one_line_that_says_what_where_and_since_when(stream: io.StringIO) -> None:
    """Model, version, monitor, severity, onset and the sentence; as loud as the alert is severe."""
    log_notices(Life(rules()).close(START, [finding(since=START - HOUR)]))
    (line,) = _lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["event"] == "alert firing"
    assert line["level"] == "error"
    assert line["since"] == "2026-03-22T02:00:00Z"
    assert (line["model"], line["version"], line["monitor"]) == ("fraud", "3", "concept_drift")
    assert line["summary"] == "Model fraud v3: error rate rose from 12% to 21%."


def test_an_end_says_how_long_it_lasted_and_is_quiet(stream: io.StringIO) -> None:
    """`lasted_s` counts from the onset; what goes away pages nobody."""
    life = Life(rules())
    life.close(START, [finding(since=START - HOUR)])
    log_notices(life.close(START + PANE, [finding("recovered")]))
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["lasted_s"]) == ("alert resolved", "info", 3610.0)
    assert ("action" in line, line["advised"]) == (False, "retrain")


def test_a_silenced_alert_is_logged_with_why_it_was_not_sent(stream: io.StringIO) -> None:
    """Recorded, quietly."""
    log_notices(Life(rules(silences=(Silence("ana", "migration"),))).close(START, [finding()]))
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["held"]) == ("alert firing", "info", "silenced")


def test_what_libraries_log_comes_out_in_the_same_form(stream: io.StringIO) -> None:
    """One stream, one format: also warnings of the Kafka client; its chatter is left out."""
    logging.getLogger("kafka.conn").warning("lost %s", "broker-1")
    logging.getLogger("kafka.conn").info("connected")
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("lost broker-1", "warning", "kafka.conn")


def test_secrets_do_not_leave(stream: io.StringIO) -> None:
    """Whatever is named like a secret is hidden, at any depth; other values stay."""
    security = {"sasl_plain_password": "hunter2", "user": "ana"}
    top = {"api_token": "hunter2"}
    structlog.get_logger("x").info("opening", security=security, **top)
    assert "hunter2" not in stream.getvalue()
    (line,) = _lines(stream)
    assert line["security"] == {"sasl_plain_password": "**********", "user": "ana"}
    assert str(line["api_token"]).strip("*") == ""


def test_a_traceback_shows_no_local_variables(stream: io.StringIO) -> None:
    """On a terminal tracebacks are plain: local variables may hold secrets."""
    telemetry.configure("info", "console", stream)
    password = "hunter" + "2"
    try:
        int(password[:6])
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert "ValueError: invalid" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_below_the_level_nothing_is_logged(stream: io.StringIO) -> None:
    """`debug` is for those who ask for it."""
    structlog.get_logger("x").debug("detail")
    assert stream.getvalue() == ""
