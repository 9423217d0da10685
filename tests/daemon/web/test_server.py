"""The HTTP server, asked over a socket."""

import json
import re
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.web.pulse import STALLED_AFTER_S, STARTED_WITHIN_S, Pulse
from daemon.web.server import serving

STATUS: dict[str, Any] = {
    "ready": True,
    "reachable": True,
    "paused": False,
    "watermark": 1_795_305_600_500_000,
    "closed_until": 1_795_305_600_000_000,
    "lag": {"predictions/0": 7, "predictions/1": 5},
    "accounts": {"received": 9, "measured": 6, "duplicate": 1, "conflict": 0, "refused": 2, "shed": 0, "pending": 3},
    "refused": {"not_json": 2},
    "pending": 3,
    "waiting_labels": 1,
    "open_rows": 4,
    "keep_rate": 0.5,
    "firing": 2,
    "models": 1,
    "cut_off": {},
    "ahead": 0,
    "explanations": {"explained": 5, "dropped": 1},
    "outbox": {"alerts": 0, "readings": 12},
    "positions": {"predictions/0": 100},
    "quarantined": ["<b>\"odd\\name\"\n</b>"],
}  # fmt: skip
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
SAMPLE = re.compile(r'[a-zA-Z_:][\w:]*(\{[a-zA-Z_]\w*="([^"\\\n]|\\["\\n])*"\})? [-+0-9.eE]+|# (HELP|TYPE) .+')


class Daemon:
    """A served status whose clock the test moves."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = STATUS
        self.now = 0.0
        self.pulse = Pulse(lambda: self.now)
        self.url = ""

    def get(self, path: str, method: str = "GET") -> tuple[HTTPResponse, str]:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Return a daemon whose status is served on a free port."""
    served = Daemon()
    with serving("127.0.0.1", 0, lambda: served.status, served.pulse) as url:
        assert url is not None
        served.url = url
        yield served


def test_it_is_healthy_while_the_loop_turns(daemon: Daemon) -> None:
    """Also before there is anything to read; 503 once the loop has not turned for long."""
    daemon.status = {"ready": False}
    daemon.pulse.with_each(lambda: False)()
    assert daemon.get("/healthz")[0].status == 200
    daemon.now += STALLED_AFTER_S + 1
    answer, body = daemon.get("/healthz")
    assert (answer.status, json.loads(body)["ok"]) == (503, False)


def test_a_start_may_take_longer_than_a_turn(daemon: Daemon) -> None:
    """Kernels that are compiled hold the first turn up: who restarts what is not healthy must not end that."""
    daemon.now = STARTED_WITHIN_S - 1
    assert daemon.get("/healthz")[0].status == 200
    daemon.now = STARTED_WITHIN_S + 1
    assert daemon.get("/healthz")[0].status == 503
    daemon.pulse.with_each(lambda: False)()
    assert daemon.get("/healthz")[0].status == 200


def test_it_is_ready_once_there_is_something_to_read(daemon: Daemon) -> None:
    """503 before, with the reason in the body."""
    answer, body = daemon.get("/readyz")
    assert (answer.status, json.loads(body)["lag_records"], json.loads(body)["firing"]) == (200, 12, 2)
    daemon.status = {"ready": False}
    answer, body = daemon.get("/readyz")
    assert (answer.status, json.loads(body)["ready"]) == (503, False)


def test_metrics_are_what_prometheus_reads(daemon: Daemon) -> None:
    """Every line is a sample, a HELP or a TYPE; no family comes twice; label values are escaped."""
    answer, body = daemon.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert [line for line in body.splitlines() if not SAMPLE.fullmatch(line)] == []
    families = re.findall(r"# TYPE (\S+) (?:counter|gauge)", body)
    assert len(families) == len(set(families))
    assert r'vigil_monitor_quarantined{monitor="<b>\"odd\\name\"\n</b>"} 1' in body.splitlines()


def test_metrics_say_what_the_status_says(daemon: Daemon) -> None:
    """Event time is in seconds; what events ended as adds up to what was received."""
    lines = daemon.get("/metrics")[1].splitlines()
    for line in (
        "vigil_watermark_seconds 1795305600.5",
        'vigil_lag_records{partition="predictions/0"} 7',
        'vigil_outbox_messages{queue="readings"} 12',
        'vigil_explanations_total{result="dropped"} 1',
        'vigil_refused_total{reason="not_json"} 2',
        "vigil_pending_predictions 3",
        "vigil_keep_rate 0.5",
        "vigil_alerts_firing 2",
        "vigil_source_reachable 1",
        "vigil_input_paused 0",
    ):
        assert line in lines
    ended = [int(line.rpartition(" ")[2]) for line in lines if line.startswith("vigil_events_total{")]
    assert sum(ended) == STATUS["accounts"]["received"]


def test_counters_are_called_totals(daemon: Daemon) -> None:
    """Prometheus' naming: a counter ends in _total, nothing else does."""
    for name, kind in re.findall(r"# TYPE (\S+) (counter|gauge)", daemon.get("/metrics")[1]):
        assert name.endswith("_total") == (kind == "counter"), name


def test_what_is_not_known_yet_is_not_said(daemon: Daemon) -> None:
    """While it starts there is no watermark; 0 would be a lie."""
    daemon.status = {"ready": False}
    body = daemon.get("/metrics")[1]
    assert "watermark" not in body
    assert "vigil_ready 0" in body.splitlines()
    assert "process_resident_memory_bytes" in body


def test_the_page_shows_the_state_and_nothing_of_it_is_markup(daemon: Daemon) -> None:
    """Names come from events: they are text, whatever is in them. No script runs, nothing is loaded from elsewhere."""
    answer, body = daemon.get("/")
    assert "<th>predictions/0</th><td>7</td>" in body
    assert "&lt;b&gt;" in body
    assert "<b>" not in body
    assert "<script" not in body
    assert not re.search(r'(?:src|href)="(?!/)', body)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_other_paths_and_methods_are_refused(daemon: Daemon) -> None:
    """A path that isn't there is told what is; nothing can be changed over HTTP."""
    answer, body = daemon.get("/secret")
    assert (answer.status, body) == (404, "Try /, /healthz, /readyz, /metrics\n")
    assert daemon.get("/metrics", "POST")[0].status == 501
    answer, body = daemon.get("/healthz?verbose", "HEAD")
    assert (answer.status, body) == (200, "")


def test_a_client_that_says_nothing_holds_up_nobody(daemon: Daemon) -> None:
    """Each connection has a thread of its own."""
    address = urlsplit(daemon.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0))):
        assert daemon.get("/healthz")[0].status == 200


def test_a_port_of_none_serves_nothing() -> None:
    """`http: {port: null}` switches it off."""
    with serving("127.0.0.1", None, dict, Pulse(lambda: 0.0)) as url:
        assert url is None


def test_every_metric_is_documented(daemon: Daemon) -> None:
    """docs/operations.md lists each family with its label and its explanation, and no other."""
    daemon.status = STATUS | {"cut_off": {"models": 1}}
    body = daemon.get("/metrics")[1]
    explained = dict(re.findall(r"# HELP (\S+) (.*)", body))
    labels = dict(re.findall(r"^(\w+)\{(\w+)=", body, re.MULTILINE))
    named = {name: f"{name}{{{labels[name]}}}" if name in labels else name for name in explained}
    listed = re.findall(r"^\| `(?:vigil|process)_.*$", OPERATIONS.read_text(), re.MULTILINE)
    assert {f"| `{named[name]}` | {explained[name]} |" for name in explained} == set(listed)
