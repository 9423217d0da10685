"""The broker under the other tests is a real one: it keeps what it acknowledged, and dies when told to."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.broker import Broker, Cluster
from tests.conftest import NewTopic


def test_what_is_produced_is_consumed_in_order(broker: Cluster, new_topic: NewTopic) -> None:
    """A partition gives its records back, all of them, in the order in which they were sent."""
    topic = new_topic("events")
    sent = [b"event %d" % number for number in range(100)]
    assert [where.offset for where in broker.produce(topic, sent)] == list(range(100))
    assert [record.value for record in broker.consume(topic, 100)] == sent


def test_a_topic_has_the_partitions_it_was_asked_for(broker: Cluster, new_topic: NewTopic) -> None:
    """A record goes to the partition that was named."""
    topic = new_topic("events", partitions=4)
    for partition in range(4):
        broker.produce(topic, [b"event"], partition=partition)
    assert {record.partition for record in broker.consume(topic, 4)} == {0, 1, 2, 3}


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_installed(broker: Cluster, new_topic: NewTopic, codec: str) -> None:
    """A topic can be read whatever its producers compress with."""
    topic = new_topic(codec)
    sent = [b"the same again " * 50] * 20
    broker.produce(topic, sent, compression_type=codec)
    assert [record.value for record in broker.consume(topic, 20)] == sent


def test_what_was_acknowledged_survives_a_kill(own_broker: Broker) -> None:
    """After SIGKILL and a restart the same port serves the same records, and takes new ones after them."""
    topic = own_broker.new_topic()
    address = own_broker.bootstrap
    own_broker.produce(topic, [b"before"])
    own_broker.kill()
    assert not own_broker.running
    own_broker.start()
    own_broker.produce(topic, [b"after"])
    assert own_broker.bootstrap == address
    assert [record.value for record in own_broker.consume(topic, 2)] == [b"before", b"after"]


def test_a_restart_is_a_clean_one(own_broker: Broker) -> None:
    """`restart` replaces the process and keeps the records."""
    topic = own_broker.new_topic()
    own_broker.produce(topic, [b"event"])
    before = own_broker.pid
    own_broker.restart()
    assert own_broker.pid not in (None, before)
    assert [record.value for record in own_broker.consume(topic, 1)] == [b"event"]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="only Linux's setpriv can promise it")
def test_a_broker_does_not_outlive_who_started_it(broker: Cluster, tmp_path: Path) -> None:
    """A test run that is killed outright leaves no broker behind."""
    program = f"""
import os, pathlib, signal
from tests.broker import Broker
broker = Broker(pathlib.Path({str(tmp_path)!r}))
broker.start()
print(broker.bootstrap, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    host, port = done.stdout.strip().split(":")
    give_up = time.monotonic() + 10
    while _listens(host, int(port)):
        assert time.monotonic() < give_up
        time.sleep(0.1)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((host, port)) == 0
