"""The two sides of features: the arithmetic over all partners at once against a loop over them."""

import numpy as np
import pytest

from processors.drift import views
from processors.kernels.binning import REGULAR, WIDTH
from processors.rows import Bools, Bytes, Floats


def sample(seed: int) -> tuple[Bytes, Bools]:
    """Bins of features that depend on a common cause, more or less, with missing values; and which are numeric."""
    rng = np.random.default_rng(seed)
    rows, features = int(rng.integers(2, 600)), int(rng.integers(1, 12))
    cause = rng.normal(size=(rows, 1)) * rng.normal(size=features)
    bins = np.clip(14 + 6 * (cause + rng.normal(size=(rows, features)) * rng.random()), 0, WIDTH - 1).astype(np.uint8)
    bins[rng.random(bins.shape) < 0.05] = 0
    return bins, rng.random(features) < 0.7


def looped(bins: Bytes, numeric: Bools) -> views.Views:
    """What `choose` says, feature by feature, partner by partner, bin by bin."""
    found = [first(bins[:, at].tolist(), bool(numeric[at])) for at in range(bins.shape[1])]
    sides = [[found[at][b] for b in bins[:, at].tolist()] for at in range(bins.shape[1])]
    for at in range(len(found)):
        column = bins[:, at].tolist()
        others = [partner for partner in range(len(found)) if partner != at]
        odd = range(1, len(column), 2)
        most = max((abs(agreement(picked(sides[at], odd), picked(sides[p], odd))) for p in others), default=0.0)
        wanted = most + 0.1
        for partner in others:
            even = range(0, len(column), 2)
            view = by_partner(picked(column, even), picked(sides[partner], even))
            gain = abs(agreement([view[column[row]] for row in odd], picked(sides[partner], odd)))
            if gain > wanted:
                found[at], wanted = by_partner(column, sides[partner]), gain
        sides[at] = [found[at][b] for b in column]
    return np.array(found, np.int8)


def picked(values: list[int], rows: range) -> list[int]:
    """The values of some rows."""
    return [values[row] for row in rows]


def first(column: list[int], numeric: bool) -> list[int]:
    """The upper half, or the most frequent category."""
    counts = [column.count(b) if b >= REGULAR else 0 for b in range(WIDTH)]
    if numeric:
        up = [sum(counts[:b]) + counts[b] / 2 > sum(counts) / 2 for b in range(WIDTH)]
    else:
        up = [b == counts.index(max(counts)) for b in range(WIDTH)]
    return [0 if b < REGULAR else 1 if up[b] else -1 for b in range(WIDTH)]


def agreement(a: list[int], b: list[int]) -> float:
    """Covariance of two columns of sides."""
    both = max(sum(x != 0 and y != 0 for x, y in zip(a, b, strict=True)), 1)
    means = [sum(side) / max(sum(map(abs, side)), 1) for side in (a, b)]
    return sum(x * y for x, y in zip(a, b, strict=True)) / both - means[0] * means[1]


def by_partner(column: list[int], other: list[int]) -> list[int]:
    """Up go bins of five rows or more in which the other is more often up than elsewhere."""
    known = [(b, side) for b, side in zip(column, other, strict=True) if side and b >= REGULAR]
    share = sum(side for _, side in known) / max(len(known), 1)
    view = []
    for b in range(WIDTH):
        sides = [side for at, side in known if at == b]
        up = sum(sides) - len(sides) * share > 0 and len(sides) >= 5
        view.append(0 if b < REGULAR else 1 if up else -1)
    return view


@pytest.mark.parametrize("seed", range(12))
def test_all_partners_at_once_are_as_one_after_the_other(seed: int) -> None:
    """To the bit: what is added are whole numbers."""
    bins, numeric = sample(seed)
    assert np.array_equal(views.choose(bins, numeric), looped(bins, numeric))


def test_a_feature_is_divided_by_the_partner_that_tells_most_of_it() -> None:
    """Extremes on one side, the middle on the other, where the partner is up at both ends."""
    rng = np.random.default_rng(0)
    middle = rng.integers(REGULAR, WIDTH, 2_000)
    ends: Floats = np.abs(middle - np.mean([REGULAR, WIDTH - 1]))
    bins = np.stack([middle, np.where(ends > np.median(ends), WIDTH - 1, REGULAR)], axis=1).astype(np.uint8)
    view = views.choose(bins, np.array([True, True]))[0]
    assert (view[REGULAR], view[(REGULAR + WIDTH) // 2], view[WIDTH - 1]) == (1, -1, 1)
