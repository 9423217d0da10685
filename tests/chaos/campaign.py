"""A campaign: an arena, a schedule of faults, and the verdict in a table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.daemons import Launch, fresh
from tests.chaos.faults import Fault
from tests.chaos.proxied import ProxiedBroker
from tests.chaos.verdict import Verdict, judge

AHEAD = 3_000
"""Records that are there before the daemon starts: enough for alerts in a campaign of seconds."""


FIRST_START_S = 600.0
"""A first start on a fresh checkout compiles what later ones load, which takes half a minute and more."""
RECORDS = 800
"""At full pace for each fault; then it trickles."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, and what came of it."""

    seed: int
    faults: Counter[str]
    starts: int
    looks: int
    seconds: float
    verdict: Verdict

    def table(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'fault':<24}{'times':>7}"
        for kind, count in sorted(self.faults.items()):
            yield f"{kind:<24}{count:>7}"
        yield f"{'(starts of the daemon)':<24}{self.starts:>7}"
        yield f"{'(looks while dead)':<24}{self.looks:>7}"
        yield ""
        counts = self.verdict.counts
        for name in ("records", "events", "refused", "explanations"):
            yield f"{name:<24}{counts.get(name, 0):>7}"
        yield f"{'':<24}{'once':>7}{'again':>7}"
        for name in ("alerts", "readings", "dead_letters"):
            yield f"{name:<24}{counts.get(name, 0):>7}{counts.get(name + ' again', 0):>7}"
        yield ""
        if self.faults["explainer killed"] and not counts.get("explanations"):
            yield "no explanation was ever taken in: what is said of the explainer is not tested by this"
        yield f"{len(self.verdict.losses)} losses in {self.seconds:.0f} s, seed {self.seed}"
        yield from (f"  {loss}" for loss in self.verdict.losses[:50])


def campaign(
    folder: Path,
    seed: int,
    faults: Sequence[Fault],
    broker: ProxiedBroker,
    *,
    say: Callable[[str], None] = lambda _: None,
    per_s: float = 200.0,
    explained: bool = True,
    commits: tuple[str, str] = ("50ms", "500ms"),
    launch: Launch = fresh,
    transport: str = "kafka-python",
    stop_at_loss: bool = False,
) -> Outcome:
    """Do all of it on a broker that runs. `launch` starts the daemon, `commits` says how often it
    commits, `transport` by which client library it reads.

    With `stop_at_loss` the first loss ends it, and nothing is compared any more.
    """
    began = time.monotonic()
    struck: Counter[str] = Counter()
    with Arena(
        folder, seed, broker, per_s=per_s, explained=explained, commits=commits, launch=launch, transport=transport
    ) as arena:
        arena.stream.produce(AHEAD)
        arena.daemon.start()
        arena.daemon.wait_until_it_commits(FIRST_START_S)
        arena.stream.start()
        for place, fault in enumerate(faults, 1):
            arena.upcoming = faults[place].stop_at if place < len(faults) else ""
            say(f"{time.monotonic() - began:6.0f} s  {place}/{len(faults)}  {fault.kind}")
            arena.stream.allow(RECORDS)
            struck[fault.kind if fault.strike(arena) else f"({fault.kind}: missed)"] += 1
            arena.alive()
            if stop_at_loss and arena.losses:
                return _outcome(arena, seed, struck, began, Verdict(arena.losses))
        arena.finish()
        say(f"{time.monotonic() - began:6.0f} s  comparing with an undisturbed pass")
        return _outcome(arena, seed, struck, began, judge(arena))


def _outcome(arena: Arena, seed: int, struck: Counter[str], began: float, verdict: Verdict) -> Outcome:
    return Outcome(seed, struck, arena.daemon.starts, arena.moments.looks, time.monotonic() - began, verdict)
