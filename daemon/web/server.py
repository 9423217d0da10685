"""The HTTP server: the standard library's, on threads of its own, that never touches the loop."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from daemon.web.answers import Answer, Status, answer
from daemon.web.pulse import Pulse

log = structlog.get_logger("vigild")


@contextmanager
def serving(host: str, port: int | None, status: Callable[[], Status], pulse: Pulse) -> Iterator[str | None]:
    """Serve inside the `with` block. Yields the address, as a URL; None where nothing is served.

    A port of None serves nothing, 0 takes any free one. An address that can't be had is logged, not raised: a daemon
    that watches without being watched is better than none.
    """
    if port is None:
        yield None
        return
    try:
        server = _Server(host, port, status, pulse)
    except OSError as error:
        reason = error.strerror or str(error)
        log.error("http not served", host=host, port=port, reason=reason, remedy="set http.port")  # noqa: TRY400
        yield None
        return
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="http", daemon=True)
    thread.start()
    log.info("http", url=server.url)
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that reads slowly must not hold up the end
    request_queue_size = 16

    def __init__(self, host: str, port: int, status: Callable[[], Status], pulse: Pulse) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.status, self.pulse = status, pulse
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away in the middle of things; that is no news. Anything else is a mistake of ours."""
        error = sys.exception()
        tell = log.debug if isinstance(error, OSError) else log.error
        tell("http request failed", client=str(client_address), error=repr(error))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # seconds that a client may take for its request
    server_version = "vigild"
    sys_version = ""

    def do_GET(self) -> None:
        self._send(answer(self.path, self.server.status, self.server.pulse), with_body=True)

    def do_HEAD(self) -> None:
        self._send(answer(self.path, self.server.status, self.server.pulse), with_body=False)

    def _send(self, said: Answer, *, with_body: bool) -> None:
        self.send_response(said.code)
        self.send_header("Content-Type", said.content_type)
        self.send_header("Content-Length", str(len(said.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(said.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """A scrape every few seconds is nothing to log."""
