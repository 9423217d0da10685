"""Numbers for the groups: (model, version) and the segment values of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from processors.distinct import distinct
from processors.profile.limits import Limits, ModelSpec
from processors.profile.tokens import class_name, class_token, lookup, mix, mix_one, runs_by, tokens_of
from processors.rows import Cells, Hashes, Index, Ints, Names, Scalars, text_hash

OTHER_VALUE = "(other)"
"""Segment value of rows whose own value was not admitted."""

SpecOf = Callable[[str], ModelSpec]
"""What the operator said of a model."""


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """(model, version), or one segment value of it."""

    model: str
    version: str
    segment: str = ""
    value: str = ""


class Groups:
    """The group axis. A number stands for one group until `retire`; then it is given again."""

    def __init__(self, limits: Limits) -> None:
        self.keys: list[GroupKey] = []
        self._base = np.full(64, -1, np.int32)
        """See `base`; longer than it, so that a new group seldom moves them all."""
        self.cut_off: Counter[str] = Counter()
        self._limits = limits
        self._bases: dict[int, int] = {}
        self._values: dict[int, int] = {}
        self._versions: dict[str, set[str]] = {}
        self._segment_keys: dict[int, set[str]] = {}
        self._value_counts: Counter[tuple[int, str]] = Counter()
        self._free: list[int] = []
        """A heap: the least number is given first."""

    @property
    def base(self) -> Ints:
        """Of each group the (model, version) that it is part of: itself for those, -1 for a free number."""
        return self._base[: len(self.keys)]

    def bases(self) -> list[int]:
        """Numbers of all live (model, version) groups, ascending."""
        return sorted(self._bases.values())

    def versions(self, model: str) -> set[str]:
        """Live versions of a model."""
        return self._versions.get(model, set())

    def base_of(self, model: Hashes, version: Hashes) -> Ints:
        """Number of each row's (model, version); -1 where it is not monitored."""
        return lookup(mix(model, version), self._bases)  # type: ignore[no-any-return]

    def admit_versions(self, model: Hashes, version: Hashes, names: Names) -> list[int]:
        """Give numbers to new (model, version) pairs, most frequent first; returns the new numbers."""
        pairs = mix(model, version)
        if all(token in self._bases for token in distinct(pairs)[0].tolist()):
            return []
        tokens, first, counts = np.unique(pairs, return_index=True, return_counts=True)
        new = sorted(
            (-count, names.text(model[at]), names.text(version[at]), token)
            for token, at, count in zip(tokens.tolist(), first.tolist(), counts.tolist(), strict=True)
            if token not in self._bases
        )
        numbers = []
        for negative_count, name, version_name, token in new:
            number = self._admit_version(name, version_name, token)
            if number is None:
                self.cut_off["rows of unmonitored versions"] -= negative_count
            else:
                numbers.append(number)
        return numbers

    def admit_segments(self, segments: Cells, base: Ints, names: Names, spec_of: SpecOf) -> bool:
        """Give numbers to new segment values, most frequent first; says whether there were any."""
        found: Counter[tuple[int, str, str]] = Counter()
        for group, key, _, values in _columns(segments, base, names):
            tokens = tokens_of(values)
            unique, first, counts = np.unique(tokens, return_index=True, return_counts=True)
            new = [bool(t) and _value_token(group, key, t) not in self._values for t in unique.tolist()]
            if self._full(group, key):
                self.cut_off["rows of other segment values"] += int(counts[new].sum())
                continue
            for at, count in zip(first[new].tolist(), counts[new].tolist(), strict=True):
                found[group, key, class_name(values, at, names)] += count
        before = len(self._values)
        for (group, key, value), count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
            if self._admit_key(group, key, spec_of):
                self._admit_value(group, key, value, count)
        return len(self._values) > before

    def members(self, segments: Cells, base: Ints, names: Names) -> tuple[Ints, Ints]:
        """(row, group) of every membership: each row's (model, version) first, then its segment values'."""
        rows = [np.flatnonzero(base >= 0).astype(np.int32)]
        groups: list[Ints] = [base[rows[0]]]
        for group, key, mine, values in _columns(segments, base, names):
            other = self._values.get(_value_token(group, key, class_token(OTHER_VALUE)), -1)
            tokens, inverse = distinct(tokens_of(values))
            numbers = [self._values.get(_value_token(group, key, t), other) if t else -1 for t in tokens.tolist()]
            number = np.array(numbers, np.int32)[inverse]
            rows.append(mine[number >= 0].astype(np.int32))
            groups.append(number[number >= 0])
        return np.concatenate(rows), np.concatenate(groups)

    def retire(self, base: int) -> frozenset[int]:
        """Free a (model, version) with its segments; returns the numbers that are free now."""
        gone = np.flatnonzero(self.base == base).tolist()
        key = self.keys[base]
        self._versions[key.model].discard(key.version)
        if not self._versions[key.model]:
            del self._versions[key.model]
        for number in gone:
            self._forget(number, base)
            heappush(self._free, number)
        self.base[gone] = -1
        return frozenset(gone)

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        keys = [[key.model, key.version, key.segment, key.value] for key in self.keys]
        return {"keys": keys, "base": self.base, "cut_off": dict(self.cut_off)}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `to_state` described."""
        self.keys = [GroupKey(*key) for key in state["keys"]]
        self._base = state["base"]
        self.cut_off = Counter(state["cut_off"])
        self._free = np.flatnonzero(self.base < 0).tolist()
        self._versions = {}
        for number in np.flatnonzero(self.base == np.arange(len(self.base))).tolist():
            self._versions.setdefault(self.keys[number].model, set()).add(self.keys[number].version)
        self._index()

    def _full(self, base: int, key: str) -> bool:
        """Has a segment key all the values that it may have, and one for the others?"""
        other = _value_token(base, key, class_token(OTHER_VALUE)) in self._values
        return other and self._value_counts[base, key] >= self._limits.segment_values

    def _forget(self, number: int, base: int) -> None:
        """Strike out a group's names."""
        key, self.keys[number] = self.keys[number], GroupKey("", "")
        if number == base:
            del self._bases[mix_one(text_hash(key.model), text_hash(key.version))]
            self._segment_keys.pop(base, None)
        else:
            del self._values[_value_token(base, key.segment, class_token(key.value))]
            self._value_counts.pop((base, key.segment), None)

    def _index(self) -> None:
        self._bases, self._values, self._segment_keys = {}, {}, {}
        self._value_counts = Counter()
        for number, key in enumerate(self.keys):
            base = int(self.base[number])
            if base == number:
                self._bases[mix_one(text_hash(key.model), text_hash(key.version))] = number
            elif base >= 0:
                self._values[_value_token(base, key.segment, class_token(key.value))] = number
                self._segment_keys.setdefault(base, set()).add(key.segment)
                self._value_counts[base, key.segment] += key.value != OTHER_VALUE

    def _admit_version(self, model: str, version: str, token: int) -> int | None:
        if model not in self._versions and len(self._versions) >= self._limits.models:
            self.cut_off["models"] += 1
            return None
        if len(self._bases) >= self._limits.groups or len(self.versions(model)) >= self._limits.versions:
            self.cut_off["versions"] += 1
            return None
        versions = self._versions.setdefault(model, set())
        number = self._new(GroupKey(model, version), None)
        versions.add(version)
        self._bases[token] = number
        return number

    def _admit_key(self, base: int, key: str, spec_of: SpecOf) -> bool:
        wanted = spec_of(self.keys[base].model).segments
        if wanted is not None:
            return key in wanted
        keys = self._segment_keys.setdefault(base, set())
        if key not in keys and len(keys) >= self._limits.segment_keys:
            self.cut_off["segment keys"] += 1
            return False
        keys.add(key)
        return True

    def _admit_value(self, base: int, key: str, value: str, count: int) -> None:
        room = len(self._values) < self._limits.groups
        full = not room or self._value_counts[base, key] >= self._limits.segment_values
        if full:
            self.cut_off["rows of other segment values"] += count
            value = OTHER_VALUE
        token = _value_token(base, key, class_token(value))
        if token not in self._values and room:
            self._value_counts[base, key] += not full
            self._values[token] = self._new(GroupKey(self.keys[base].model, self.keys[base].version, key, value), base)

    def _new(self, key: GroupKey, base: int | None) -> int:
        if self._free:
            number = heappop(self._free)
            self.keys[number] = key
        else:
            number = len(self.keys)
            self.keys.append(key)
            if number >= len(self._base):
                self._base = np.concatenate([self._base, np.full(max(64, number), -1, np.int32)])
        self.base[number] = number if base is None else base
        return number


def _value_token(base: int, key: str, token: int) -> int:
    return mix_one(mix_one(text_hash(key), base), token)


def _columns(segments: Cells, base: Ints, names: Names) -> Iterator[tuple[int, str, Index, Scalars]]:
    """(group, key, rows, their values) for each (model, version) and segment key that occurs."""
    wide = np.flatnonzero((segments.size > 0) & (base >= 0))
    for _, part in runs_by(mix(segments.layout[wide], base[wide].astype(np.uint64))):
        rows = wide[part]
        for place, key in enumerate(names.layouts.get(int(segments.layout[rows[0]]), ())):
            yield int(base[rows[0]]), key, rows, segments.values.take(segments.start[rows] + place)
