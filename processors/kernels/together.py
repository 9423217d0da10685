"""On which side is each feature of each row, where do its fellows tell it, and which features are on the same one?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def together(
    row: Any, series: Any, bins: Any, version: Any, place: Any, side: Any, partner: Any, weight: Any, bar: Any
) -> Any:
    """(agree, both, up, seen): of each version and each two features, in rows where both are known, the sum of the
    products of their sides and the number of these rows; the same of each feature with the side that it is told to be
    on; and of each feature the sum of its sides and in how many rows it is known.

    A cell is in `row`, of `series`, in a bin; cells of a row stand in any order. `version[row]` numbers the versions
    from 0, -1 is none. `place[series]` is its feature among the F of its version, -1 none, `side[series, bin]` 1, -1,
    or 0 for neither. A feature is told to be on its upper side if the sum of `weight` (versions, F, P, 32) in the bins
    of its P partners (versions, F, P) is above its `bar` (versions, F). Returns int64: (versions, F (F - 1) / 2 + F)
    twice, pairs in the order of `np.triu_indices(F, 1)`, and (versions, F) twice.
    """
    versions, features, partners = partner.shape
    watched = features * (features - 1) // 2 + features
    agree, both = np.zeros((versions, watched), np.int64), np.zeros((versions, watched), np.int64)
    up, seen = np.zeros((versions, features), np.int64), np.zeros((versions, features), np.int64)
    binned = np.zeros((len(version), features), np.uint8)
    sides = np.zeros((len(version), features), np.int64)
    for cell in range(len(row)):
        if version[row[cell]] >= 0 and series[cell] < len(place) and place[series[cell]] >= 0:
            binned[row[cell], place[series[cell]]] = bins[cell]
            sides[row[cell], place[series[cell]]] = side[series[cell], bins[cell]]
    for at in range(len(version)):
        mine = version[at]
        if mine < 0:
            continue
        own, pair = sides[at], 0
        for one in range(features):
            rest = features - one - 1
            if own[one] != 0:
                up[mine, one] += own[one]
                seen[mine, one] += 1
                told = np.float32(0)
                for turn in range(partners):
                    told += weight[mine, one, turn, binned[at, partner[mine, one, turn]]]
                alone = watched - features + one
                agree[mine, alone] += own[one] if told > bar[mine, one] else -own[one]
                both[mine, alone] += 1
                for other in range(rest):
                    theirs = own[one + 1 + other]
                    agree[mine, pair + other] += own[one] * theirs
                    both[mine, pair + other] += abs(theirs)
            pair += rest
    return agree, both, up, seen
