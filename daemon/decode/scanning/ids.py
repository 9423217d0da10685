"""Ids of events and their keys, by a compiled loop: no Python object is made of an id that nobody asks to see.

Keys are XXH3 with 64 bits, seeded with the model's hash, of ids of ordinary length; as the library `xxhash` has them.
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from daemon.decode.scanning.compiling import compiled, inlined
from processors.rows import Bytes, Hashes, Longs, Strings

LONGEST = 64
"""Bytes of an id that is held as bytes: one column has one width."""

_SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
        "b8084674f743248ee03590e6813a264c"
    ),
    "<u8",
)
"""The first words of the secret that every implementation has."""
_PRIME_1 = np.uint64(0x9E3779B185EBCA87)
_PRIME_2, _PRIME_3 = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_MIX, _AVALANCHE = np.uint64(0x9FB21C651E98DF25), np.uint64(0x165667919E3779F9)
_LOW = np.uint64(0xFFFFFFFF)


def read(data: Bytes, begin: Longs, end: Longs, seed: Hashes) -> tuple[Strings, Hashes]:
    """(ids, keys) of what stands there, in UTF-8: ids as bytes of one width, or as texts where any is long."""
    longest = int((end - begin).max(initial=0))
    keys = np.empty(len(begin), np.uint64)
    if longest > LONGEST:
        found = [data[a:b].tobytes() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
        keys[:] = list(map(xxh3_64_intdigest, found, seed.tolist()))
        texts = np.empty(len(found), object)
        texts[:] = list(map(bytes.decode, found))
        return texts, keys
    ids = np.zeros((len(begin), max(longest, 1)), np.uint8)
    cut(data, begin, end, seed, ids, keys)
    return ids.view(f"S{ids.shape[1]}").reshape(-1), keys


@compiled
def cut(data: Any, begin: Any, end: Any, seed: Any, ids: Any, keys: Any) -> None:
    """Fill `ids` (uint8, a row each) and `keys` with the ids data[begin:end] of 1 to 64 bytes."""
    for row in range(len(begin)):
        first, size = begin[row], end[row] - begin[row]
        for place in range(size):
            ids[row, place] = data[first + place]
        keys[row] = _key(data, first, size, seed[row])


@inlined
def _key(data: Any, at: int, size: int, seed: Any) -> Any:
    length = np.uint64(size)
    if size > 16:
        sums = length * _PRIME_1
        if size > 32:
            sums += _mix16(data, at + 16, 4, seed) + _mix16(data, at + size - 32, 6, seed)
        sums += _mix16(data, at, 0, seed) + _mix16(data, at + size - 16, 2, seed)
        return _avalanche(sums)
    if size > 8:
        low = _word(data, at, 8) ^ ((_SECRET[3] ^ _SECRET[4]) + seed)
        high = _word(data, at + size - 8, 8) ^ ((_SECRET[5] ^ _SECRET[6]) - seed)
        return _avalanche(length + _swapped(low) + high + _folded(low, high))
    if size > 3:
        turned = seed ^ (_swapped(seed & _LOW))
        both = _word(data, at + size - 4, 4) + (_word(data, at, 4) << np.uint64(32))
        mixed = both ^ ((_SECRET[1] ^ _SECRET[2]) - turned)
        mixed ^= _turned(mixed, np.uint64(49)) ^ _turned(mixed, np.uint64(24))
        mixed *= _MIX
        mixed = (mixed ^ ((mixed >> np.uint64(35)) + length)) * _MIX
        return mixed ^ (mixed >> np.uint64(28))
    letters = np.uint64(data[at]) << np.uint64(16) | np.uint64(data[at + (size >> 1)]) << np.uint64(24)
    mixed = letters | np.uint64(data[at + size - 1]) | length << np.uint64(8)
    mixed ^= ((_SECRET[0] & _LOW) ^ (_SECRET[0] >> np.uint64(32))) + seed
    mixed = (mixed ^ (mixed >> np.uint64(33))) * _PRIME_2
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _PRIME_3
    return mixed ^ (mixed >> np.uint64(32))


@inlined
def _mix16(data: Any, at: int, secret: int, seed: Any) -> Any:
    return _folded(_word(data, at, 8) ^ (_SECRET[secret] + seed), _word(data, at + 8, 8) ^ (_SECRET[secret + 1] - seed))


@inlined
def _word(data: Any, at: int, size: int) -> Any:
    """So many bytes from there, the first the lowest."""
    word = np.uint64(0)
    for place in range(size):
        word |= np.uint64(data[at + place]) << np.uint64(8 * place)
    return word


@inlined
def _folded(a: Any, b: Any) -> Any:
    """The two halves of the product of 128 bits, the one over the other."""
    half = np.uint64(32)
    low, across = (a & _LOW) * (b & _LOW), (a >> half) * (b & _LOW)
    other, high = (a & _LOW) * (b >> half), (a >> half) * (b >> half)
    carried = (low >> half) + (across & _LOW) + other
    return (carried << half | low & _LOW) ^ ((across >> half) + (carried >> half) + high)


@inlined
def _swapped(word: Any) -> Any:
    """The bytes from the last to the first."""
    turned = np.uint64(0)
    for place in range(8):
        turned |= (word >> np.uint64(8 * place) & np.uint64(0xFF)) << np.uint64(56 - 8 * place)
    return turned


@inlined
def _turned(word: Any, by: Any) -> Any:
    return word << by | word >> (np.uint64(64) - by)


@inlined
def _avalanche(word: Any) -> Any:
    word = (word ^ (word >> np.uint64(37))) * _AVALANCHE
    return word ^ (word >> np.uint64(32))
