"""The least of the times at which something is held, found at once however many there are."""

from __future__ import annotations

from collections.abc import Container
from heapq import heappop


def earliest(heap: list[int], live: Container[int]) -> int | None:
    """The least time of a heap (`heapq`) that is live; those before it that are not live any more are dropped."""
    while heap and heap[0] not in live:
        heappop(heap)
    return heap[0] if heap else None
