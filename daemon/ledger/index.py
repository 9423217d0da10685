"""A hash index over row slots: open addressing by key, rows of one key in a chain.

Kernels work on plain arrays. A place of `table` (their number is a power of two) holds the low 32 bits of its key's
hash above the slot of the key's newest row plus one; 0 is an empty place. The keys themselves stand in the rows' own
column, so that a place takes 8 bytes. `following[slot]` is the next row of the same key, -1 at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.rows import Hashes

STANDS, DUPLICATE, CONFLICT = range(3)

# What became of a label.
WAITING, MEASURED, REPEATED, CONTRADICTED = range(4)

UNLABELLED = 255

_GOLD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_SLOT = np.uint64(0xFFFFFFFF)
_EMPTY = np.uint64(0)
_FULLEST = (5, 8)
"""Share of the places that may be taken."""


@njit(cache=True, inline="always")
def _place(table: Any, row_key: Any, key: Any) -> Any:
    """Where the key stands, or the empty place where it would."""
    mask = np.int64(len(table) - 1)
    mixed = key * _GOLD
    at = np.int64(mixed >> _HALF) & mask
    tag = mixed & _SLOT
    while table[at] != _EMPTY:
        if (table[at] >> _HALF) == tag and row_key[_slot_of(table[at])] == key:
            break
        at = (at + 1) & mask
    return at


@njit(cache=True, inline="always")
def _slot_of(entry: Any) -> Any:
    """The slot that an entry of the table leads to, -1 from an empty one."""
    return np.int64(entry & _SLOT) - 1


@njit(cache=True, inline="always")
def _entry(key: Any, slot: Any) -> Any:
    return ((key * _GOLD) << _HALF) | np.uint64(slot + 1)


@njit(cache=True)
def insert(table: Any, row_key: Any, following: Any, slots: Any) -> None:
    """Enter rows under the keys that stand in their slots."""
    for i in range(len(slots)):
        key = row_key[slots[i]]
        at = _place(table, row_key, key)
        following[slots[i]] = _slot_of(table[at])
        table[at] = _entry(key, slots[i])


@njit(cache=True)
def remove(table: Any, row_key: Any, following: Any, slots: Any) -> None:
    """Take rows out, while their keys still stand in their slots."""
    for i in range(len(slots)):
        gone = slots[i]
        at = _place(table, row_key, row_key[gone])
        slot = _slot_of(table[at])
        if slot == gone:
            if following[gone] >= 0:
                table[at] = _entry(row_key[gone], following[gone])
            else:
                _vacate(table, row_key, at)
            continue
        while slot >= 0 and following[slot] != gone:
            slot = following[slot]
        if slot >= 0:
            following[slot] = following[gone]


@njit(cache=True)
def _vacate(table: Any, row_key: Any, at: Any) -> None:
    """Empty a place, and move up what came to stand behind it only because it was taken [Knuth, 6.4, algorithm R]."""
    mask = np.int64(len(table) - 1)
    table[at] = _EMPTY
    behind = (at + 1) & mask
    while table[behind] != _EMPTY:
        wanted = np.int64((row_key[_slot_of(table[behind])] * _GOLD) >> _HALF) & mask
        if ((behind - wanted) & mask) >= ((behind - at) & mask):
            table[at] = table[behind]
            table[behind] = _EMPTY
            at = behind
        behind = (behind + 1) & mask


@njit(cache=True)
def refill(table: Any, row_key: Any, entries: Any) -> None:
    """Put the entries of another table into this empty one."""
    for i in range(len(entries)):
        table[_place(table, row_key, row_key[_slot_of(entries[i])])] = entries[i]


@njit(cache=True)
def find(table: Any, row_key: Any, keys: Any) -> Any:
    """Slot of the newest row of each key, -1 where there is none; int64."""
    found = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        found[i] = _slot_of(table[_place(table, row_key, keys[i])])
    return found


@njit(cache=True)
def admit(
    table: Any,
    row_key: Any,
    following: Any,
    version: Any,
    content: Any,
    keys: Any,
    slots: Any,
    new_version: Any,
    new_content: Any,
) -> Any:
    """De-duplicate rows in their order: enter those that stand, say of each whether it stands; uint8."""
    status = np.empty(len(keys), np.uint8)
    for i in range(len(keys)):
        at = _place(table, row_key, keys[i])
        head = _slot_of(table[at])
        slot = head
        status[i] = STANDS
        while slot >= 0:
            if version[slot] == new_version[i]:
                status[i] = DUPLICATE if content[slot] == new_content[i] else CONFLICT
                break
            slot = np.int64(following[slot])
        if status[i] == STANDS:
            following[slots[i]] = head
            version[slots[i]] = new_version[i]
            content[slots[i]] = new_content[i]
            row_key[slots[i]] = keys[i]
            table[at] = _entry(keys[i], slots[i])
    return status


@njit(cache=True)
def unlabelled(table: Any, row_key: Any, following: Any, how: Any, keys: Any) -> Any:
    """How many rows of these keys have no label, a row counted for each time that its key occurs."""
    count = 0
    for i in range(len(keys)):
        slot = _slot_of(table[_place(table, row_key, keys[i])])
        while slot >= 0:
            count += how[slot] == UNLABELLED
            slot = np.int64(following[slot])
    return count


@njit(cache=True)
def _newer(ts_a: Any, part_a: Any, off_a: Any, idx_a: Any, ts_b: Any, part_b: Any, off_b: Any, idx_b: Any) -> Any:
    if ts_a != ts_b:
        return ts_a > ts_b
    if part_a != part_b:
        return part_a > part_b
    if off_a != off_b:
        return off_a > off_b
    return idx_a > idx_b


@njit(cache=True)
def join(
    table: Any,
    row_key: Any,
    following: Any,
    arrival: Any,
    until: Any,
    how: Any,
    label: Any,
    kind: Any,
    bits: Any,
    ts: Any,
    partition: Any,
    offset: Any,
    index: Any,
    fresh: Any,
    keys: Any,
    new_kind: Any,
    new_bits: Any,
    new_ts: Any,
    new_partition: Any,
    new_offset: Any,
    new_index: Any,
    slot_only: Any,
    first: Any,
    correction: Any,
) -> Any:
    """Match labels, in the order of (ts, partition, offset, index), with the rows of their keys.

    Each label is offered to every row of its key that is there, the newest first. At each:

    1. It is compared with the label that stands there, if one does: is it the same, is it newer?
    2. `_fate` decides what becomes of it here, `_weightier` what is said of it in all.
    3. If it is measured, the change is noted, with the label before, and it takes that one's place.
    4. If it is measured, or newer though the same, its time and place are what later ones are compared with.

    `how` and `label` are the rows' own: how its standing label came about (UNLABELLED without one), and where it is
    among the labels, whose columns go from `kind` to `index`. All these are changed; a first label is put in a place
    of `fresh`. Rows whose `arrival` is not before `until` are not there yet. Where `slot_only[i]` is not -1 the label
    is offered to that row alone. Returns for each label what became of it (uint8), how many places were used, and for
    each change of a row its slot, its label's position, how it came about (`first` or `correction`), and the kind and
    bits of the label before.
    """
    fate = np.empty(len(keys), np.uint8)
    room = max(16, len(keys))
    out_slot, out_label = np.empty(room, np.int64), np.empty(room, np.int64)
    out_how, out_kind, out_bits = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty(room, np.uint64)
    out, used = 0, 0
    for i in range(len(keys)):
        slot = _slot_of(table[_place(table, row_key, keys[i])])
        if slot_only[i] >= 0:
            slot = slot_only[i]
        fate[i] = WAITING
        while slot >= 0:
            if arrival[slot] < until:
                at, labelled = np.int64(label[slot]), how[slot] != UNLABELLED
                same = labelled and kind[at] == new_kind[i] and bits[at] == new_bits[i]
                newer = labelled and _newer(
                    new_ts[i],
                    new_partition[i],
                    new_offset[i],
                    new_index[i],
                    ts[at],
                    partition[at],
                    offset[at],
                    index[at],
                )
                fate_here = _fate(labelled, same, newer, how[slot] == first)
                fate[i] = _weightier(fate[i], fate_here)
                if fate_here == MEASURED:
                    if out == room:
                        room *= 2
                        out_slot, out_label, out_how = _grown(out_slot), _grown(out_label), _grown(out_how)
                        out_kind, out_bits = _grown(out_kind), _grown(out_bits)
                    if not labelled:
                        at = np.int64(fresh[used])
                        kind[at], bits[at], label[slot] = np.uint8(0), _EMPTY, at
                        used += 1
                    out_slot[out], out_label[out], out_how[out] = slot, i, correction if labelled else first
                    out_kind[out], out_bits[out] = kind[at], bits[at]
                    out += 1
                    how[slot], kind[at], bits[at] = first, new_kind[i], new_bits[i]
                if fate_here == MEASURED or (newer and same):
                    ts[at], partition[at], offset[at], index[at] = (
                        new_ts[i],
                        new_partition[i],
                        new_offset[i],
                        new_index[i],
                    )
            if slot_only[i] >= 0:
                break
            slot = np.int64(following[slot])
    return fate, used, out_slot[:out], out_label[:out], out_how[:out], out_kind[:out], out_bits[:out]


@njit(cache=True, inline="always")
def _fate(labelled: Any, same: Any, newer: Any, as_usual: Any) -> Any:
    """What becomes of a label at one row; `as_usual`: the row's own came about as this one does."""
    if not labelled:
        return MEASURED
    if same and as_usual:
        return REPEATED
    return MEASURED if newer or not as_usual else CONTRADICTED


