"""Replayed dead letters: each event is taken in once, whichever way and how often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from daemon.decode.again import REF, TIMESTAMP
from daemon.dlq.replay import replayed
from daemon.envelopes import dead_letter
from daemon.ledger.due import Waits
from daemon.ledger.ledger import Ledger
from daemon.ledger.replayed import Remembered
from daemon.ledger.saving import LedgerSaving
from daemon.records import Headers, Partition, Run
from daemon.state import Store
from tests.daemon.messages import SECOND, START, decoder

PANE = 10 * SECOND
DAY = 86_400 * SECOND


def hashes(*values: int) -> Any:
    """Values as hashes."""
    return np.array(values, np.uint64)


def ledger(most: int = 100) -> Ledger:
    """An empty ledger that remembers replays for a day."""
    return Ledger(PANE, Waits(), 10**6, lambda model, _: np.zeros(len(model), np.int32), Remembered(DAY, most))


def run(events: Sequence[tuple[int, str, dict[str, Any]]], number: int = 0, stamp: bytes | None = None) -> Run:
    """Records of one partition: (offset, ref or nothing, event)."""
    headers: list[Headers] = [
        [*([(REF, ref.encode())] if ref else []), *([(TIMESTAMP, stamp)] if stamp is not None else [])]
        for _, ref, _ in events
    ]
    values = [orjson.dumps(event) for _, _, event in events]
    ms = [START // 1000] * len(events)
    return Run(
        Partition("events", number), [at for at, _, _ in events], ms, [None] * len(events), list(values), headers
    )


def signal(value: float) -> dict[str, Any]:
    """What nothing but the ref can tell from the same said twice."""
    return {"type": "signal", "model": "m", "name": "loss", "value": value}


def closed(subject: Ledger, start: int) -> tuple[list[float], dict[str, int]]:
    """The values of the signals that stand in a pane, and its accounts."""
    subject.rows_of(start)
    pane = subject.close(start)
    return pane.signals.value.tolist(), dict(pane.accounts)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_replays_in_a_pane_the_first_in_canonical_order_stands(order: tuple[int, int]) -> None:
    """Whichever partition was read first; the others are duplicates, and what is new stays."""
    subject, decode = ledger(), decoder().decode
    runs = [run([(5, "events:0:1:0", signal(1)), (6, "", signal(2))], 0), run([(5, "events:0:1:0", signal(3))], 1)]
    for place in order:
        subject.add(decode(runs[place]))
    start = START // PANE * PANE
    values, accounts = closed(subject, start)
    expected = ledger()
    for each in runs:
        expected.add(decode(each))
    assert (values, accounts) == closed(expected, start)
    assert len(values) == 2
    assert 2.0 in values
    assert (accounts["received"], accounts["duplicate"], accounts["measured"]) == (3, 1, 2)


def test_events_of_one_corrected_message_are_told_apart() -> None:
    """A message that was refused as a whole may come back with several events in it; each counts once."""
    subject, decode = ledger(), decoder().decode
    message = [signal(1), signal(2)]
    for offset in (7, 8):
        once_more = Run(
            Partition("events", 0),
            [offset],
            [START // 1000],
            [None],
            [orjson.dumps(message)],
            [[(REF, b"events:0:1:0")]],
        )
        subject.add(decode(once_more))
    values, accounts = closed(subject, START // PANE * PANE)
    assert sorted(values) == [1.0, 2.0]
    assert accounts["duplicate"] == 2


def test_an_event_that_a_correction_left_wrong_twice_counts_once() -> None:
    """A message corrected to several events, replayed twice, one of them refused both times: it is still one event."""
    subject, decode = ledger(), decoder().decode
    half_right = orjson.dumps([signal(1), signal(2) | {"value": "high"}, signal(3) | {"value": "high"}])
    for offset in (7, 8):
        headers: Headers = [(REF, b"events:0:1:0"), (TIMESTAMP, b"9" * 5_000)]
        once_more = Run(Partition("events", 0), [offset], [START // 1000], [None], [half_right], [headers])
        found = decode(once_more)
        subject.add(found)
        for place, refusal in enumerate(found.refused, 1):
            ref = ("events", 0, refusal.offset, refusal.index)
            letter = dead_letter(ref, "bad", "", key=None, value=refusal.value, headers=refusal.headers)
            again = replayed(letter, f"""sed -e 's/"high"/{place}/'""")
            origin = (dict(again.headers)[REF] or b"").decode()
            subject.add(decode(run([(offset * 10 + place, origin, orjson.loads(again.value))])))
    values, accounts = closed(subject, START // PANE * PANE)
    assert sorted(values) == [1.0, 1.0, 2.0]
    assert (accounts["duplicate"], accounts["refused"]) == (3, 4)


def test_a_replay_is_remembered_over_a_restart_wherever_it_falls(tmp_path: Any) -> None:
    """Restarted while its pane is open, or after it closed: what comes again is a duplicate."""
    decode, start = decoder().decode, START // PANE * PANE

    def restarted(subject: Ledger, saving: LedgerSaving, until: int) -> tuple[Ledger, LedgerSaving]:
        with store.commit() as commit:
            saving.stage(commit, until)
        loaded, fresh = store.load(), ledger()
        again = LedgerSaving(fresh, DAY)
        again.restore(loaded.items, loaded.chunks, until)
        return fresh, again

    with Store.open(tmp_path) as store:
        subject = ledger()
        saving = LedgerSaving(subject, DAY)
        first = decode(run([(1, "events:0:0:0", signal(1))]))
        subject.add(first)
        saving.arrived(first)
        subject, saving = restarted(subject, saving, start)
        again = decode(run([(2, "events:0:0:0", signal(2))]))
        subject.add(again)
        saving.arrived(again)
        subject, saving = restarted(subject, saving, start)
        values, accounts = closed(subject, start)
        assert (values, accounts["duplicate"]) == ([1.0], 1)
        subject, saving = restarted(subject, saving, start + PANE)
        subject, saving = restarted(subject, saving, start + PANE)
        late = run([(3, "events:0:0:0", signal(3))])
        late.timestamps = [(START + PANE) // 1000]
        subject.add(decode(late))
        values, accounts = closed(subject, start + PANE)
        assert (values, accounts["duplicate"]) == ([], 1)


def test_what_is_remembered_is_bounded_and_counted() -> None:
    """The oldest go first; after the retention a ref is nobody's, without being counted as cut off."""
    remembered = Remembered(DAY, 3)
    assert remembered.first(hashes(1, 2, 2, 3), 0).tolist() == [True, True, False, True]
    assert remembered.take_forgotten() == 0
    assert remembered.first(hashes(4), PANE).tolist() == [True]
    assert remembered.take_forgotten() == 1
    assert remembered.first(hashes(1, 3), PANE).tolist() == [True, False]
    assert len(remembered) == 3
    remembered.take_forgotten()
    assert remembered.first(hashes(3), DAY).tolist() == [True]
    assert remembered.take_forgotten() == 0


def test_an_event_without_a_time_of_its_own_is_as_old_as_it_was() -> None:
    """`vigil-ts` stands for the timestamp of the first record; an event's own `ts` goes before it."""
    first = START - DAY
    prediction = {"type": "prediction", "id": "a", "model": "m", "prediction": 1}
    own = {**prediction, "id": "b", "ts": (START - 2 * DAY) / 1e6}
    stamp = b"%d" % (first // 1000)
    found = decoder().decode(run([(1, "e:0:0:0", prediction), (2, "e:0:0:1", own)], stamp=stamp))
    assert found.predictions.ts.tolist() == [first, START - 2 * DAY]
    assert (found.predictions.time == found.predictions.arrival - 10 * SECOND).all(), "late: at the edge of the present"
    for nonsense in (b"", b"soon", b"-5", b"9" * 40):
        found = decoder().decode(run([(1, "e:0:0:0", prediction)], stamp=nonsense))
        assert found.predictions.ts.tolist() == [START]
    assert decoder().decode(run([(1, "", prediction)], stamp=stamp)).predictions.ts.tolist() == [START]
