"""How much of a connection is read at once: what Vigil puts in kafka-python's place gives the same bytes."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.net.transport import KafkaTCPTransport
from kafka.protocol.frame import KafkaBytes

from daemon import kafka_client


@pytest.fixture
def ends() -> Any:
    """Two ends of a connection, of which the second does not wait."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, SimpleNamespace(_sock=theirs)


def test_all_that_was_sent_is_read_before_the_end_is_told(ends: Any) -> None:
    """In whatever pieces; a broker's last words come before the news that it hung up."""
    sender, transport = ends
    sent = bytes(range(256)) * 600
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(sent))
    sender.sendall(sent)
    sender.close()
    found, error = b"", None
    while error is None:
        data, error = KafkaTCPTransport._sock_recv(transport)
        found += data
    assert found == sent
    assert "disconnected" in str(error)


def test_a_connection_on_which_nothing_came_has_not_ended(ends: Any) -> None:
    """It is asked again when something has come."""
    assert KafkaTCPTransport._sock_recv(ends[1]) == (b"", None)


def test_an_answer_is_read_whole_or_in_parts() -> None:
    """As far as it goes, from where the last part ended."""
    answer = KafkaBytes(6)
    answer.write(b"abcdef")
    answer.seek(0)
    assert [answer.read(2), answer.read(0), answer.read(), answer.read(1)] == [b"ab", b"", b"cdef", b""]
    answer.seek(4)
    assert (answer.read(10), answer.tell()) == (b"ef", len(answer))
    assert KafkaBytes.read.__module__ == kafka_client.__name__
