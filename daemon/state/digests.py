"""Checksums of what is stored: XXH3, 128 bits, against bad disks rather than bad people."""

from __future__ import annotations

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


def intact(digest: object, *parts: str | int | bytes | memoryview, where: str) -> None:
    """Raise `Damaged` unless the parts have this checksum."""
    if digest_of(*parts) != digest:
        raise Damaged(f"the state is damaged ({where}): restore state.path from a copy")
