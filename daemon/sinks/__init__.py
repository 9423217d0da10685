"""Where alerts, readings and dead letters go: one kind of sink per file, settings and registration included."""

from daemon.discovery import kinds
from daemon.sinks.base import Message, Sink, SinkError, Surroundings


def sinks() -> dict[str, type[Sink]]:
    """Every kind of sink by name: the classes of this folder's modules."""
    return kinds(__name__, __path__, Sink)  # type: ignore[type-abstract]


__all__ = ["Message", "Sink", "SinkError", "Surroundings", "sinks"]
