"""Messages between the daemon and its worker: packed values, each behind its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processors.packing import pack, unpack

if TYPE_CHECKING:
    import socket

_LENGTH_BYTES = 8
_MOST_BYTES = 2**30


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one message. Raises `OSError` if the other side is gone, `TimeoutError` as the socket is set."""
    data = pack(message)
    connection.sendall(len(data).to_bytes(_LENGTH_BYTES, "little") + data)


def receive(connection: socket.socket) -> dict[str, Any]:
    """The next message. Raises `EOFError` if the other side is gone, `TimeoutError` as the socket is set."""
    length = int.from_bytes(_exactly(connection, _LENGTH_BYTES), "little")
    if length > _MOST_BYTES:
        raise EOFError(f"a message of {length} bytes is none")
    message: dict[str, Any] = unpack(_exactly(connection, length))
    return message


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 2**20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
