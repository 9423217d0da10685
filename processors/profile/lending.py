"""Has a new version's feature begun where no other version of the model has ever seen it? Then it is lent their bins.

A version gets its bins from its own first rows. If these came in another unit already, or spelt in another way, its
bins say that this is how it should be, and nothing is wrong with it for ever. So a feature is compared, once, when it
gets its bins, with what it is in every version that had its own before this one began. It is a stranger if in each

- at least half of its values are far out of range, by more than the range is wide;
- or nearly all are out of range on the same side;
- or nearly all are in one interval, on a scale of less than a tenth, where the other had a twentieth of its values, or
  just one value that most of these are not;
- or at least half are categories that the other, which knew nearly all of its own by name, has not, or of another type.

A stranger gets the bins of the version whose own are the latest, and monitors judge it by that one's reference: what
is wrong shows in the readings that tell of any other fault, recovers by their tests, and an operator may accept it.
What goes by time (a clock, a counter, a batch that is sorted) lies elsewhere whenever a version begins: never lent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from processors.kernels import binning
from processors.profile.tokens import class_name, tokens_of
from processors.rows import MISSING, TEXT, Bools, Floats, Ints, Names, Scalars

if TYPE_CHECKING:
    from processors.profile.series import Series

_FEWEST = 50
"""Values from which it is told what a feature is like."""
_HALF, NEARLY_ALL = 0.5, 0.9
_INTERVALS = 20
"""A series with so many has even shares of its first values in them."""
_CRAMMED = 0.1
_INDEPENDENT = 0.5
"""Mean squared step from one value's rank to the next, beside that of independent draws: less goes by time."""
_NAMED, _LONGEST = 3, 40
"""Categories that are named, and letters of each."""


@dataclass(frozen=True, slots=True)
class Loan:
    """What is known of a series that has the bins of another: the same feature of another version."""

    lender: int
    """Number of the other series; its own once that one has other bins, or is gone."""
    sends: str
    """What its first rows had, for people: `1200 to 90000`."""
    usual: str
    """What the other versions had."""
    since: int
    until: int
    """Of the first rows."""

    def at_birth(self, since: int) -> bool:
        """Is what began at `since`, as judged, the fault that it was born with? Judged it is only after `until`."""
        return since <= 2 * self.until - self.since

    def words(self) -> str:
        """What is strange about it."""
        return f"from its first value on this version has sent {self.sends}, where all others had {self.usual}"


