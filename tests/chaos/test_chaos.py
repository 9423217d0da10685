"""A short campaign, and the proof that a campaign can fail."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from daemon.state.steps import Step
from tests.chaos.campaign import campaign
from tests.chaos.daemons import forked
from tests.chaos.faults import IN_A_COMMIT, Fault, schedule
from tests.chaos.mutants import MISTAKES
from tests.chaos.proxied import ProxiedBroker
from tests.chaos.workload import entries
from tests.conftest import started

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

STEPS = {
    "offsets_told_before_the_commit": ["1:2", "2:2"],
    "positions_committed_before_the_state": ["1:4", "2:4"],
    "dead_letters_sent_at_once": ["1:2", "2:2"],
    "dead_letters_sent_from_memory": ["3:2", "3:3"],
    "outbox_sent_before_the_commit": ["1:2", "2:2"],
    "marked_before_it_was_acknowledged": ["5:1", "5:2", "5:3"],
}
"""Where a daemon with a mistake is killed."""
OTHERS = {
    "memory_kept_after_a_failed_commit": "disk full",
    "memory_kept_after_partitions_were_lost": "stopped for long",
}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedBroker]:
    """A broker behind a proxy, for these tests alone."""
    broker = ProxiedBroker(tmp_path_factory.mktemp("chaos") / "broker")
    with started(broker):
        yield broker


def test_nothing_is_lost_and_nothing_counted_twice(proxied: ProxiedBroker, tmp_path: Path) -> None:
    """Killed at random and inside commits, stopped, without a broker or connections: what leaves is what should."""
    kinds = ["killed", "broker killed", "killed", "connections cut", "asked to stop", "stopped for a moment"]
    faults = [Fault(kind, f"short/{place}") for place, kind in enumerate(kinds)]
    steps = ("1:3", "2:2", "3:1", "4:1", "4:3", "4:5", "5:2", "6:2")
    faults[2:2] = [Fault(IN_A_COMMIT, "short", step) for step in steps]
    outcome = campaign(tmp_path, 7, faults, proxied, explained=False, launch=forked())
    assert outcome.verdict.losses == [], outcome.table()
    assert {Step(int(step[0])) for step in steps} == set(Step), "each step of a commit is struck"
    assert outcome.starts >= 10
    counts = outcome.verdict.counts
    assert min(counts[name] for name in ("alerts", "readings", "dead_letters")) > 0
    assert counts["readings again"] + counts["dead_letters again"] > 0, "no kill fell between sending and marking"


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_a_daemon_with_a_mistake_is_caught(proxied: ProxiedBroker, tmp_path: Path, name: str) -> None:
    """What the harness says of a mutation, or it is worth nothing."""
    faults = [Fault(IN_A_COMMIT, name, step) for step in STEPS.get(name, ())]
    faults += [Fault(OTHERS[name], f"{name}/{time}") for time in range(2)] if name in OTHERS else []
    launch = forked("tests.chaos.mutants", name)
    lost = name == "memory_kept_after_partitions_were_lost"  # is harmless right after a commit: none may be due by then
    commits, per_s = (("20s", "20s"), 40.0) if lost else (("50ms", "500ms"), 200.0)
    outcome = campaign(
        tmp_path, 7, faults, proxied, explained=False, commits=commits, per_s=per_s, launch=launch, stop_at_loss=True
    )
    assert outcome.verdict.losses, outcome.table()
    assert not any("ended with 70" in loss for loss in outcome.verdict.losses), "it is the mutant that broke"


def test_a_schedule_and_its_stream_are_functions_of_the_seed() -> None:
    """A seed repeats a campaign, fault by fault and record by record."""
    assert schedule(3, 30, 3) == schedule(3, 30, 3) != schedule(4, 30, 3)
    assert list(islice(entries(3), 500)) == list(islice(entries(3), 500)) != list(islice(entries(4), 500))
    kinds = [fault.kind for fault in schedule(3, 30, 3)]
    assert kinds.count("killed") + kinds.count(IN_A_COMMIT) == 30
    assert kinds.count("broker killed") == 3
