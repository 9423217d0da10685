"""Numbers and bins for the series: each feature of each (model, version).

A series is sealed once: its type, edges or vocabulary are chosen from the version's first rows (or a reference's) and
stay for as long as the version lives, so that counts of different days can be compared. Numeric series get intervals
at the sample's quantiles, or one interval a value where there are few; categorical ones their most frequent values.

A version's first rows may be those of three minutes, and have seen nothing of the afternoon or of Sunday. So the range
of a number is widened by what comes just beyond it, pane by pane, until it has been wide enough for a week, which a
counter's never is; what is further off is out of range.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any

import numpy as np

from processors.durations import DAY_US
from processors.kernels import binning
from processors.profile.lending import NEARLY_ALL, Loan, Loans
from processors.profile.limits import Limits
from processors.profile.slots import Slots
from processors.profile.tokens import class_name, mix, runs_by, tokens_of
from processors.rows import MISSING, TEXT, Bools, Cells, Floats, Ints, Longs, Names, Scalars
from processors.slices import Located

MOST_CATEGORIES = binning.WIDTH - binning.REGULAR
INTERVALS = 20
_RESERVED = ("missing", "wrong type", "below range", "above range")
FRESH_US = 7 * DAY_US
_JUST_BEYOND = 0.1
"""How far that is, as a share of the range; and half of the outermost interval at most: amounts that all turn negative
are near the least of them, as seen from the greatest."""
_COLUMNS = ("group", "type", "bins", "upper", "edges", "vocabulary", "since", "fresh", "turning")
_GOES_ON = 0.98
"""Correlation of values' ranks with their places from which on a sample only rises, or only falls."""
_FEW_TURNS = 0.4
"""See `detectors.turns`, which goes on to count them."""

_NO_CELLS = Located(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))


