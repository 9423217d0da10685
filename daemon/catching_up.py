"""Catching up: nobody is paged for what happened while Vigil was away.

A run that was live (it closed panes no older than `behind_us`), then falls that far behind the wall clock while there
is more to read, is catching up: what fires is held back, and said if it still fires when the run is live again or
there is nothing more to read. A first start on an old log was never live, so what it finds is said as it is found.
When it begins and ends is the wall clock's doing, so a live run records it (control `behind`), by the pane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from daemon.controls import Controls

log = structlog.get_logger()


class CatchingUp:
    """Whether Vigil is behind. `wall` is the clock in seconds; None in a replay, which goes by what was recorded."""

    def __init__(self, controls: Controls, wall: Callable[[], float] | None, behind_us: int) -> None:
        self._controls, self._wall, self._behind_us = controls, wall, behind_us
        self.behind = False
        self._was_live = False

    def pane(self, until: int, *, held_back: bool, more_to_read: bool) -> int | None:
        """Start of the pane that has to close although nothing may be in it: what was held back is to be said."""
        over = self._wall is not None and until and held_back and not more_to_read
        return min([*self._controls.behind, *([until] if over else [])], default=None)

    def at(self, start: int, end: int, *, more_to_read: bool) -> bool:
        """Whether the pane that closes now is one of those that are caught up with."""
        behind = self.behind
        if self._wall is None:
            behind = self._controls.behind.pop(start, behind)
        else:
            late = self._wall() * 1e6 - end > self._behind_us
            self._was_live = self._was_live or not late
            behind = late and more_to_read and self._was_live
            if behind != self.behind:
                self._controls.add("behind", pane=start, on=behind)
                log.info("catching up, alerts are held back" if behind else "caught up", pane=start)
        self.behind = behind
        return behind

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self.behind, self._was_live = tree["behind"], tree["was_live"]

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"behind": self.behind, "was_live": self._was_live}
