"""Where events come from: one kind of source per file, settings and registration included."""

from daemon.discovery import kinds
from daemon.sources.base import Opening, Source, SourceError, StateMissing


def sources() -> dict[str, type[Source]]:
    """Every kind of source by name: the classes of this folder's modules."""
    return kinds(__name__, __path__, Source)  # type: ignore[type-abstract]


__all__ = ["Opening", "Source", "SourceError", "StateMissing", "sources"]
