"""Records that bring an event once more: replayed dead letters, known by a header.

`vigil-ref` says which event it is, as `topic:partition:offset:index` of where it stood first; of several events that a
correction made of one, those refused again have their place behind it. `vigil-ts` (milliseconds since 1970) is the
timestamp of the record there, which stands for an event without a `ts` of its own: the event is as old as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.records import Run
from processors.profile.tokens import mix
from processors.rows import Hashes, Ints, Longs, Refs, Table, text_hash

REF, TIMESTAMP = "vigil-ref", "vigil-ts"
LATEST_MS = 9_214_646_400_000
"""2262: what is later is no time."""


@dataclass(frozen=True, slots=True)
class Again(Table):
    """Records with a `vigil-ref`: their partition's number, offset and a hash of the ref, in columns."""

    partition: Ints
    offset: Longs
    ref: Hashes

    def of(self, rows: Refs) -> Hashes:
        """Which event each row is, by a hash; 0 for rows that are here for the first time.

        The first event of a record is the one that `vigil-ref` names; others in the same record are told apart by
        their place.
        """
        found = np.zeros(len(rows), np.uint64)
        if not len(self):
            return found
        known = dict(zip(zip(self.partition.tolist(), self.offset.tolist(), strict=True), self.ref, strict=True))
        for row in np.flatnonzero(np.isin(rows.offset, self.offset)).tolist():
            found[row] = known.get((int(rows.partition[row]), int(rows.offset[row])), 0)
        return np.where(found > 0, mix(found, rows.index.astype(np.uint64)) | np.uint64(1), found)


def none() -> Again:
    """No such records."""
    return Again(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint64))


def again_in(run: Run, number: int) -> Again:
    """The records of a run that have a `vigil-ref`; `number` is that of its partition."""
    if not any(run.headers):
        return none()
    refs = [_value(headers, REF) for headers in run.headers]
    rows = [row for row, ref in enumerate(refs) if ref is not None]
    return Again(
        np.full(len(rows), number, np.int32),
        np.array([run.offsets[row] for row in rows], np.int64),
        np.array([text_hash((refs[row] or b"").decode("utf-8", "replace")) for row in rows], np.uint64),
    )


def first_times(run: Run) -> Longs:
    """When each record stood there first, in microseconds; -1 for those that are new or don't say it."""
    if not any(run.headers):
        return np.full(len(run), -1, np.int64)
    return np.array([_microseconds(headers) for headers in run.headers], np.int64)


def _microseconds(headers: Any) -> int:
    said = _value(headers, TIMESTAMP) if _value(headers, REF) is not None else None
    found = milliseconds(said)
    return found if found < 0 else found * 1000


def milliseconds(said: bytes | None) -> int:
    """What `vigil-ts` says; -1 for what is no time."""
    if said is None or not said.isdigit() or len(said) > len(str(LATEST_MS)) or int(said) > LATEST_MS:
        return -1
    return int(said)


def _value(headers: Any, name: str) -> bytes | None:
    return next((value for key, value in headers if key == name), None) if headers else None
