"""A TCP proxy in front of the broker, whose connections can be cut in the ways in which networks cut them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER so that closing resets the connection: what is under way is lost, as with a cut cable."""


class Proxy:
    """Listens on a free port of the loopback and passes everything on to `target`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._server.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._refuse_until = self._stall_until = self._deaf_until = 0.0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> None:
        """Reset every connection; new ones are taken at once."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for each in (side for pair in pairs for side in pair):
            _reset(each)

    def refuse(self, seconds: float) -> None:
        """Reset every connection, and each new one for a while."""
        self._refuse_until = time.monotonic() + seconds
        self.cut()

    def stall(self, seconds: float) -> None:
        """Pass nothing on for a while, then everything."""
        self._stall_until = time.monotonic() + seconds

    def deafen(self, seconds: float) -> None:
        """Let requests through and no answer for a while, then cut: what was asked for is done, and nobody knows."""
        self._deaf_until = time.monotonic() + seconds
        time.sleep(seconds)
        self.cut()

    def close(self) -> None:
        """Listen no more, and cut everything."""
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        if time.monotonic() < self._refuse_until:
            _reset(client)
            return
        try:
            broker = socket.create_connection(self._target, timeout=5.0)
        except OSError:
            _reset(client)
            return
        broker.settimeout(None)
        pair = client, broker
        with self._lock:
            self._pairs.add(pair)
        answers = threading.Thread(target=self._pump, args=(broker, client, True), daemon=True)
        answers.start()
        self._pump(client, broker, False)
        answers.join()
        with self._lock:
            self._pairs.discard(pair)

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                while time.monotonic() < self._stall_until:
                    time.sleep(0.02)
                if not (answers and time.monotonic() < self._deaf_until):
                    target.sendall(data)
        _reset(source)
        _reset(target)


def _reset(side: socket.socket) -> None:
    """Close with a reset. The other thread that waits for it wakes up by the shutdown."""
    with suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        side.close()
