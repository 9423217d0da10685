"""Checksums of what is stored: XXH3, 128 bits, against bad disks rather than bad people."""

from __future__ import annotations

from functools import lru_cache

from xxhash import xxh3_128

from daemon.state.errors import Damaged


def digest_of(*parts: str | int | bytes | memoryview) -> bytes:
    """The checksum of the parts, in their order; 16 bytes."""
    digest = xxh3_128()
    for part in parts:
        content = part if isinstance(part, bytes | memoryview) else str(part).encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


class Digests:
    """What `digest_of(name, segment, page, content)` makes of the pages of one item, for thousands of them.

    What stands before the content is the same for pages of a segment but for the page's number, and hashed in one go.
    """

    def __init__(self, name: str) -> None:
        self._name = _counted(name)
        self._segment, self._before = -1, b""

    def of(self, segment: int, page: int, content: bytes | memoryview) -> bytes:
        """The checksum of a page."""
        if segment != self._segment:
            self._segment, self._before = segment, self._name + _counted(str(segment))
        digest = xxh3_128(self._before + _number(page) + len(content).to_bytes(8, "little"))
        digest.update(content)
        return digest.digest()


def _counted(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return len(content).to_bytes(8, "little") + content


@lru_cache(maxsize=4096)
def _number(page: int) -> bytes:
    return _counted(str(page))


def intact(digest: object, *parts: str | int | bytes | memoryview, where: str) -> None:
    """Raise `Damaged` unless the parts have this checksum."""
    if digest_of(*parts) != digest:
        raise Damaged(f"the state is damaged ({where}): restore state.path from a copy")
