"""A sink: each alert as an HTTP POST, for chats and pagers. Copy it to `daemon/sinks/`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pydantic import BaseModel, ConfigDict

from daemon.sinks.base import Message, Sink, SinkError, Surroundings


class WebhookSettings(BaseModel):
    """Where to."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    url: str
    """Address that takes a POST of one CloudEvent."""


class Webhook(Sink):
    """Posts in order; an answer of 2xx is the acknowledgement. What is not acknowledged comes again, with its id."""

    name = "webhook"
    Settings = WebhookSettings

    def __init__(self, settings: Any, surroundings: Surroundings) -> None:
        self._url = str(settings.url)
        self._waiting: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def flush(self, max_wait_s: float) -> int:
        safe, end = 0, time.monotonic() + max_wait_s
        while self._waiting and (not safe or time.monotonic() < end):
            self._post(self._waiting[0])
            self._waiting.pop(0)
            safe += 1
        return safe

    def _post(self, message: Message) -> None:
        if b'"vigil.alert"' not in (message.value or b""):
            return  # a heartbeat, or the tombstone of an alert
        headers = {"Content-Type": "application/cloudevents+json"}
        request = Request(self._url, message.value, headers, method="POST")
        try:
            with urlopen(request, timeout=10):
                return
        except HTTPError as error:
            reason = f"answered {error.code}"
        except OSError as error:
            reason = str(error)
        self._waiting.clear()
        raise SinkError(f"{self._url}: {reason}")

    def close(self) -> None:
        self._waiting.clear()
