"""What tests of every kind may ask for: a broker, topics of their own, and the shared data sets."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest

from tests.broker import Broker, Cluster, Unavailable

hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "shared-machine")


ROOT = Path(__file__).parents[1]


class NewTopic(Protocol):
    """Creates a topic that no other test has; returns its name."""

    def __call__(self, stem: str = ..., partitions: int = ..., **configs: str) -> str: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Kafka, so that `-m 'not kafka'` is the quick round."""
    for item in items:
        if {"broker", "own_broker"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile the kernels of a fresh checkout once, before the first daemon's time begins, rather than in each daemon.

    Test processes that run side by side wait for each other.
    """
    if not any(item.get_closest_marker("kafka") for item in session.items):
        return
    compiled = ROOT / ".cache" / "kernels-compiled"
    compiled.parent.mkdir(exist_ok=True)
    with (compiled.parent / "kernels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(path.stat().st_mtime for part in ("processors", "daemon") for path in (ROOT / part).rglob("*.py"))
        if not compiled.exists() or compiled.stat().st_mtime < newest:
            compiling = [sys.executable, "-c", "from daemon.app import warm_up; warm_up()"]
            subprocess.run(compiling, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            compiled.touch()


@pytest.fixture(autouse=True)
def closes_its_clients() -> Iterator[None]:
    """A test that leaves a kafka-python client open fails: its thread would knock, and complain, for ever after."""
    before = _client_threads()
    yield
    left = _client_threads() - before
    give_up = time.monotonic() + 30
    while any(thread.is_alive() for thread in left) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [thread.name for thread in left if thread.is_alive()]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The session's broker: that of VIGIL_TEST_KAFKA ("host:port"), else one of our own. Not to be killed."""
    if bootstrap := os.environ.get("VIGIL_TEST_KAFKA"):
        yield Cluster(bootstrap)
    else:
        with started(Broker(tmp_path_factory.mktemp("broker"))) as own:
            yield own


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test alone, to kill and restart."""
    with started(Broker(tmp_path / "broker")) as own:
        yield own


@pytest.fixture
def new_topic(broker: Cluster) -> NewTopic:
    """A function that creates uniquely named topics on the session's broker."""
    return broker.new_topic


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not beside this checkout (../shared/data)")
    return folder


def _client_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("kafka-io")}


def started(broker: Broker) -> Broker:
    """Start a broker; where that can't be, skip the test, but never in CI."""
    try:
        broker.start()
    except Unavailable as unavailable:
        if os.environ.get("CI"):
            pytest.fail(str(unavailable), pytrace=False)
        pytest.skip(str(unavailable))
    return broker
