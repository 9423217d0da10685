"""280,000 events through the real loop, the real state and the real outbox: what is held stays bounded.

`make soak` is the same with ten million. Event time runs faster here: all that comes has to go before a third is over.
What stays longest are a prediction in the state file (the wait for its label and two hours), and a version (half an
hour, until it is replaced, and the wait, an hour and a pane, until its last cohort is final).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.endless import MODELS
from bench.soak import MIB, Sample, Soak
from daemon import telemetry
from daemon.garbage import give_back

EVENTS, PER_SECOND = 280_000, 12.0
"""Six and a half hours of event time; versions are replaced every half, labels waited for for ten minutes."""
VERSIONS = 4
"""Of a model at a time: a new one each half hour, each alive for 101 minutes."""
SETTINGS = "time: {pane: 1m}\nlabels: {wait: 10m}\ndefaults: {retire_after: 20m}\nlimits: {segment_values: 8}\n"


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Soak, list[Sample]]]:
    """Return the run at its end, and its samples."""
    telemetry.configure("error", "json")
    samples: list[Sample] = []

    def heard(sample: Sample) -> None:
        give_back()
        samples.append(sample)

    folder = tmp_path_factory.mktemp("soak")
    # A commit with each pass, and awaited: how many there are, and what waits for one, is not the machine's to say.
    with closing(Soak(folder, EVENTS, PER_SECOND, SETTINGS, commit_s=(0.0, 0.0), in_step=True)) as soak:
        soak.run(EVENTS // 40, heard)
        yield soak, samples


def test_every_event_is_accounted_for(soaked: tuple[Soak, list[Sample]]) -> None:
    """Good and bad, early and late, repeated and for nothing: what was received is the sum of what became of it."""
    accounts = soaked[0].pipeline.accounts
    assert accounts["received"] == EVENTS
    names = ("measured", "duplicate", "conflict", "refused", "shed", "pending")
    assert sum(accounts[name] for name in names) == EVENTS
    for name in ("measured", "conflict", "refused", "shed"):
        assert accounts[name] > 100, name
    assert soaked[0].pipeline.status()["quarantined"] == []


def test_what_is_held_is_no_more_at_the_end_than_in_the_middle(soaked: tuple[Soak, list[Sample]]) -> None:
    """Rows, their bytes, groups, series and the state file level off, though versions and words are always new."""
    samples = soaked[1]
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    for name in ("ledger", "state_file", "pending", "waiting_labels", "open_rows", "groups", "series"):
        most = max(getattr(sample, name) for sample in middle)
        assert max(getattr(sample, name) for sample in last) <= 1.1 * most + 1_000, name
    assert max(sample.outbox for sample in samples) < 10_000, "what panes between two passes say"
    # Each version with a segment key of eight values and the others; and signals of none.
    assert max(sample.groups for sample in samples) <= VERSIONS * MODELS * (1 + 8 + 1) + MODELS


def test_resident_memory_levels_off(soaked: tuple[Soak, list[Sample]]) -> None:
    """What a leak of 300 bytes an event would add in the last third is more than the margin."""
    samples = soaked[1]
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    assert max(sample.rss for sample in last) <= max(sample.rss for sample in middle) + 24 * MIB


def test_the_loop_leaves_nothing_for_the_collector(tmp_path: Path) -> None:
    """What a pass makes dies with it, bad events' exceptions too: else it all waits for the next collection."""
    telemetry.configure("error", "json")
    with closing(Soak(tmp_path, 60_000, 50.0)) as soak:
        for _ in range(20):
            soak.pipeline.step()
        gc.collect()
        gc.disable()
        try:
            refused = soak.pipeline.accounts["refused"]
            for _ in range(5):
                soak.pipeline.step()
            assert gc.collect() < 50
            assert soak.pipeline.accounts["refused"] > refused
        finally:
            gc.enable()
