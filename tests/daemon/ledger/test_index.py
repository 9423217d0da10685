"""The index's compiled loops against a dictionary of lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.ledger import index
from daemon.ledger.blocks import Blocks, positions
from daemon.ledger.keyed import KeyedRows

_UNMIX = pow(0x9E3779B97F4A7C15, -1, 2**64)
# Keys that share their first places in a small table, some their tags too, so that probing is put to work.
CLOSE = st.integers(0, 12).map(lambda number: (number << 44) * _UNMIX % 2**64)
NEXT = st.integers(0, 12).map(lambda number: ((1023 << 32) + number) * _UNMIX % 2**64)
KEYS = CLOSE | NEXT | st.integers(0, 2**64 - 1)
STEP = st.tuples(st.just("add"), st.lists(KEYS, max_size=6)) | st.tuples(
    st.just("remove"), st.lists(st.integers(0, 99), max_size=5)
)


@settings(max_examples=60)
@given(st.lists(STEP, max_size=25))
def test_rows_are_found_by_key_newest_first_whatever_was_removed(steps: list[Any]) -> None:
    """Adding and removing in any order: each key leads to its rows, and a row keeps its slot until it goes."""
    rows = KeyedRows({"number": "i8"})
    known: dict[int, list[tuple[int, int]]] = {}
    added = 0
    for what, given_ in steps:
        if what == "add":
            keys = np.array(given_, np.uint64)
            slots = rows.take_slots(len(keys))
            rows.enter(slots, keys)
            rows["number"][slots] = np.arange(added, added + len(keys))
            for key, slot in zip(given_, slots.tolist(), strict=True):
                known.setdefault(key, []).append((slot, added))
                added += 1
        else:
            live = sorted(slot for chain in known.values() for slot, _ in chain)
            gone = sorted({live[at % len(live)] for at in given_}) if live else []
            rows.remove(np.array(gone, np.int64))
            known = {key: [row for row in chain if row[0] not in gone] for key, chain in known.items()}
        for key, chain in known.items():
            assert chain_of(rows, key) == [slot for slot, _ in reversed(chain)]
            assert [int(rows["number"][slot]) for slot, _ in chain] == [number for _, number in chain]
        everything = sorted((number, slot) for chain in known.values() for slot, number in chain)
        assert rows.slots().tolist() == [slot for _, slot in everything]
        assert len(rows) == len(everything)
    assert rows.next_serial == added


def chain_of(rows: KeyedRows, key: int) -> list[int]:
    """Slots of a key's rows as the index has them."""
    slot, found = int(rows.find(np.array([key], np.uint64))[0]), []
    while slot >= 0:
        found.append(slot)
        slot = int(rows.following[slot])
    return found


def test_the_index_grows_with_its_rows() -> None:
    """A hundred thousand keys, half of them removed and others put in their place, are all found."""
    rows = KeyedRows({})
    rng = np.random.default_rng(3)
    keys = rng.integers(0, 2**64, 100_000, np.uint64)
    for part in np.split(keys, 20):
        rows.enter(rows.take_slots(len(part)), part)
    slots = rows.find(keys)
    assert (rows.key[slots] == keys).all()
    rows.remove(slots[::2])
    more = rng.integers(0, 2**64, 50_000, np.uint64)
    rows.enter(rows.take_slots(len(more)), more)
    assert (rows.find(keys[::2]) == -1).all()
    assert (rows.key[rows.find(more)] == more).all()
    assert len(rows.key) < 2 * 100_000


@given(st.lists(st.tuples(KEYS, st.integers(0, 2), st.integers(0, 2)), max_size=20), st.integers(0, 20))
def test_of_rows_with_one_key_and_version_the_first_stands(rows: list[tuple[int, int, int]], cut: int) -> None:
    """Later ones are duplicates if they say the same, conflicts if not; rows beside them in the batch count too."""
    keyed = KeyedRows({"version": "i4", "content": "u4"})
    first: dict[tuple[int, int], int] = {}
    expected = []
    for key, version, content in rows:
        if (key, version) not in first:
            first[key, version] = content
            expected.append(index.STANDS)
        else:
            expected.append(index.DUPLICATE if first[key, version] == content else index.CONFLICT)
    found: list[int] = []
    for part in (rows[:cut], rows[cut:]):
        keys = np.array([row[0] for row in part], np.uint64)
        versions, contents = (
            np.array([row[at] for row in part], dtype) for at, dtype in ((1, np.int32), (2, np.uint32))
        )
        slots = keyed.take_slots(len(part))
        status = index.admit(
            keyed.table, keyed.key, keyed.following, keyed["version"], keyed["content"],
            keys, slots, versions, contents,
        )  # fmt: skip
        stands = status == index.STANDS
        keyed.give_back(slots[~stands])
        keyed.enter(slots[stands], keys[stands], indexed=True)
        found += status.tolist()
    assert found == expected


LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(st.lists(st.tuples(LENGTHS, st.lists(st.integers(0, 30), max_size=4), st.booleans()), max_size=12))
def test_runs_of_rows_stay_theirs_while_others_come_and_go(steps: list[Any]) -> None:
    """Taking and giving back in any order, with runs moved together in between, leaves every row its own items."""
    blocks, starts, sizes, known = Blocks({"kind": "u1"}), np.zeros(99, np.int64), np.zeros(99, np.int64), set()
    for fresh, (batch, gone, together) in enumerate(steps):
        rows = np.arange(6 * fresh, 6 * fresh + len(batch))
        sizes[rows] = batch
        starts[rows] = blocks.take(sizes[rows])
        at = positions(starts[rows], sizes[rows])
        blocks.columns["bits"][at] = blocks.columns["kind"][at] = np.repeat(rows, sizes[rows])
        known |= set(rows.tolist())
        dropped = np.array(sorted(known & set(gone)), np.int64)
        blocks.give_back(starts[dropped], sizes[dropped])
        known -= set(dropped.tolist())
        live = np.array(sorted(known), np.int64)
        if together:
            starts[live] = blocks.move_together(starts[live], sizes[live])
        assert blocks.used == sizes[live].sum()
        for column in blocks.columns.values():
            found = column[positions(starts[live], sizes[live])]
            assert found.tolist() == np.repeat(live, sizes[live]).tolist()
