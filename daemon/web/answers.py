"""What is answered to which path. Nothing here knows of sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from daemon.web.metrics import CONTENT_TYPE, exposition
from daemon.web.page import page
from daemon.web.pulse import Pulse

Status = Mapping[str, Any]
"""A snapshot of the pipeline, as `Pipeline.status` makes it; every key may be missing while it starts."""


class Answer(NamedTuple):
    """One HTTP response."""

    code: HTTPStatus
    content_type: str
    body: bytes


def answer(path: str, status: Callable[[], Status], pulse: Pulse) -> Answer:
    """The response to a GET of `path`."""
    route = _ROUTES.get(path.partition("?")[0])
    if route is None:
        return Answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"Try {', '.join(_ROUTES)}\n".encode())
    return route(status(), pulse)


def _health(status: Status, pulse: Pulse) -> Answer:
    """Well is a loop that turns; whether it has something to read is another question."""
    return _judged(not pulse.stalled, status, pulse)


def _readiness(status: Status, pulse: Pulse) -> Answer:
    """Ready is a loop that turns and has partitions to read."""
    return _judged(not pulse.stalled and bool(status.get("ready")), status, pulse)


def _judged(good: bool, status: Status, pulse: Pulse) -> Answer:
    body = {
        "ok": good,
        "ready": bool(status.get("ready")),
        "last_turn_s": round(pulse.age_s, 3),
        **_brief(status),
    }
    code = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(code, "application/json", orjson.dumps(body) + b"\n")


def _brief(status: Status) -> dict[str, Any]:
    brief = {name: status[name] for name in ("watermark", "firing", "quarantined") if name in status}
    lags = status.get("lag", {}).values()
    return brief | {"lag_records": sum(lags)}


def _metrics(status: Status, pulse: Pulse) -> Answer:
    return Answer(HTTPStatus.OK, CONTENT_TYPE, exposition(status, pulse.age_s).encode())


def _page(status: Status, pulse: Pulse) -> Answer:
    return Answer(HTTPStatus.OK, "text/html; charset=utf-8", page(status, stalled=pulse.stalled).encode())


_ROUTES = {"/": _page, "/healthz": _health, "/readyz": _readiness, "/metrics": _metrics}
