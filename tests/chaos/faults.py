"""What goes wrong: each fault is a function that does it to an arena and waits until its part of it is over.

A schedule is a function of its seed. When exactly a fault strikes depends on the machine, of course; what strikes, in
which order and after how long does not.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import psutil

from daemon.state.steps import Step
from tests.chaos.daemons import Daemon
from tests.chaos.proxy import Proxy

SESSION_S = 3.0
"""Session timeout of the consumer group."""
IDLE_AFTER_S = 8.0
"""Time after which a silent partition counts as idle: one of a stopped daemon must not."""
PATIENCE_S = 200.0
"""Nothing takes so long, even on a machine that has much else to do: who stands for longer is stuck."""
WRITES_WITHIN_S = 30.0
"""A commit is due twice a second."""
KILLED = -signal.SIGKILL
STATE_FAILED = 74
IN_A_COMMIT = "killed in a commit"
EXPLAINING_S = 60.0
"""How long to wait for an explanation: its process takes seconds to start, and its model predicts one minute in three,
which at full pace are 18 seconds."""


class Arena(Protocol):
    """What a fault may act on."""

    daemon: Daemon
    proxy: Proxy

    def broker_away(self, seconds: float) -> None:
        """Kill the broker, and start it again after so long."""

    def ended(self, code: int | None, *expected: int) -> None:
        """The daemon ended with this code (None: it did not end): a loss, unless it is expected. Starts it again."""

    def restart(self, stop_at: str) -> None:
        """Kill the daemon and start it with this VIGIL_STOP_AT."""

    def reads(self, seconds: float) -> None:
        """Wait until the daemon has read something and committed that, or ended. Neither within so long: a loss."""

    def explanations(self) -> int:
        """How many were taken in and committed so far."""

    def stream_on(self) -> None:
        """Keep the stream at its full pace for now."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, with its place in the schedule."""

    kind: str
    seed: str
    step: str = ""
    """VIGIL_STOP_AT of a kill in a commit, where chance is not to choose it."""

    @property
    def stop_at(self) -> str:
        """The VIGIL_STOP_AT that the daemon is to be started with for it."""
        if self.kind != IN_A_COMMIT or self.step:
            return self.step
        rng = random.Random(self.seed)
        return f"{rng.choice(list(Step)).value}:{rng.choice([1, 1, 2, 3, 5])}"

    def strike(self, arena: Arena) -> bool:
        """Let it happen. False: there was nothing that it could have struck."""
        if arena.daemon.stop_at != self.stop_at:
            arena.restart(self.stop_at)
        return KINDS[self.kind](arena, random.Random(self.seed)) is not False


