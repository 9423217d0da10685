"""What stands in a state for people: what fires, what is silenced, who ordered what. Only looks, beside a daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.alerts.life import Life
from daemon.alerts.notice import Notice
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence
from daemon.control.orders import Order
from daemon.stamps import rfc3339
from daemon.state.inspect import item, opened


def standing(directory: Path) -> dict[str, Any]:
    """Plain values: `firing`, `silences` and `orders` (the last ones carried out). Raises `StateError`."""
    with opened(directory) as (db, _, _):
        alerts, pipeline = item(db, "alerts"), item(db, "pipeline")
    life = Life(Rules("", 1, 1, 1), alerts)
    orders = [] if pipeline is None else pipeline["orders_done"]
    return {
        "firing": [_firing(notice) for notice in life.firing()],
        "silences": [_silence(silence) for silence in life.ordered],
        "orders": [_order(tree) for tree in orders],
    }


def as_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The same for a terminal."""
    yield f"{len(found['firing'])} firing"
    for alert in found["firing"]:
        marks = [alert["severity"], *(["explained by another"] if alert["inhibited_by"] else [])]
        if alert["acknowledged_by"]:
            marks.append(f"acknowledged by {alert['acknowledged_by']}: {alert['acknowledged_why']}")
        yield f"  {alert['fingerprint'][:8]}  incident {alert['incident'][:8]}  {', '.join(marks)}"
        yield f"            {alert['summary']}"
    for silence in found["silences"]:
        what = " ".join(f"{name}={glob}" for name, glob in silence["match"].items())
        yield f"silence {silence['name']}: {what} until {silence['until']}, by {silence['who']}: {silence['why']}"
    if found["orders"]:
        yield "last orders"
    for order in found["orders"][-20:]:
        yield f"  {order['at']}  {order['who']}: {order['order']} {order['about']} ({order['why']})"


def _firing(notice: Notice) -> dict[str, Any]:
    decided = notice.decided
    return {
        "fingerprint": notice.fingerprint,
        "incident": notice.incident,
        "severity": notice.severity,
        "since": rfc3339(notice.since),
        "summary": notice.finding.summary,
        "inhibited_by": notice.inhibited_by,
        "acknowledged_by": None if decided is None else decided.who,
        "acknowledged_why": None if decided is None else decided.why,
    }


def _silence(silence: Silence) -> dict[str, Any]:
    match = {name: getattr(silence, name) for name in ("model", "version", "monitor", "series", "severity")}
    return {
        "name": silence.name,
        "match": {name: glob for name, glob in match.items() if glob is not None},
        "until": None if silence.end is None else rfc3339(silence.end),
        "who": silence.who,
        "why": silence.reason,
    }


def _order(tree: Mapping[str, Any]) -> dict[str, Any]:
    said = Order.from_tree(dict(tree)).said
    about = getattr(said, "alert", None) or getattr(said, "name", "")
    return {"at": rfc3339(tree["at"]), "order": said.order, "about": about, "who": said.who, "why": said.why}