class Series:
    """The series axis. A number stands for one series until `retire`; then it is given again."""

    def __init__(self, limits: Limits) -> None:
        self.group = np.zeros(0, np.int32)
        self.feature: list[str] = []
        self.type = np.zeros(0, np.uint8)
        self.bins = np.zeros(0, np.int32)
        self.upper = np.zeros(0, np.float64)
        self.edges = np.zeros((0, MOST_CATEGORIES), np.float64)
        self.vocabulary = np.zeros((0, MOST_CATEGORIES), np.uint64)
        self.since = np.zeros(0, np.int64)
        """When a series got its bins; 0: a reference gave it, or an older release."""
        self.fresh = np.zeros(0, np.int64)
        """When that was, or its range was widened last."""
        self.turning = np.zeros(0, np.bool_)
        """Whether a series took turns in its sample, or was constant, or went on and on: as clocks and counters do."""
        self.words: list[list[str]] = []
        """Of a categorical series, the categories in the order of its bins."""
        self.loans = Loans()
        self.cut_off: Counter[str] = Counter()
        self.most_categories = min(limits.categories, MOST_CATEGORIES)
        self._limits = limits
        self._of: dict[int, dict[str, int]] = {}
        self._slots = Slots(4 * limits.models)
        self._free: list[int] = []

    def of(self, base: int) -> Mapping[str, int]:
        """Numbers of the series of a (model, version), by feature name."""
        return self._of.get(base, {})

    def admit(self, cells: Cells, base: Ints, names: Names, types: Any) -> bool:
        """Give numbers to new features; `types(base)` gives configured types by name. Says whether there were any."""
        before = len(self.feature) - len(self._free)
        wide = np.flatnonzero((cells.size > 0) & (base >= 0))
        token = mix(cells.layout[wide], base[wide].astype(np.uint64))
        new = np.flatnonzero(self._slots.unknown(token))
        found: Counter[tuple[int, str]] = Counter()
        for _, part in runs_by(token[new]):
            row = wide[new[part[0]]]
            group, layout = int(base[row]), int(cells.layout[row])
            known = self.of(group)
            if len(known) >= self._limits.features:
                continue
            found.update({(group, name): len(part) for name in names.layouts[layout] if name not in known})
        for (group, name), _ in sorted(found.items(), key=lambda item: (-item[1], item[0])):
            self._admit(group, name, types(group).get(name))
        return len(self.feature) - len(self._free) > before

    def number(self, base: int, feature: str) -> int:
        """Number of a series that has no bins, admitted if need be; -1 beyond the limit."""
        known = self.of(base).get(feature)
        return self._admit(base, feature, "ignore") if known is None else known

    def unsealed(self, base: int) -> list[int]:
        """Numbers of a version's series that still await their sample, ascending."""
        return sorted(number for number in self.of(base).values() if self.type[number] == binning.UNSEALED)

    def awaited(self, groups: int) -> Bools:
        """Which (model, version)s have unsealed series? By group number, with a place more for the number -1."""
        mask = np.zeros(groups + 1, np.bool_)
        mask[self.group[(self.type == binning.UNSEALED) & (self.group >= 0)]] = True
        return mask

    def locate(self, cells: Cells, base: Ints, names: Names) -> Located:
        """Row, series, bin and value of every monitored cell, in row order."""
        if not len(cells.values):
            return _NO_CELLS
        slot_of_row, slot_start, slot_series = self._slot_table(cells, base, names)
        *columns, left_out = binning.locate(
            slot_of_row,
            base,
            cells.start,
            cells.size,
            cells.values.kind,
            cells.values.bits,
            cells.values.bits.view(np.float64),
            slot_start,
            slot_series,
            self.type,
            self.edges,
            self.upper,
            self.vocabulary,
            self.bins,
        )
        if left_out:
            self.cut_off["values of further features"] += left_out
        return Located(*columns)

    def widen(self, cells: Located, time: int) -> None:
        """Put numbers just beyond the range of a fresh series into its outermost intervals, which then reach there."""
        if not len(self.fresh) or self.fresh.max() <= time - FRESH_US:
            return
        beyond = np.flatnonzero((cells.bin == binning.BELOW) | (cells.bin == binning.ABOVE))
        series = cells.series[beyond]
        fresh = (self.type[series] == binning.NUMERIC) & (self.fresh[series] > time - FRESH_US)
        beyond, series = beyond[fresh], series[fresh]
        value, low, high = cells.value[beyond], self.edges[series, 0], self.upper[series]
        last = self.bins[series] - 1
        wide = _JUST_BEYOND * (high - low)
        down = np.minimum(wide, np.where(last > 0, self.edges[series, 1] - low, 0) / 2)
        up = np.minimum(wide, (high - self.edges[series, last]) / 2)
        below, above = (value < low) & (value >= low - down), (value > high) & (value <= high + up)
        np.minimum.at(self.edges[:, 0], series[below], value[below])
        np.maximum.at(self.upper, series[above], value[above])
        self.fresh[series[below | above]] = time
        cells.bin[beyond[below]] = binning.REGULAR
        cells.bin[beyond[above]] = binning.REGULAR + last[above]

    def seal(self, number: int, sample: Scalars, names: Names, configured: str | None, time: int) -> None:
        """Choose a series' type and bins from a sample of its values up to `time`. One without any value waits on."""
        self.since[number] = self.fresh[number] = time
        by_time = _takes_turns(sample) or _goes_on(sample)
        self.turning[number] = time > 0 and by_time  # of a reference's rows the order is nobody's
        texts = np.flatnonzero(sample.kind == TEXT)
        numbers = sample.numbers()
        numbers = numbers[np.isfinite(numbers)]
        if configured == "categorical" or (configured is None and len(texts) > len(numbers)):
            self._seal_categories(number, sample.take(np.flatnonzero(sample.kind != MISSING)), names)
        elif len(numbers):
            self._seal_intervals(number, numbers)

    def lend(self, number: int, loan: Loan) -> None:
        """Let a series have the bins that the same feature has in another version."""
        for column in (self.type, self.bins, self.upper, self.edges, self.vocabulary, self.fresh):
            column[number] = column[loan.lender]
        self.words[number] = list(self.words[loan.lender])
        self.loans.of[number] = loan

    def unseal(self, numbers: frozenset[int]) -> frozenset[int]:
        """Let series await a sample again, and have bins of their own; returns those that had bins."""
        self.loans.accept(numbers)
        sealed = [number for number in sorted(numbers) if self.type[number] in (binning.NUMERIC, binning.CATEGORICAL)]
        self.type[sealed] = binning.UNSEALED
        self.edges[sealed], self.vocabulary[sealed] = np.inf, 0
        return frozenset(sealed)

    def bin_name(self, number: int, place: int) -> str:
        """What a bin holds, for people: `missing`, `[1, 5)`, `CN`."""
        categorical = self.type[number] == binning.CATEGORICAL
        if place < binning.REGULAR:
            return "unseen category" if categorical and place == binning.UNSEEN else _RESERVED[place]
        place -= binning.REGULAR
        if categorical:
            return self.words[number][place]
        low = float(self.edges[number, place])
        last = place + 1 == self.bins[number]
        high = float(self.upper[number] if last else self.edges[number, place + 1])
        return f"{low:.6g}" if low == high else f"[{low:.6g}, {high:.6g}{']' if last else ')'}"

    def identity(self, base: int) -> str:
        """The name of a version's sealed coordinates: a hash of their content."""
        digest = hashlib.sha256()
        for feature, number in sorted(self.of(base).items()):
            digest.update(feature.encode("utf-8", "surrogatepass"))
            for column in (self.type, self.bins, self.upper, self.edges, self.vocabulary):
                digest.update(np.ascontiguousarray(column[number]).tobytes())
        return digest.hexdigest()[:12]

    def retire(self, base: int) -> frozenset[int]:
        """Free a version's series; returns the numbers that are free now."""
        gone = sorted(self._of.pop(base, {}).values(), reverse=True)
        self.group[gone] = -1
        for number in gone:
            self.words[number] = []
            heappush(self._free, number)
        self.loans.forget(gone)
        self._slots.forget(base)
        return frozenset(gone)

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        state |= {"feature": list(self.feature), "words": self.words, "cut_off": dict(self.cut_off)}
        return state | {"loans": self.loans.to_state()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `to_state` described."""
        for name in ("since", "fresh", "turning"):  # an older release did not keep these
            state = {name: np.zeros(len(state["group"]), getattr(self, name).dtype), **state}
        for name in (*_COLUMNS, "feature", "words"):
            setattr(self, name, state[name])
        self.cut_off = Counter(state["cut_off"])
        self.loans = Loans.from_state(state["loans"]) if "loans" in state else Loans()
        self._free = np.flatnonzero(self.group[: len(self.feature)] < 0).tolist()
        self._of, self._slots = {}, Slots(4 * self._limits.models)
        for number in np.flatnonzero(self.group >= 0).tolist():
            self._of.setdefault(int(self.group[number]), {})[self.feature[number]] = number

    def _admit(self, base: int, feature: str, configured: str | None) -> int:
        of = self._of.setdefault(base, {})
        if len(of) >= self._limits.features or len(self.feature) - len(self._free) >= self._limits.series:
            return -1
        number = self._new()
        self.group[number], self.feature[number], self.words[number] = base, feature, []
        self.type[number] = binning.IGNORED if configured == "ignore" else binning.UNSEALED
        self.bins[number], self.upper[number], self.turning[number] = 0, np.nan, False
        self.since[number] = self.fresh[number] = 0
        self.edges[number], self.vocabulary[number] = np.inf, 0
        of[feature] = number
        self._slots.forget(base)
        return number

    def _new(self) -> int:
        if self._free:
            return heappop(self._free)
        number = len(self.feature)
        self.feature.append("")
        self.words.append([])
        if number == len(self.group):
            for name in _COLUMNS:
                column = getattr(self, name)
                grown = np.zeros((max(64, 2 * number), *column.shape[1:]), column.dtype)
                grown[:number] = column
                setattr(self, name, grown)
            self.group[number:] = -1
        return number

    def _slot_table(self, cells: Cells, base: Ints, names: Names) -> tuple[Ints, Longs, Ints]:
        """For each row the number of its slots, where each slots begin, and all slots one after the other."""
        token = mix(cells.layout, base.astype(np.uint64))
        self._slots.trim()
        new = np.flatnonzero(self._slots.unknown(token))
        for one, part in runs_by(token[new]):
            row = new[part[0]]
            group, of = int(base[row]), self.of(int(base[row]))
            features = names.layouts[int(cells.layout[row])] if cells.size[row] else ()
            series = np.array([-1 if group < 0 else of.get(feature, -1) for feature in features], np.int32)
            self._slots.add(group, one, series)
        return self._slots.places(token), *self._slots.runs()

    def _seal_intervals(self, number: int, sample: Floats) -> None:
        distinct = np.unique(sample)
        if len(distinct) > INTERVALS:
            quantiles = np.quantile(sample, np.arange(INTERVALS) / INTERVALS, method="inverted_cdf")
            distinct = np.unique(quantiles)
        self.type[number], self.bins[number], self.upper[number] = binning.NUMERIC, len(distinct), sample.max()
        self.edges[number, : len(distinct)] = distinct

    def _seal_categories(self, number: int, sample: Scalars, names: Names) -> None:
        tokens, first, counts = np.unique(tokens_of(sample), return_index=True, return_counts=True)
        named = [
            (-count, class_name(sample, at, names), token)
            for token, at, count in zip(tokens.tolist(), first.tolist(), counts.tolist(), strict=True)
        ]
        chosen = sorted((token, word) for _, word, token in sorted(named)[: self.most_categories])
        if chosen:
            self.type[number], self.bins[number] = binning.CATEGORICAL, len(chosen)
            self.vocabulary[number, : len(chosen)] = [token for token, _ in chosen]
            self.words[number] = [word for _, word in chosen]
            rest = counts[~np.isin(tokens, self.vocabulary[number])].sum()
            if 0 < rest <= (1 - NEARLY_ALL) * len(sample):
                self.loans.named.add(number)


def _takes_turns(sample: Scalars) -> bool:
    """Turns are counted beside the rows that are not at home, at the value of most rows: independent rows have more."""
    tokens = tokens_of(sample)
    if not len(tokens):
        return False
    away = len(tokens) - np.unique(tokens, return_counts=True)[1].max()
    return bool(np.count_nonzero(tokens[1:] != tokens[:-1]) <= _FEW_TURNS * away)


def _goes_on(sample: Scalars) -> bool:
    """Do numbers rise from the first to the last, or fall, but for the order in which partitions come?"""
    numbers = sample.numbers()
    rank = np.unique(numbers[np.isfinite(numbers)], return_inverse=True)[1]
    return len(rank) > 1 and bool(rank.any()) and abs(float(np.corrcoef(rank, np.arange(len(rank)))[0, 1])) >= _GOES_ON
