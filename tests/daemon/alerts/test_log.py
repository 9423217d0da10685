"""Alerts in Vigil's own log, and how that log is written."""

from __future__ import annotations

import io
import json
import logging

import structlog

from daemon import telemetry
from daemon.alerts.life import Life
from daemon.alerts.log import log_notices
from daemon.alerts.silences import Silence
from tests.daemon.alerts.findings import HOUR, PANE, finding, rules

START = 1_774_148_400_000_000


def _lines(own_log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in own_log.getvalue().splitlines()]


def test_an_alert_is_one_line_that_says_what_where_and_since_when(own_log: io.StringIO) -> None:
    """Model, version, monitor, severity, onset and the sentence; as loud as the alert is severe."""
    log_notices(Life(rules()).close(START, [finding(since=START - HOUR)]))
    (line,) = _lines(own_log)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["event"] == "alert firing"
    assert line["level"] == "error"
    assert line["since"] == "2026-03-22T02:00:00Z"
    assert (line["model"], line["version"], line["monitor"]) == ("fraud", "3", "concept_drift")
    assert line["summary"] == "Model fraud v3: error rate rose from 12% to 21%."


def test_an_end_says_how_long_it_lasted_and_is_quiet(own_log: io.StringIO) -> None:
    """`lasted_s` counts from the onset; what goes away pages nobody."""
    life = Life(rules())
    life.close(START, [finding(since=START - HOUR)])
    log_notices(life.close(START + PANE, [finding("recovered")]))
    (line,) = _lines(own_log)
    assert (line["event"], line["level"], line["lasted_s"]) == ("alert resolved", "info", 3610.0)
    assert ("action" in line, line["advised"]) == (False, "retrain")


def test_a_silenced_alert_is_logged_with_why_it_was_not_sent(own_log: io.StringIO) -> None:
    """Recorded, quietly."""
    log_notices(Life(rules(silences=(Silence("ana", "migration"),))).close(START, [finding()]))
    (line,) = _lines(own_log)
    assert (line["event"], line["level"], line["held"]) == ("alert firing", "info", "silenced")


def test_what_libraries_log_comes_out_in_the_same_form(own_log: io.StringIO) -> None:
    """One stream, one format: also warnings of the Kafka client; its chatter is left out."""
    logging.getLogger("kafka.conn").warning("lost %s", "broker-1")
    logging.getLogger("kafka.conn").info("connected")
    (line,) = _lines(own_log)
    assert (line["event"], line["level"], line["logger"]) == ("lost broker-1", "warning", "kafka.conn")


def test_secrets_do_not_leave(own_log: io.StringIO) -> None:
    """Whatever is named like a secret is hidden, at any depth; other values stay."""
    security = {"sasl_plain_password": "hunter2", "user": "ana"}
    top = {"api_token": "hunter2"}
    structlog.get_logger("x").info("opening", security=security, **top)
    assert "hunter2" not in own_log.getvalue()
    (line,) = _lines(own_log)
    assert line["security"] == {"sasl_plain_password": "**********", "user": "ana"}
    assert str(line["api_token"]).strip("*") == ""


def test_a_traceback_shows_no_local_variables(own_log: io.StringIO) -> None:
    """On a terminal tracebacks are plain: local variables may hold secrets."""
    telemetry.configure("info", "console", own_log)
    password = "hunter" + "2"
    try:
        int(password[:6])
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert "ValueError: invalid" in own_log.getvalue()
    assert "hunter2" not in own_log.getvalue()


def test_below_the_level_nothing_is_logged(own_log: io.StringIO) -> None:
    """`debug` is for those who ask for it."""
    structlog.get_logger("x").debug("detail")
    assert own_log.getvalue() == ""
