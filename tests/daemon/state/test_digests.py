"""Checksums."""

from __future__ import annotations

import pytest

from daemon.state.digests import Digests, digest_of


@pytest.mark.parametrize("name", ["clocks", "monitor/ä", ""])
def test_checksums_of_many_pages_are_those_of_each(name: str) -> None:
    """The quick way for the pages of an item says what `digest_of` says of each of them, in any order."""
    pages = [
        (segment, page, bytes([segment, page % 256]) * page) for segment in (0, 3, 12) for page in (0, 1, 10, 4_097)
    ]
    quick = Digests(name)
    for segment, page, content in [*pages, *reversed(pages)]:
        expected = digest_of(name, segment, page, memoryview(content))
        assert quick.of(segment, page, memoryview(content)) == expected
