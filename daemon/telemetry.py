"""Vigil's own log: JSON lines where a machine reads, plain columns where a person does.

Everything goes to standard error, libraries included; times are UTC. Values under names that sound like secrets never
leave, whoever logs them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from config.section import SECRET_NAME
from daemon.rate_limited import RateLimited

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

_HIDDEN = "**********"
_TOO_CHATTY = ("kafka", "librdkafka", "numba", "shap", "matplotlib", "py.warnings")
"""Libraries whose `info` is somebody else's business."""
_REPEATS_ITSELF = "kafka"
"""A library that tells each of its tries. (librdkafka does as well: see `daemon.sources.transports.librdkafka`.)"""


def configure(level: Level = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; may be called again, such as after a reload of the configuration.

    `auto` is console on a terminal and JSON elsewhere. `stream` is standard error if not given.
    """
    out = sys.stderr if stream is None else stream
    console = form == "console" or (form == "auto" and out.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(console=console, colors=console and out.isatty()))
    if logging.getLevelName(level.upper()) > logging.DEBUG:
        handler.addFilter(RateLimited(_REPEATS_ITSELF))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TOO_CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values under names that sound like secrets, at any depth of mappings."""
    for name, value in event.items():
        event[name] = _without_secrets(name, value)
    return event


def head_first(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how bad and what stand first in a JSON line, for those who read it with their eyes."""
    head = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
    return {**head, **event}


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        hide_secrets,
    ]


def _formatter(*, console: bool, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    renderers: list[Any] = (
        [_console(colors=colors)]
        if console
        else [structlog.processors.format_exc_info, head_first, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _console(*, colors: bool) -> Any:
    # Richer tracebacks would show local variables, and with them secrets.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0, exception_formatter=plain)


def _without_secrets(name: str, value: Any) -> Any:
    if SECRET_NAME.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        return {key: _without_secrets(str(key), item) for key, item in value.items()}
    return value
