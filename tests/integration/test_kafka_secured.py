"""Brokers that ask who is there, and topics that are there no more; brokers that make topics as they are named."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import exits
from tests.broker import Broker
from tests.broker.secured import PASSWORD, USER, Secured
from tests.conftest import started
from tests.integration.daemons import PATIENCE_S, running
from tests.integration.running import produce
from tests.integration.watched import KEEP, configure, counted, messages, quick, read_to

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with listeners for SASL/PLAIN and TLS, that makes every topic that it is asked for."""
    with started(Broker(tmp_path_factory.mktemp("guarded"), secured=True, auto_create_topics=True)) as own:
        yield own


@pytest.fixture
def secured(guarded: Broker) -> Secured:
    """How to get in."""
    assert guarded.secured is not None
    return guarded.secured


def credentials(user: str, password: str) -> str:
    """Settings of `kafka` for SASL/PLAIN; the password comes from the environment."""
    os.environ["TEST_KAFKA_PASSWORD"] = password
    asked = f"protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: {user}, password: '${{TEST_KAFKA_PASSWORD}}'"
    return f"security: {{{asked}}}"


def tls(certificate: Path) -> str:
    """Settings of `kafka` for TLS."""
    return f"security: {{protocol: SSL, ca_file: {certificate}}}"


@pytest.mark.parametrize("user", [USER, "nobody"])
def test_credentials_that_are_refused_end_it(
    guarded: Broker, secured: Secured, tmp_path: Path, transport: str, user: str
) -> None:
    """Exit 78 and one line that says where to look: starting again does not help. The password is in no line."""
    configure(tmp_path, secured.sasl, guarded.new_topic(**KEEP), transport, credentials(user, "the-wrong-one"))
    with running(tmp_path) as daemon:
        code, reason = daemon.ended()
    assert code == exits.CONFIG
    assert reason.startswith("kafka: the brokers refuse the credentials")
    assert reason.endswith("check kafka.security")
    assert "the-wrong-one" not in (tmp_path / "log").read_text()


def test_credentials_that_are_right_are_let_in(
    guarded: Broker, secured: Secured, tmp_path: Path, transport: str
) -> None:
    """Reads as it would without; the password is in no line of the log."""
    topic = guarded.new_topic(**KEEP)
    produce(guarded.bootstrap, messages(topic, 50))
    configure(tmp_path, secured.sasl, topic, transport, credentials(USER, PASSWORD))
    with running(tmp_path) as daemon:
        read_to(daemon, 50)
        counted(daemon, 50)
        daemon.stop()
    assert PASSWORD not in (tmp_path / "log").read_text()


def test_a_certificate_that_is_trusted_is_enough(
    guarded: Broker, secured: Secured, tmp_path: Path, transport: str
) -> None:
    """TLS with an authority of one's own, host name and all."""
    topic = guarded.new_topic(**KEEP)
    produce(guarded.bootstrap, messages(topic, 50))
    configure(tmp_path, secured.tls, topic, transport, tls(secured.certificate))
    with running(tmp_path) as daemon:
        read_to(daemon, 50)
        counted(daemon, 50)
        daemon.stop()


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(
    guarded: Broker, secured: Secured, tmp_path: Path, transport: str
) -> None:
    """Certificates get renewed, so it waits and says why; it is not ready meanwhile."""
    configure(tmp_path, secured.tls, guarded.new_topic(**KEEP), transport, "security: {protocol: SSL}")
    with running(tmp_path) as daemon:
        daemon.said("no kafka broker answers")
        daemon.until(lambda: "certificate verify failed" in (tmp_path / "log").read_text())
        assert daemon.ask("/readyz")[0] == 503


def test_a_topic_that_was_deleted_is_not_made_again_by_asking(guarded: Broker, tmp_path: Path, transport: str) -> None:
    """Even where brokers make topics by themselves; when it is back, it is another one, and read from its beginning."""
    topic = guarded.new_topic(**KEEP)
    configure(tmp_path, guarded.bootstrap, topic, transport, quick(transport, metadata=500))
    produce(guarded.bootstrap, messages(topic, 50))
    with running(tmp_path) as daemon:
        read_to(daemon, 50)
        with guarded.admin() as admin:
            admin.delete_topics([topic])
            give_up = time.monotonic() + PATIENCE_S
            while topic in admin.list_topics():
                assert time.monotonic() < give_up
                time.sleep(0.2)
            for _ in range(20):  # for several times the age at which metadata is asked for again
                assert topic not in admin.list_topics()
                time.sleep(0.2)
        guarded.create_topic(topic, **KEEP)
        produce(guarded.bootstrap, messages(topic, 70, first=50))
        read_to(daemon, 70)
        counted(daemon, 120)


def test_a_missing_topic_is_not_made_by_asking(guarded: Broker, tmp_path: Path, transport: str) -> None:
    """A wrong name must not become a topic that is empty for ever."""
    configure(tmp_path, guarded.bootstrap, "misspelt", transport)
    with running(tmp_path) as daemon:
        assert daemon.ended()[0] == exits.CONFIG
    with guarded.admin() as admin:
        assert "misspelt" not in admin.list_topics()


def test_topics_to_write_to_are_made_where_brokers_make_them(guarded: Broker, tmp_path: Path, transport: str) -> None:
    """What is missing then is no mistake: it is there when the daemon has connected."""
    topic = guarded.new_topic(**KEEP)
    alerts = f"alerts-of-{topic}"
    configure(tmp_path, guarded.bootstrap, topic, transport)
    text = (tmp_path / "vigil.yaml").read_text()
    sink = "{file: {path: alerts.ndjson}}"
    assert sink in text
    (tmp_path / "vigil.yaml").write_text(text.replace(sink, f"{{kafka: {{topic: {alerts}}}}}"))
    produce(guarded.bootstrap, messages(topic, 50))
    with running(tmp_path) as daemon:
        daemon.said("connected to kafka")
        with guarded.admin() as admin:
            assert alerts in admin.list_topics()
        read_to(daemon, 50)
        daemon.stop()
