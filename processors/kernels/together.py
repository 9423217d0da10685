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
    pairs = features * (features - 1) // 2
    agree, both = np.zeros((versions, pairs + features), np.int64), np.zeros((versions, pairs + features), np.int64)
    up, seen = np.zeros((versions, features), np.int64), np.zeros((versions, features), np.int64)
    # Rows of a version are bits of words that follow each other, so that two features are compared 64 rows at a time.
    bit, begin = np.empty(len(version), np.int64), np.zeros(versions + 1, np.int64)
    count = np.zeros(versions, np.int64)
    for at in range(len(version)):
        if version[at] >= 0:
            bit[at] = count[version[at]]
            count[version[at]] += 1
    for mine in range(versions):
        begin[mine + 1] = begin[mine] + (count[mine] + 63) // 64
    upper, known = np.zeros((features, begin[-1]), np.uint64), np.zeros((features, begin[-1]), np.uint64)
    binned, sides = np.zeros((len(version), features), np.uint8), np.zeros((len(version), features), np.int8)
    for cell in range(len(row)):
        mine = version[row[cell]]
        if mine >= 0 and series[cell] < len(place) and place[series[cell]] >= 0:
            one, own = place[series[cell]], side[series[cell], bins[cell]]
            binned[row[cell], one], sides[row[cell], one] = bins[cell], own
            word, mask = begin[mine] + bit[row[cell]] // 64, np.uint64(1) << np.uint64(bit[row[cell]] % 64)
            if own != 0:
                known[one, word] |= mask
            if own > 0:
                upper[one, word] |= mask
    for at in range(len(version)):
        mine = version[at]
        if mine < 0:
            continue
        for one in range(features):
            own = sides[at, one]
            if own != 0:
                told = np.float32(0)
                for turn in range(partners):
                    told += weight[mine, one, turn, binned[at, partner[mine, one, turn]]]
                agree[mine, pairs + one] += own if told > bar[mine, one] else -own
                both[mine, pairs + one] += 1
                up[mine, one] += own
                seen[mine, one] += 1
    for mine in range(versions):
        pair = 0
        for one in range(features):
            for other in range(one + 1, features):
                for word in range(begin[mine], begin[mine + 1]):
                    shared = known[one, word] & known[other, word]
                    both[mine, pair] += _ones(shared)
                    agree[mine, pair] -= 2 * _ones(shared & (upper[one, word] ^ upper[other, word]))
                agree[mine, pair] += both[mine, pair]
                pair += 1
    return agree, both, up, seen


@njit(cache=True)
def _ones(word: Any) -> Any:
    """How many bits are set (Warren, Hacker's Delight, 5-1)."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
