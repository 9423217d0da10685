"""The client libraries that can bring records from Kafka, one a file; `kafka.transport` chooses."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from daemon.sources.transports.base import Transport

_CLASSES = {"kafka-python": ("kafka_python", "KafkaPython"), "confluent": ("confluent", "Confluent")}


def transport(name: str) -> type[Transport]:
    """The class of a transport. Only the chosen one is imported: the others' libraries may not be installed."""
    module, found = _CLASSES[name]
    return cast("type[Transport]", getattr(import_module(f"{__name__}.{module}"), found))