class Loans:
    """Which series have the bins of another, and which must never: an operator accepted what they are."""

    def __init__(self) -> None:
        self.of: dict[int, Loan] = {}
        self.accepted: set[int] = set()
        self.named: set[int] = set()
        """Series with more categories than bins, of which nearly all rows have one that has."""

    def accept(self, numbers: Iterable[int]) -> None:
        """Let these have bins of their own from now on, whatever other versions have."""
        self.forget(numbers)
        self.accepted.update(numbers)

    def forget(self, numbers: Iterable[int]) -> None:
        """These have no bins any more. What others have of them stays with those."""
        gone = set(numbers)
        self.accepted -= gone
        self.named -= gone
        self.of = {
            number: replace(loan, lender=number) if loan.lender in gone else loan
            for number, loan in self.of.items()
            if number not in gone
        }

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        loans = {str(number): list(astuple(loan)) for number, loan in sorted(self.of.items())}
        return {"of": loans, "accepted": sorted(self.accepted), "named": sorted(self.named)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Loans:
        """What `to_state` described."""
        loans = cls()
        loans.of = {int(number): Loan(*loan) for number, loan in state["of"].items()}
        loans.accepted, loans.named = set(state["accepted"]), set(state["named"])
        return loans


def lend(series: Series, number: int, sample: Scalars, names: Names, others: Sequence[int], *, since: int) -> None:
    """Give a series that was sealed from `sample` another's bins, if it is a stranger to the `others` of its feature.

    `since` is when its version began; who got bins later than that knows no better.
    """
    kinds = (binning.NUMERIC, binning.CATEGORICAL)
    others = [other for other in others if series.type[other] in kinds and series.since[other] < since]
    given = sample.take(np.flatnonzero(sample.kind != MISSING))
    judged = series.type[number] in kinds and not series.turning[number] and number not in series.loans.accepted
    if not others or not judged or len(given) < _FEWEST:
        return
    if _goes_by_time(given) or not all(_stranger(series, other, given) for other in others):
        return
    lender = max(others, key=lambda other: (other not in series.loans.of, series.since[other], other))
    of_texts = series.type[number] == binning.CATEGORICAL or _mostly_texts(given)
    sends = _most_frequent(given, names) if of_texts else _range(given.numbers())
    loan = Loan(lender, sends, _usual(series, lender, others), since, int(series.since[number]))
    series.lend(number, loan)


def _stranger(series: Series, other: int, given: Scalars) -> bool:
    """Are these values none that the other series has seen?"""
    if series.turning[other]:
        return False
    count = int(series.bins[other])
    if series.type[other] == binning.CATEGORICAL:
        known = np.isin(tokens_of(given), series.vocabulary[other, :count])
        settled = count < series.most_categories or other in series.loans.named
        return settled and float((~known).mean()) >= _HALF
    numbers = given.numbers()
    numbers = numbers[np.isfinite(numbers)]
    edges, upper = series.edges[other, :count], float(series.upper[other])
    if _mostly_texts(given) or edges[0] == upper or len(numbers) < _FEWEST:
        return _mostly_texts(given)
    return _far(numbers, edges, upper)


def _mostly_texts(given: Scalars) -> bool:
    return bool((given.kind == TEXT).mean() >= _HALF)


def _far(numbers: Floats, edges: Floats, upper: float) -> bool:
    low, wide = float(edges[0]), upper - float(edges[0])
    far = (numbers < low - wide) | (numbers > upper + wide)
    beyond = max((numbers < low).mean(), (numbers > upper).mean())
    if far.mean() >= _HALF or beyond >= NEARLY_ALL:
        return True
    single = edges[-1] >= upper  # each value had an interval of its own
    if np.isin(numbers, edges).mean() > _HALF if single else len(edges) < _INTERVALS:
        return False
    at = np.maximum(np.searchsorted(edges, numbers, side="right") - 1, 0)  # what is beyond the ends is at the ends
    first, last = np.quantile(numbers, [0.05, 0.95], method="inverted_cdf")
    return bool(np.bincount(at).max() >= NEARLY_ALL * len(numbers) and last - first < _CRAMMED * (edges[-1] - edges[0]))


def _goes_by_time(given: Scalars) -> bool:
    """Does one value follow from the one before? Of ranks, so that no unit matters; texts are asked for turns only."""
    numbers = given.numbers()
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < _FEWEST:
        return False
    rank = np.unique(numbers, return_inverse=True)[1].astype(np.float64)
    return bool((np.diff(rank) ** 2).mean() < _INDEPENDENT * 2 * rank.var())


def _usual(series: Series, lender: int, others: Sequence[int]) -> str:
    if series.type[lender] == binning.CATEGORICAL:
        return _named(sorted(series.words[lender]))
    alike = [other for other in others if series.type[other] == binning.NUMERIC]
    return _range(np.concatenate([series.edges[alike, 0], series.upper[alike]]))


def _range(numbers: Floats) -> str:
    known = numbers[np.isfinite(numbers)]
    return f"{known.min():.6g} to {known.max():.6g}"


def _most_frequent(given: Scalars, names: Names) -> str:
    _, first, counts = np.unique(tokens_of(given), return_index=True, return_counts=True)
    words = [class_name(given, at, names) for at in first.tolist()]
    return _named([word for _, word in sorted(zip((-counts).tolist(), words, strict=True))])


def _named(words: Sequence[str]) -> str:
    short = [word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..." for word in words[:_NAMED]]
    return ", ".join(short) + (f" and {len(words) - _NAMED} more" if len(words) > _NAMED else "")


def lent(loans: Mapping[int, Loan], numbers: Ints) -> Bools:
    """Which of these series have the bins of another?"""
    return np.isin(numbers, list(loans)) if loans else np.zeros(len(numbers), np.bool_)


def pairs(loans: Mapping[int, Loan]) -> tuple[Ints, Ints]:
    """Numbers of the series that have the bins of another, ascending, and of these others."""
    numbers = sorted(loans)
    return np.array(numbers, np.int32), np.array([loans[number].lender for number in numbers], np.int32)