def schedule(seed: int, kills: int, broker_kills: int) -> list[Fault]:
    """So many SIGKILLs of the daemon (a good half at random moments, the others inside a commit) and of the broker,
    and everything else in proportion, in an order drawn by the seed.
    """
    some, few = -(-kills // 10), -(-kills // 25)
    counts = {
        "killed": kills - kills * 2 // 5,
        IN_A_COMMIT: kills * 2 // 5,
        "broker killed": broker_kills,
        "asked to stop": some,
        "stopped for a moment": some,
        "stopped for long": few,
        "explainer killed": few,
        "connections cut": some,
        "killed when cut off": few,
        "disk full": few,
    }
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    random.Random(f"schedule/{seed}").shuffle(kinds)
    return [Fault(kind, f"{seed}/{place}") for place, kind in enumerate(kinds)]


def killed(arena: Arena, rng: random.Random) -> None:
    """SIGKILL: while it starts, or some time after its first commit."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 2.5))
    else:
        arena.reads(PATIENCE_S)
        time.sleep(rng.expovariate(1.2))
    arena.daemon.signal(signal.SIGKILL)
    arena.ended(arena.daemon.wait(PATIENCE_S), KILLED)


def killed_in_a_commit(arena: Arena, rng: random.Random) -> None:
    """SIGKILL by itself at a numbered step of a commit, at the first or a later time."""
    arena.ended(arena.daemon.wait(PATIENCE_S), KILLED)


def asked_to_stop(arena: Arena, rng: random.Random) -> None:
    """SIGTERM: it must drain and end well. While it starts, Python's own default may still end it."""
    arena.reads(PATIENCE_S)
    time.sleep(rng.uniform(0, 2))
    arena.daemon.signal(signal.SIGTERM)
    arena.ended(arena.daemon.wait(PATIENCE_S), 0)


def stopped_for_a_moment(arena: Arena, rng: random.Random) -> None:
    """SIGSTOP and SIGCONT, well within the session."""
    _stopped(arena, rng.uniform(0, 2), rng.uniform(0.2, SESSION_S / 2))


def stopped_for_long(arena: Arena, rng: random.Random) -> None:
    """SIGSTOP and SIGCONT: the group gives its partitions up, and time passes that must not make them idle."""
    _stopped(arena, 1 + rng.uniform(0, 2), IDLE_AFTER_S + rng.uniform(1, 3))


def _stopped(arena: Arena, after: float, seconds: float) -> None:
    arena.reads(PATIENCE_S)
    time.sleep(after)
    arena.daemon.signal(signal.SIGSTOP)
    time.sleep(seconds)
    arena.daemon.signal(signal.SIGCONT)
    time.sleep(1.0)


def broker_killed(arena: Arena, rng: random.Random) -> None:
    """SIGKILL of the broker; in half of the cases the daemon is killed as well, and finds no broker at its start."""
    arena.reads(PATIENCE_S)
    time.sleep(rng.uniform(0, 1))
    both = rng.random() < 0.5
    if both:
        arena.restart("")
    arena.broker_away(rng.uniform(0, 3))


def explainer_killed(arena: Arena, rng: random.Random) -> bool:
    """SIGKILL of the explainer's process while it works; or it is held for a while; or the daemon goes with it.

    False if it could not be found.
    """
    before, give_up = arena.explanations(), time.monotonic() + EXPLAINING_S
    while arena.explanations() == before and time.monotonic() < give_up:
        arena.stream_on()
        time.sleep(0.1)
    time.sleep(rng.uniform(0, 1))
    worker, way = arena.daemon.worker(1.0), rng.choice(["killed", "killed", "held", "both"])
    if worker is not None:
        with suppress(psutil.NoSuchProcess):
            (worker.suspend if way == "held" else worker.kill)()
    time.sleep(rng.uniform(0, 2))
    if worker is not None and way == "held":
        with suppress(psutil.NoSuchProcess):
            worker.resume()
    if way == "both":
        killed(arena, rng)
    return worker is not None


def connections_cut(arena: Arena, rng: random.Random) -> None:
    """Connections are reset, refused for a while, stalled, or lose what comes back over them."""
    proxy = arena.proxy
    arena.reads(PATIENCE_S)
    time.sleep(rng.uniform(0, 1))
    way = rng.choice(["cut", "refused", "stalled", "deaf"])
    if way == "cut":
        proxy.cut()
    elif way == "refused":
        proxy.refuse(rng.uniform(0.5, 4))
    elif way == "stalled":
        proxy.stall(rng.uniform(0.5, 5))
    else:
        proxy.deafen(rng.uniform(0.2, 2))
    time.sleep(rng.uniform(0, 2))


def killed_when_cut_off(arena: Arena, rng: random.Random) -> None:
    """SIGKILL while no connection comes about: what was to leave has not left."""
    arena.reads(PATIENCE_S)
    arena.proxy.refuse(4.0)
    time.sleep(rng.uniform(1, 3))
    arena.daemon.signal(signal.SIGKILL)
    arena.ended(arena.daemon.wait(PATIENCE_S), KILLED)


def disk_full(arena: Arena, rng: random.Random) -> None:
    """A commit fails: it must end with its code for that, and go on as if nothing had been once there is room."""
    arena.reads(PATIENCE_S)
    time.sleep(rng.uniform(0, 1))
    arena.daemon.limit_files(4_096)
    code = arena.daemon.wait(WRITES_WITHIN_S)
    arena.daemon.limit_files(None)
    arena.ended(code, STATE_FAILED)


KINDS: dict[str, Callable[[Arena, random.Random], bool | None]] = {
    "killed": killed,
    IN_A_COMMIT: killed_in_a_commit,
    "asked to stop": asked_to_stop,
    "stopped for a moment": stopped_for_a_moment,
    "stopped for long": stopped_for_long,
    "broker killed": broker_killed,
    "explainer killed": explainer_killed,
    "connections cut": connections_cut,
    "killed when cut off": killed_when_cut_off,
    "disk full": disk_full,
}
