"""Requests that wait for the worker: few, and fair among versions."""

from __future__ import annotations

from daemon.explain.request import Request

MOST_REMEMBERED = 10_000
"""Versions of which it is remembered when they were served."""


class Waiting:
    """At most `bound` requests. The version that was served longest ago is next, with its oldest request.

    When all places are taken, the version that was served last gives way (its oldest request: the newer says more of
    now). Panes bring versions in the same order each time: first come, first served would starve the same ones always.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._requests: list[Request] = []
        self._served: dict[tuple[str, str], int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, request: Request) -> Request | None:
        """Add a request; returns the one that gave way for it, which may be itself."""
        self._requests.append(request)
        if len(self._requests) <= self._bound:
            return None
        return self._remove(max(self._requests, key=self._rank))

    def take(self) -> Request:
        """The next request; its version counts as served. Raises `ValueError` if none waits."""
        request = self._remove(min(self._requests, key=self._rank))
        self._count += 1
        self._served.pop(request.version_key, None)
        self._served[request.version_key] = self._count
        if len(self._served) > MOST_REMEMBERED:
            del self._served[next(iter(self._served))]
        return request

    def _rank(self, request: Request) -> int:
        return self._served.get(request.version_key, 0)

    def _remove(self, request: Request) -> Request:
        at = next(place for place, other in enumerate(self._requests) if other is request)
        return self._requests.pop(at)
