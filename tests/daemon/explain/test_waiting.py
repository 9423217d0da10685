"""Who waits, who is next and who gives way."""

from __future__ import annotations

from collections import Counter

from daemon.explain.waiting import Waiting
from tests.daemon.explain.trained import request


def test_no_more_wait_than_the_bound() -> None:
    """One gives way for each that is too many."""
    waiting = Waiting(2)
    assert [waiting.put(request(1, pane=pane)) is None for pane in range(3)] == [True, True, False]
    assert len(waiting) == 2


def test_of_one_version_the_oldest_sample_gives_way() -> None:
    """The newer ones say more of now, and the oldest of those that stay is served first."""
    waiting = Waiting(2)
    gone = [waiting.put(request(1, pane=pane)) for pane in range(3)]
    assert gone[2] is not None
    assert gone[2].pane_start == 0
    assert waiting.take().pane_start == 1


def test_versions_are_served_in_turn_even_if_too_few_places_are_there() -> None:
    """Ten versions in the same order each pane, three places, two served a pane: all get about the same."""
    waiting, served = Waiting(3), Counter[str]()
    for pane in range(200):
        for model in "abcdefghij":
            waiting.put(request(1, model=model, pane=pane))
        for _ in range(2):
            served[waiting.take().model] += 1
    assert set(served) == set("abcdefghij")
    assert max(served.values()) - min(served.values()) <= 4
