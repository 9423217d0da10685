"""Codecs: what is on the wire, one format a file, turned into native events."""

from daemon.codecs.base import Codec
from daemon.discovery import kinds


def codecs() -> dict[str, type[Codec]]:
    """All codecs by name: those of every file in this folder."""
    return kinds(__name__, __path__, Codec)  # type: ignore[type-abstract]
