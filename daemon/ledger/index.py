"""A hash index over row slots: open addressing by key, rows of one key in a chain.

Kernels work on plain arrays. `table_key` and `table_head` (capacity a power of two) hold the keys and the slot of each
key's newest row plus one: 0 is an empty place, -1 one whose last row was removed. `following[slot]` is the next row of
the same key, -1 at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from processors.rows import Longs

STANDS, DUPLICATE, CONFLICT = range(3)

# What became of a label.
WAITING, MEASURED, REPEATED, CONTRADICTED = range(4)


@njit(cache=True, inline="always")
def _place(table_key: Any, table_head: Any, key: Any) -> Any:
    """Where the key stands, or the empty place where it would."""
    mask = len(table_key) - 1
    at = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while table_head[at] != 0 and table_key[at] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True)
def insert(table_key: Any, table_head: Any, following: Any, keys: Any, slots: Any) -> None:
    """Enter rows under their keys."""
    for i in range(len(keys)):
        at = _place(table_key, table_head, keys[i])
        head = table_head[at]
        following[slots[i]] = head - 1 if head > 0 else -1
        table_key[at] = keys[i]
        table_head[at] = slots[i] + 1


@njit(cache=True)
def remove(table_key: Any, table_head: Any, following: Any, keys: Any, slots: Any) -> None:
    """Take rows out. The place of a key without rows stays taken until the table is built anew."""
    for i in range(len(keys)):
        at = _place(table_key, table_head, keys[i])
        slot = table_head[at] - 1
        if slot == slots[i]:
            table_head[at] = following[slot] + 1 if following[slot] >= 0 else -1
            continue
        while slot >= 0 and following[slot] != slots[i]:
            slot = following[slot]
        if slot >= 0:
            following[slot] = following[slots[i]]


@njit(cache=True)
def find(table_key: Any, table_head: Any, keys: Any) -> Any:
    """Slot of the newest row of each key, -1 where there is none; int64."""
    found = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        head = table_head[_place(table_key, table_head, keys[i])]
        found[i] = head - 1 if head > 0 else -1
    return found


@njit(cache=True)
def admit(
    table_key: Any,
    table_head: Any,
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
        at = _place(table_key, table_head, keys[i])
        head = table_head[at]
        slot = head - 1 if head > 0 else np.int64(-1)
        status[i] = STANDS
        while slot >= 0:
            if version[slot] == new_version[i]:
                status[i] = DUPLICATE if content[slot] == new_content[i] else CONFLICT
                break
            slot = following[slot]
        if status[i] == STANDS:
            following[slots[i]] = head - 1 if head > 0 else -1
            version[slots[i]] = new_version[i]
            content[slots[i]] = new_content[i]
            table_key[at] = keys[i]
            table_head[at] = slots[i] + 1
    return status


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
    table_key: Any,
    table_head: Any,
    following: Any,
    arrival: Any,
    until: Any,
    how: Any,
    kind: Any,
    bits: Any,
    ts: Any,
    partition: Any,
    offset: Any,
    index: Any,
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

    The columns from `how` to `index` are the rows' standing labels and are changed; `how` is 255 without one. Rows
    whose `arrival` is not before `until` are not there yet. Where `slot_only[i]` is not -1 the label is offered to
    that row alone. Returns for each label what became of it (uint8), and for each change of a row its slot, its
    label's position, how it came about (`first` or `correction`), and the kind and bits of the label before.
    """
    fate = np.empty(len(keys), np.uint8)
    room = max(16, len(keys))
    out_slot, out_label = np.empty(room, np.int64), np.empty(room, np.int64)
    out_how, out_kind, out_bits = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty(room, np.uint64)
    out = 0
    for i in range(len(keys)):
        head = table_head[_place(table_key, table_head, keys[i])]
        slot = head - 1 if head > 0 else np.int64(-1)
        if slot_only[i] >= 0:
            slot = slot_only[i]
        fate[i] = WAITING
        while slot >= 0:
            if arrival[slot] < until:
                change = np.uint8(255)
                if how[slot] == 255:
                    change = first
                elif kind[slot] == new_kind[i] and bits[slot] == new_bits[i] and how[slot] == first:
                    fate[i] = max(fate[i], REPEATED) if fate[i] != MEASURED else MEASURED
                    if _newer(
                        new_ts[i],
                        new_partition[i],
                        new_offset[i],
                        new_index[i],
                        ts[slot],
                        partition[slot],
                        offset[slot],
                        index[slot],
                    ):
                        ts[slot], partition[slot], offset[slot], index[slot] = (
                            new_ts[i],
                            new_partition[i],
                            new_offset[i],
                            new_index[i],
                        )
                elif how[slot] != first or _newer(
                    new_ts[i],
                    new_partition[i],
                    new_offset[i],
                    new_index[i],
                    ts[slot],
                    partition[slot],
                    offset[slot],
                    index[slot],
                ):
                    change = correction
                elif fate[i] != MEASURED:
                    fate[i] = CONTRADICTED
                if change != 255:
                    fate[i] = MEASURED
                    if out == room:
                        room *= 2
                        out_slot, out_label = _grown(out_slot, room), _grown(out_label, room)
                        out_how, out_kind, out_bits = (
                            _grown(out_how, room),
                            _grown(out_kind, room),
                            _grown(out_bits, room),
                        )
                    out_slot[out], out_label[out], out_how[out] = slot, i, change
                    out_kind[out], out_bits[out] = kind[slot], bits[slot]
                    out += 1
                    how[slot], kind[slot], bits[slot], ts[slot] = first, new_kind[i], new_bits[i], new_ts[i]
                    partition[slot], offset[slot], index[slot] = new_partition[i], new_offset[i], new_index[i]
            if slot_only[i] >= 0:
                break
            slot = following[slot]
    return fate, out_slot[:out], out_label[:out], out_how[:out], out_kind[:out], out_bits[:out]


@njit(cache=True)
def _grown(array: Any, room: Any) -> Any:
    wider = np.empty(room, array.dtype)
    wider[: len(array)] = array
    return wider


def new_table(rows: int) -> tuple[Any, Longs]:
    """An empty table with room for twice that many keys."""
    capacity = 1 << max(10, int(2 * max(rows, 1) - 1).bit_length())
    return np.zeros(capacity, np.uint64), np.zeros(capacity, np.int64)
