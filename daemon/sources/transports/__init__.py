"""The client libraries that can bring records from Kafka, one a file; `kafka.transport` chooses."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from daemon.sources.base import NotInstalled
from daemon.sources.transports.base import Transport

_CLASSES = {"kafka-python": ("kafka_python", "KafkaPython"), "confluent": ("confluent", "Confluent")}


def transport(name: str) -> type[Transport]:
    """The class of a transport. Only the chosen one is imported. Raises `NotInstalled` if its library isn't there."""
    module, found = _CLASSES[name]
    try:
        return cast("type[Transport]", getattr(import_module(f"{__name__}.{module}"), found))
    except ImportError as error:
        raise NotInstalled(
            f"kafka.transport: {name} needs a library that is not installed ({error}): pip install 'vigild[{name}]'"
        ) from error
