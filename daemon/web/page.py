"""A page for people: what is read, what became of it, what fires. It needs no script and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from daemon.stamps import rfc3339
from daemon.version import version

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}
table{border-collapse:collapse}td,th{padding:.1rem 1.2rem .1rem 0;text-align:left;font-weight:400}
td{font-variant-numeric:tabular-nums}.bad{color:#c62828;font-weight:600}
"""


def page(status: Mapping[str, Any], *, stalled: bool) -> str:
    """The page as HTML; it loads itself anew every five seconds."""
    sections = (
        ("", _overview(status)),
        ("Events", status.get("accounts", {})),
        ("Refused, by reason", status.get("refused", {})),
        ("Lag, in records", status.get("lag", {})),
        ("Waiting to be sent", status.get("outbox", {})),
        ("Explanations", status.get("explanations", {})),
        ("Left out at a limit", status.get("cut_off", {})),
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        '<meta name="viewport" content="width=device-width"><title>Vigil</title>'
        f"<style>{_STYLE}</style></head><body><h1>Vigil {escape(version())}</h1>{_verdict(status, stalled=stalled)}"
        + "".join(_section(title, rows) for title, rows in sections)
        + '<p><a href="/healthz">healthz</a> <a href="/readyz">readyz</a> <a href="/metrics">metrics</a></p>'
        "</body></html>\n"
    )


def _verdict(status: Mapping[str, Any], *, stalled: bool) -> str:
    bad: list[str] = []
    if stalled:
        bad.append("The loop does not turn: see the log.")
    if not status.get("ready"):
        bad.append("Nothing to read yet.")
    if status.get("quarantined"):
        bad.append(f"Monitors switched off after a failure: {', '.join(status['quarantined'])}.")
    return "".join(f'<p class="bad">{escape(sentence)}</p>' for sentence in bad)


def _overview(status: Mapping[str, Any]) -> dict[str, Any]:
    watermark = status.get("watermark")
    return {
        "alerts firing": status.get("firing", 0),
        "model versions watched": status.get("models", 0),
        "read and judged up to": "nothing yet" if watermark is None else rfc3339(watermark),
        "predictions kept for their labels": status.get("pending", 0),
        "share of predictions followed": status.get("keep_rate", 1.0),
    }


def _section(title: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    return f"{heading}<table>{''.join(_rows(rows.items()))}</table>"


def _rows(items: Iterable[tuple[str, Any]]) -> Iterable[str]:
    for name, value in items:
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        yield f"<tr><th>{escape(str(name))}</th><td>{escape(shown)}</td></tr>"
