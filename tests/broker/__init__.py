"""A real Kafka broker, started and killed at will; nothing about Kafka is mocked in these tests."""

from tests.broker.broker import Broker
from tests.broker.cluster import Cluster
from tests.broker.runtime import Unavailable

__all__ = ["Broker", "Cluster", "Unavailable"]