@njit(cache=True, inline="always")
def _weightier(before: Any, here: Any) -> Any:
    """What is said of a label that met several rows: measured if it was at any, else the last contradiction."""
    if MEASURED == before or MEASURED == here:  # noqa: PLR1714, SIM109, SIM300 - numba has no type for a tuple of both
        return np.uint8(MEASURED)
    return np.uint8(max(before, here))


@njit(cache=True)
def _grown(array: Any) -> Any:
    wider = np.empty(2 * len(array), array.dtype)
    wider[: len(array)] = array
    return wider


@njit(cache=True)
def link(following: Any, first: Any, slots: Any) -> Any:
    """Put slots in front of a chain that begins at `first`; returns where it begins now."""
    for i in range(len(slots)):
        following[slots[i]] = first
        first = slots[i]
    return first


@njit(cache=True)
def unlink(following: Any, first: Any, count: Any) -> Any:
    """The first slots of a chain (int64), and where the rest of it begins."""
    taken = np.empty(count, np.int64)
    for i in range(count):
        taken[i] = first
        first = np.int64(following[first])
    return taken, first


def new_table(keys: int) -> Hashes:
    """An empty table with room for so many keys, or a few more."""
    places = 1024
    while too_full(keys, places):
        places *= 2
    return np.zeros(places, np.uint64)


def too_full(keys: int, places: int) -> bool:
    """Would so many keys in so many places be too many?"""
    return keys * _FULLEST[1] > places * _FULLEST[0]


def more_than(room: int) -> int:
    """How large something of this size is to become: by an eighth, or much less once that is many."""
    return room + max(1_024, room // 32, min(room // 8, 1 << 16))


def grow(array: npt.NDArray[Any], size: int) -> None:
    """Make an array longer where it stands, the new part zero. Nobody may hold a view of it.

    The allocator moves the pages of a large array instead of copying them, so that there are never two of it.
    """
    array.resize((size, *array.shape[1:]), refcheck=False)
