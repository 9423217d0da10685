"""The ledger against a model of its rules, and its bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.clocks import Clocks
from daemon.codecs.native import Native
from daemon.decode import Bounds, Decoder
from daemon.ledger import blocks, rewriting, shared
from daemon.ledger.due import Waits
from daemon.ledger.ledger import Closed, Ledger
from daemon.ledger.open_panes import kept_at
from daemon.ledger.saving import LedgerSaving
from daemon.state.store import Store
from processors.packing import unpack
from processors.rows import CORRECTION, FIRST, TEXT, Scalars, read_texts, text_hash
from tests.daemon.ledger.driving import BEGIN, LATENESS, MINUTE, PANE, Drive, Log, Memory, balanced, new_ledger
from tests.daemon.ledger.model import Model, Rules, changes_of, measured, values
from tests.daemon.messages import label, prediction, run

HOUR = 60 * MINUTE
ZERO = Scalars.of_numbers([0.0])
WAITS = Waits(
    90 * MINUTE,
    {"patient": 5 * HOUR, "hasty": 5 * MINUTE},
    {"patient": (45 * MINUTE, ZERO), "hasty": (MINUTE, ZERO)},
)
RULES = Rules(
    PANE,
    {"m": 90 * MINUTE, "patient": 5 * HOUR, "hasty": 5 * MINUTE, "unwatched": 90 * MINUTE},
    {"patient": (45 * MINUTE, values(ZERO)[0]), "hasty": (MINUTE, values(ZERO)[0])},
    frozenset({"unwatched"}),
)
LONGEST = 5 * HOUR
END = BEGIN + 60 * HOUR

EVENT = st.fixed_dictionaries(
    {
        "gap": st.sampled_from([0, 0, 1, 3, 8, 15, 70]),
        "type": st.sampled_from(["prediction", "label", "label"]),
        "model": st.sampled_from(["m", "m", "patient", "patient", "hasty", "unwatched"]),
        "id": st.integers(0, 2),
        "version": st.integers(1, 2),
        "value": st.integers(0, 1),
        "lag": st.sampled_from([0, 0, 2, 7, 12, 200]),
    }
)
LOGS = st.lists(st.lists(EVENT, max_size=14), min_size=1, max_size=3)
MOST = st.sampled_from([3, 6, 10**6])
"""How many may be pending."""
READS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=12)


def log_of(events: Sequence[dict[str, Any]]) -> Log:
    """Records by rising time, each event `lag` minutes older than its record."""
    minute, found = 0, []
    for event in events:
        minute += event["gap"]
        common = {"model": event["model"], "id": event["id"], "ts": (BEGIN + (minute - event["lag"]) * MINUTE)}
        if event["type"] == "label":
            message = label(label=event["value"], **common)
        else:
            message = prediction(version=event["version"], prediction=event["value"], **common)
        found.append((minute, message if event["id"] else [message, {}]))
    return found


def drive(
    logs: Sequence[Log],
    reads: Sequence[tuple[int, int]] = (),
    *,
    most: int = 10**6,
    skips: bool = False,
    memory: Any = None,
) -> Drive:
    """A run over logs, read in these portions."""

    def ledger() -> Ledger:
        return new_ledger(WAITS, most, RULES.unmonitored)

    subject = Drive(logs, ledger, LONGEST, skips, memory or Memory())
    for number, count in reads:
        if number < len(logs):
            subject.read(number, count)
    return subject


def result(subject: Drive) -> tuple[Any, ...]:
    """What must not depend on how it came about: what stood, outcomes by pane in their order, and the accounts."""
    outcomes = {closed.start: changes_of(closed.outcomes) for closed in subject.closed if len(closed.outcomes)}
    standing = {closed.start: measured(closed) for closed in subject.closed if len(closed.predictions)}
    duplicates = Counter({closed.start: len(closed.duplicates) for closed in subject.closed if len(closed.duplicates)})
    kept = {name: count for name, count in subject.accounts.items() if count}
    return outcomes, standing, duplicates, kept


@settings(max_examples=100)
@given(LOGS, READS)
def test_outcomes_and_accounts_are_those_of_the_rules(logs: Any, reads: Any) -> None:
    """Early, late, corrected, orphan, repeated and contradicting labels, several versions, silence, expiry."""
    subject = drive([log_of(log) for log in logs], reads)
    subject.finish()
    model = Model(RULES)
    model.run(subject.decoded, END)
    outcomes, standing, _, accounts = result(subject)
    assert outcomes == model.outcomes
    assert standing == model.standing
    assert accounts.get("pending", 0) == 0
    for name in ("measured", "duplicate", "conflict", "shed"):
        assert accounts.get(name, 0) == model.accounts[name], name


@settings(max_examples=60)
@given(LOGS, READS, READS, st.booleans(), MOST)
def test_neither_batches_nor_interleaving_show(logs: Any, reads: Any, others: Any, skips: bool, most: int) -> None:
    """However partitions are cut and mixed, and whether empty panes are passed one by one, all is the same."""
    logs = [log_of(log) for log in logs]
    one, two = drive(logs, reads, most=most), drive(logs, others, most=most, skips=skips)
    one.finish()
    two.finish()
    assert result(one) == result(two)


@settings(max_examples=60)
@given(LOGS, READS, st.lists(st.booleans(), min_size=12, max_size=12), st.booleans(), MOST)
def test_a_restored_ledger_goes_on_as_if_nothing_had_been(
    logs: Any, reads: Any, stops: Any, skips: bool, most: int
) -> None:
    """Saved and restored after any batch, as often as one likes, it closes the same panes with the same contents."""
    logs = [log_of(log) for log in logs]
    one, two = drive(logs, reads, most=most, skips=skips), drive(logs, most=most, skips=skips)
    for (number, count), stop in zip(reads, stops, strict=False):
        if number < len(logs):
            two.read(number, count)
            two.restart(write_only=not stop)
    one.finish()
    two.finish()
    assert result(one) == result(two)
    assert [closed.start for closed in one.closed] == [closed.start for closed in two.closed]
    assert [closed.accounts for closed in one.closed] == [closed.accounts for closed in two.closed]


def known(text: str) -> str:
    """A text that is known by its hash alone, as its hash is read."""
    return f"{text_hash(text):016x}"


def words(closed: Closed) -> list[dict[str, Any]]:
    """What outcomes say in texts."""
    table = closed.outcomes
    names, found = table.names, []
    for row in range(len(table)):
        cells = {}
        for column in ("proba", "segments"):
            mine = getattr(table, column).take(np.array([row]))
            layout = names.layouts[int(mine.layout[0])] if mine.size[0] else ()
            told = zip(mine.values.kind.tolist(), mine.values.bits.tolist(), mine.values.numbers(), strict=True)
            said = [names.text(bits) if kind == TEXT else number for kind, bits, number in told]
            cells[column] = dict(zip(layout, said, strict=True))
        found.append(
            cells
            | {
                "model": names.text(int(table.model[row])),
                "version": names.text(int(table.version[row])),
                "id": read_texts(table.id[[row]])[0],
                "label": names.text(int(table.label.bits[row])),
                "prediction": names.text(int(table.prediction.bits[row])),
                "score": float(table.score[row]),
            }
        )
    return found


def test_an_outcome_says_all_that_its_prediction_said_also_after_a_restart(tmp_path: Path) -> None:
    """Labels, probabilities by class and segments outlive the process in the real state, for joined and early labels.

    Of what it predicted and of segment values the hash is kept (one that is a label's word too can be read): what
    counts of the words is in the profile.
    """
    sides = {"proba": {"yes": 0.75, "no": 0.25}, "segment": {"region": "eu", "tier": 2}, "score": 0.75}
    log: Log = [
        (0, label(id="early", model="patient", label="yes")),
        (1, prediction(id="late", model="patient", version="v1", prediction="no", **sides)),
        (20, prediction(id="early", model="patient", version="v2", prediction="yes", segment={"region": "us"})),
        (40, label(id="late", model="patient", label="yes")),
        (60, label(id="late", model="patient", label="maybe")),
    ]
    with Store.open(tmp_path) as store:
        subject = drive([log])
        for _ in range(len(log)):
            subject.read(0, 1)
            with store.commit() as commit:
                subject.saving.stage(commit, subject.closed_until)
            loaded = store.load()
            subject.ledger = new_ledger(WAITS)
            subject.saving = LedgerSaving(subject.ledger, LONGEST)
            subject.saving.restore(loaded.items, loaded.chunks, subject.closed_until)
        subject.finish()
    said = [told for closed in subject.closed for told in words(closed)]
    assert [(told["id"], told["label"], told["prediction"]) for told in said] == [
        ("early", "yes", "yes"), ("late", "yes", known("no")), ("late", "maybe", known("no")),
    ]  # fmt: skip
    assert said[0]["segments"] == {"region": known("us")}
    for told in said[1:]:
        assert (told["model"], told["version"], told["score"]) == ("patient", "v1", 0.75)
        assert told["proba"] == sides["proba"]
        assert told["segments"] == {"region": known("eu"), "tier": 2}


def test_chunks_are_dropped_when_all_in_them_is_over() -> None:
    """What a file holds is bounded by the waits, not by how long Vigil runs."""
    burst = [(n, prediction(id=f"x{n}", model="m")) for n in range(50)]
    log = [*burst, *((minute, prediction(id=minute, model="m")) for minute in range(60, 6_000, 15))]
    subject = drive([log], most=40)
    sizes = []
    for _ in log:
        subject.read(0, 1)
        subject.restart(write_only=True)
        sizes.append(sum(map(len, subject.memory.tables.values())))
    assert max(sizes) == max(sizes[: len(sizes) // 4]) <= 2 * 9 * 60 // 15 + 2 * len(burst)
    assert len(subject.ledger.retained) < 20
    assert not subject.ledger.relieved


def test_a_file_holds_little_more_than_what_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels, and rows let go under pressure, do not add up in the state: what lives is written anew in their place."""
    monkeypatch.setattr(rewriting, "LEAST", 50)
    monkeypatch.setattr(rewriting, "PORTION", 30)
    late = np.random.default_rng(3).random(8_000) < 0.3
    logs = [[*flood(late.tolist(), 40)]]
    one, two = drive(logs, most=300), drive(logs, most=300)
    most = 0
    for turn in range(80):
        two.read(0, 200)
        two.restart(write_only=bool(turn % 8))
        held = sum(each.rows for table in two.saving._chunks.values() for each in table.values())
        most = max(most, held)
        lives = len(two.ledger.retained) + len(two.ledger.waiting)
        assert held <= rewriting.MOST_TIMES * lives + 2 * (rewriting.LEAST + 4 * 200)
        assert held == sum(
            len(unpack(blob).get("serial", ())) for table in two.memory.tables.values() for blob, _ in table.values()
        )
    one.finish()
    two.finish()
    assert result(one) == result(two)


def test_cells_that_come_and_go_take_no_more_than_those_that_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever sizes follow one another, what lies idle is taken up again, and rows keep their own cells."""
    monkeypatch.setattr(blocks, "_LEAST_IDLE", 20)
    rng = np.random.default_rng(5)
    sides = [{f"c{place}": 1 / (n % 9 + 1) for place in range(n % 9 + 1)} for n in range(1_500)]
    log = [(7 * n, prediction(id=n, model="m", proba=side)) for n, side in enumerate(sides)]
    log += [(7 * n + 9, label(id=n, model="m", label=int(rng.integers(2)))) for n in range(0, 1_500, 3)]
    subject = drive([sorted(log, key=lambda record: record[0])])
    for _ in range(100):
        subject.read(0, 20)
        cells = subject.ledger.retained.cells
        assert cells._end - cells.used <= max(cells.used, 20) + 9 * 20
    said = [told for closed in subject.closed for told in words(closed)]
    assert len(said) > 450
    assert all(told["proba"] == sides[int(told["id"])] for told in said)


def test_of_very_many_kinds_of_cells_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with further ones are kept without their cells, and counted; names are let go with the last row."""
    monkeypatch.setattr(shared.Layouts, "MOST", 30)
    log = [(n // 10, prediction(id=n, model="m", proba={f"c{n}": 1.0})) for n in range(400)]
    subject = drive([log])
    subject.read(0, 399)
    layouts = subject.ledger.retained.layouts
    assert len(layouts) == 30
    assert layouts.refused == len(subject.ledger.retained) - 30
    assert len(layouts.words) == 31
    subject.finish()
    subject.ledger.skip(subject.closed_until + 24 * HOUR)
    assert (len(layouts), layouts.names) == (0, 0)


def flood(late: Sequence[bool], minutes_late: int) -> Log:
    """Eight predictions a minute, labelled 1 after `minutes_late` where `late` says so, else 0 after a minute."""
    found: list[tuple[int, Any]] = []
    for number, slow in enumerate(late):
        minute = number // 8
        found.append((minute, prediction(id=number, model="m", version="1")))
        found.append((minute + (minutes_late if slow else 1), label(id=number, model="m", label=int(slow))))
    return sorted(found, key=lambda record: record[0])


def test_pressure_bounds_what_waits_and_keeps_early_and_late_labels_alike() -> None:
    """At a keep-rate below one the share of what is labelled late, and of its class, is that of all events."""
    late = np.random.default_rng(7).random(12_000) < 0.3
    most = 400
    subject = drive([flood(late.tolist(), 60)], most=most)
    rates, positives, outcomes = [], 0, 0
    for _ in range(120):
        subject.read(0, 200)
        assert len(subject.ledger.retained) + len(subject.ledger.waiting) <= most
        rates.append(subject.ledger.keep_rate)
    subject.finish()
    assert set(rates[30:]) == {0.25}
    for closed in subject.closed:
        if closed.start < BEGIN + 500 * MINUTE:
            continue
        first = closed.outcomes.take(closed.outcomes.how == FIRST)
        outcomes += len(first)
        positives += int(first.label.numbers().sum())
        assert kept_at(0.25, first.key).all()
    assert 1_600 < outcomes < 2_400
    assert abs(positives / outcomes - 0.3) < 5 * np.sqrt(0.3 * 0.7 / outcomes)


def test_the_keep_rate_recovers_when_the_pressure_is_over() -> None:
    """With room to spare everything is kept again."""
    log = [
        *flood([False] * 7_200, 1),
        *((minute, prediction(id=f"x{minute}", model="m")) for minute in range(1_000, 4_000, 60)),
    ]
    subject = drive([log], most=400)
    subject.read(0, 10_000)
    assert subject.ledger.keep_rate < 1
    subject.finish()
    assert subject.ledger.keep_rate == 1


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.sampled_from([1.0, 0.5, 0.125, 2**-12]))
def test_a_lower_keep_rate_keeps_some_of_what_a_higher_one_keeps(keys: list[int], rate: float) -> None:
    """So that what was kept under pressure is what would have been kept without, only less."""
    hashes = np.array(keys, np.uint64)
    assert not (kept_at(rate / 2, hashes) & ~kept_at(rate, hashes)).any()


def test_corrections_name_what_they_replace_in_the_order_in_which_labels_rank() -> None:
    """Several labels of one pane change a row one after the other, by their own time and not by their arrival."""
    log: Log = [
        (0, prediction(id="a", model="m")),
        *((5, label(id="a", model="m", label=value, ts=BEGIN + ts * MINUTE)) for value, ts in ((3, 4), (1, 2), (2, 3))),
    ]
    subject = drive([log])
    subject.finish()
    (outcomes,) = (closed.outcomes for closed in subject.closed if len(closed.outcomes))
    assert outcomes.how.tolist() == [FIRST, CORRECTION, CORRECTION]
    assert outcomes.label.numbers().tolist() == [1.0, 2.0, 3.0]
    assert outcomes.before.numbers()[1:].tolist() == [1.0, 2.0]


def test_of_a_pane_that_gets_too_much_a_fair_sample_is_kept() -> None:
    """A producer whose clock stands still, or that repeats itself, fills no memory; the order does not show."""
    decode = Decoder({}, Native(), Clocks(LATENESS, 10**15), Bounds())
    clocks = [BEGIN // 1000] * 500
    batches = [
        decode.decode(
            run([prediction(id=n % 400, model="m") for n in range(first, first + 500)], ms=clocks, first=first)
        )
        for first in range(0, 6_000, 500)
    ]
    told = []
    for order in (batches, batches[::-1]):
        ledger = new_ledger(WAITS, pane_rows=300)
        for batch in order:
            ledger.add(batch)
            assert ledger.open_rows() <= 300
        closed = ledger.close(BEGIN)
        told.append((closed.accounts, sorted(closed.predictions.ref.offset.tolist())))
        assert closed.accounts["received"] == 6_000
        assert closed.accounts["flood"] == closed.accounts["shed"] >= 6_000 - 300
        assert balanced(closed.accounts)
        assert len(closed.predictions) + closed.accounts["duplicate"] > 100
    assert told[0] == told[1]
