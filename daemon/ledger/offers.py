"""Labels on offer to rows, and the changes of rows that come of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.rows import Bytes, Hashes, Ints, Labels, Longs, Scalars, Strings


@dataclass(frozen=True, slots=True)
class Offer:
    """Labels by key, each with the rank (ts, partition, offset, index) that decides which one stands."""

    key: Hashes
    value: Scalars
    ts: Longs
    partition: Ints
    offset: Longs
    index: Ints
    id: Strings

    @classmethod
    def of(cls, labels: Labels) -> Offer:
        """Labels as they were decoded."""
        ref = labels.ref
        return cls(labels.key, labels.label, labels.ts, ref.partition, ref.offset, ref.index, labels.id)

    @classmethod
    def implied(cls, key: Hashes, value: Scalars, ts: Longs) -> Offer:
        """Labels that nobody sent."""
        none = np.zeros(len(key), np.int64)
        return cls(key, value, ts, none.astype(np.int32), none, none.astype(np.int32), no_texts(len(key)))


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows whose label came or changed: slot, the label and its ts and id, how it came about, and the one before."""

    slot: Longs
    label: Scalars
    ts: Longs
    id: Strings
    how: Bytes
    before: Scalars

    @classmethod
    def none(cls) -> Changes:
        """No changes."""
        longs, none = np.zeros(0, np.int64), Scalars.missing(0)
        return cls(longs, none, longs, no_texts(0), np.zeros(0, np.uint8), none)

    @classmethod
    def concat(cls, parts: list[Changes]) -> Changes:
        """All of them, one after the other."""
        parts = [part for part in parts if len(part.slot)]
        if len(parts) < 2:
            return parts[0] if parts else cls.none()
        return cls(
            np.concatenate([part.slot for part in parts]),
            Scalars.concat([part.label for part in parts]),
            np.concatenate([part.ts for part in parts]),
            np.concatenate([part.id for part in parts]),
            np.concatenate([part.how for part in parts]),
            Scalars.concat([part.before for part in parts]),
        )


def no_texts(count: int) -> Strings:
    """So many empty texts."""
    return np.full(count, "", object)
