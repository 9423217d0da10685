"""A broker whose clients come through a proxy, so that their connections can be cut."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.broker import Broker
from tests.chaos.proxy import Proxy


class ProxiedBroker(Broker):
    """A broker that tells clients to come through `proxy`; `bootstrap` is a door of its own, for the harness."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._direct: int = free.getsockname()[1]
        self.proxy = Proxy(("127.0.0.1", self._port))
        self.bootstrap = f"127.0.0.1:{self._direct}"

    def close(self) -> None:
        """See `Broker`."""
        super().close()
        self.proxy.close()

    def _format(self) -> None:
        super()._format()
        text = self._properties.read_text()
        text = text.replace(",CONTROLLER://", f",DIRECT://127.0.0.1:{self._direct},CONTROLLER://", 1)
        text = text.replace(
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{self._port}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.proxy.port},DIRECT://127.0.0.1:{self._direct}",
        )
        text = text.replace("PLAINTEXT:PLAINTEXT", "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT")
        self._properties.write_text(text)
