"""What tests against a broker may ask for: each client library, and sources that are closed in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from config.streams import Kafka
from daemon.records import Partition, Position
from daemon.sources import Opening
from daemon.sources.kafka import KafkaSource
from tests.integration.polling import Open, options


@pytest.fixture(params=["kafka-python", "confluent"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each client library that there is."""
    return str(request.param)


@pytest.fixture
def open_source(request: pytest.FixtureRequest, transport: str) -> Iterator[Open]:
    """A function that opens sources; each topic has a group of its own."""
    with ExitStack() as stack:

        def opened(
            topic: str,
            positions: Mapping[Partition, Position] | None = None,
            *,
            bootstrap: str | None = None,
            start_empty: bool = False,
            instance: str = "",
            **settings: Any,
        ) -> KafkaSource:
            brokers = [bootstrap or request.getfixturevalue("broker").bootstrap]
            opening = Opening(
                positions=lambda: {} if positions is None else positions, start_empty=start_empty, instance=instance
            )
            given = {"brokers": brokers, "topics": [topic], "group": f"group-{topic}", **settings}
            given |= {"transport": transport, "consumer": options(transport, given.get("consumer", {}))}
            source = KafkaSource(Kafka(**given), opening)
            stack.callback(source.close)
            return source

        yield opened
