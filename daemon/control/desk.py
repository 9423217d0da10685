"""The desk: takes orders from the control topic and carries each out with the next pane that closes.

Which pane was next when an order was read is the wall clock's doing, so a live run records it (control `ordered`), and
a replay of its dump carries the order out with the same pane. An order that was read is in the state until then, in
the transaction that holds the position behind it: it takes effect once, whatever is killed when. What can't be obeyed
is a dead letter: `bad_order` (no order), `no_such_alert`, `no_such_silence`, `not_acceptable`. Orders are no events:
they are in no account and hold no watermark back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from daemon.alerts.alert import Alert
from daemon.alerts.life import Life
from daemon.alerts.notice import Notice
from daemon.control.orders import Accept, Acknowledge, Hold, Lift, Malformed, Order, parse
from daemon.controls import Controls
from daemon.decode import Refusal
from daemon.records import Run
from processors.base import Finding

log = structlog.get_logger("vigil.control")

MOST_WAITING = 10_000
"""Orders that wait for a pane; further ones are refused as `too_many`."""
REMEMBERED = 200
"""Orders that were carried out, the last ones, for whoever asks who did what."""

Refuse = Callable[[Refusal], None]


class Desk:
    """Orders that wait, and those that were carried out last."""

    def __init__(
        self, topic: str | None, controls: Controls, life: Life, accept: Callable[[Finding], bool], *, live: bool
    ) -> None:
        """`topic` is the control topic. `accept` lets a monitor take what it found for normal; False if it can't."""
        self._topic, self._controls, self._life, self._accept, self._live = topic, controls, life, accept, live
        self._waiting: list[Order] = []
        self.done: list[dict[str, Any]] = []
        """What was ordered and when it took effect (`at`), the latest last."""

    def owns(self, topic: str) -> bool:
        """Whether this is the control topic (of this run, or of the one whose dump is replayed)."""
        return topic in (self._topic, self._controls.control_topic)

    @property
    def waiting(self) -> int:
        """How many orders have yet to be carried out."""
        return len(self._waiting)

    def read(self, run: Run, refuse: Refuse) -> None:
        """Take the orders in some records of the control topic."""
        for row, offset in enumerate(run.offsets):
            try:
                said = parse(run.values[row])
            except Malformed as problem:
                refuse(_refusal(run, row, "bad_order", str(problem)))
                continue
            if len(self._waiting) >= MOST_WAITING:
                refuse(_refusal(run, row, "too_many", f"{MOST_WAITING:,} orders wait already"))
                continue
            order = Order(run.partition, offset, run.timestamps[row] * 1000, run.values[row] or b"", said)
            if not self._controls.ordered_later(order.partition, offset):
                self._waiting.append(order)

    def pane(self, until: int) -> int | None:
        """Start of the pane that has to close although nothing may be in it: the next one, if an order waits."""
        waits = [until] if self._waiting and until and self._live else []
        return min([*self._controls.orders, *waits], default=None)

    def carry_out(self, start: int, end: int, refuse: Refuse) -> list[Notice]:
        """Carry out what is due with this pane, in the order in which it stood on the topic."""
        due = [Order.from_tree(dict(tree)) for tree in self._controls.orders.pop(start, [])]
        now = [each for each in self._waiting if self._due(each, end)]
        self._waiting = [each for each in self._waiting if each not in now]
        for order in now:
            said = order.raw.decode()
            self._controls.add("ordered", order.partition, offset=order.offset, time=order.time, said=said, pane=start)
        notices: list[Notice] = []
        for order in sorted([*due, *now], key=lambda each: (each.partition, each.offset)):
            answered, problem = self._obey(order, end)
            notices += answered
            if problem:
                log.warning("order refused", why=problem, who=order.said.who, order=order.said.order)
                refuse(_refused(order, *problem))
            else:
                log.info("order carried out", who=order.said.who, why=order.said.why, order=order.said.order)
                self.done = [*self.done, {"at": end, **order.tree()}][-REMEMBERED:]
        return notices

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self._waiting = [Order.from_tree(each) for each in tree["orders"]]
        self.done = list(tree["orders_done"])

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"orders": [order.tree() for order in self._waiting], "orders_done": self.done}

    def _due(self, order: Order, end: int) -> bool:
        """Live at once. In a replay with its time, if the records come without what a run made of them."""
        return self._live or (self._controls.closed is None and order.time < end)

    def _obey(self, order: Order, end: int) -> tuple[list[Notice], tuple[str, str] | None]:
        """What is said of it, and why it could not be obeyed (reason, detail)."""
        said, life = order.said, self._life
        if isinstance(said, Hold):
            return life.silence(end, said.silence()), None
        if isinstance(said, Lift):
            if all(silence.name != said.name for silence in life.ordered):
                return [], ("no_such_silence", f"no silence named {said.name!r} is in force")
            return life.lift(end, said.name), None
        meant = life.meant(said.alert)
        if not meant:
            return [], ("no_such_alert", f"nothing that fires begins with {said.alert}")
        if isinstance(said, Acknowledge):
            return life.acknowledge(end, meant, said.who, said.why), None
        return self._take_for_normal(said, _with_effects(meant, life), end)

    def _take_for_normal(
        self, said: Accept, meant: list[Alert], end: int
    ) -> tuple[list[Notice], tuple[str, str] | None]:
        taken = [alert for alert in meant if self._accept(alert.finding)]
        if not taken:
            return [], ("not_acceptable", "there is no reference behind it: change what the configuration asks for")
        return self._life.accept(end, taken, said.who, said.why), None


def _with_effects(meant: list[Alert], life: Life) -> list[Alert]:
    """Alerts and those that they explain: who accepts a cause accepts what follows from it."""
    names = {alert.fingerprint for alert in meant}
    effects = [alert for alert in life.meant("") if alert.inhibited_by in names and alert.fingerprint not in names]
    return [*meant, *effects]


def _refusal(run: Run, row: int, reason: str, detail: str) -> Refusal:
    return Refusal(
        run.partition,
        run.offsets[row],
        0,
        reason,
        detail,
        run.keys[row],
        run.values[row] or b"",
        run.headers[row],
        timestamp=run.timestamps[row],
    )


def _refused(order: Order, reason: str, detail: str) -> Refusal:
    return Refusal(order.partition, order.offset, 0, reason, detail, None, order.raw, ())
