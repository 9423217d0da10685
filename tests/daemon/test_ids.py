"""Ids and keys by a compiled loop: what Python's `bytes.decode` and the library `xxhash` make of the same bytes."""

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from daemon.decode.scanning import ids
from processors import packing
from processors.rows import read_texts

SEEDS = st.sampled_from([0, 1, 2**32, 2**64 - 1]) | st.integers(0, 2**64 - 1)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=70)


@given(st.lists(st.tuples(TEXTS, SEEDS), min_size=1, max_size=40))
def test_they_are_what_the_libraries_make_of_them(sent: list[tuple[str, int]]) -> None:
    """Of every length, whether they are held as bytes or, where one of them is long, as texts."""
    spelt = [text.encode() for text, _ in sent]
    found, keys = read(spelt, [seed for _, seed in sent])
    assert read_texts(found) == [text for text, _ in sent]
    assert keys.tolist() == [xxh3_64_intdigest(text, seed) for text, (_, seed) in zip(spelt, sent, strict=True)]
    assert (found.dtype.kind == "S") == (max(map(len, spelt)) <= ids.LONGEST)


def test_each_length_has_the_key_of_the_library() -> None:
    """Each goes a way of its own in XXH3."""
    spelt = [bytes(range(33, 33 + size)) for size in range(1, ids.LONGEST + 1)]
    seeds = [0x9E3779B97F4A7C15 * size % 2**64 for size in range(len(spelt))]
    assert read(spelt, seeds)[1].tolist() == list(map(xxh3_64_intdigest, spelt, seeds))


def test_bytes_beside_texts_are_read_and_kept_as_texts() -> None:
    """Batches that were read in different ways come together in one column, and in the state."""
    found, _ = read([b"a-1", "ä-2".encode()], [0, 0])
    column = np.concatenate([found, np.array(["b", ""], object)])
    assert read_texts(column) == ["a-1", "ä-2", "b", ""]
    for each in (column, found):
        assert read_texts(packing.unpack(packing.pack(each))) == read_texts(each)


def read(spelt: list[bytes], seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """These ids, one after the other in a buffer."""
    end = np.array(list(accumulate(map(len, spelt))), np.int64)
    begin = end - np.array(list(map(len, spelt)), np.int64)
    return ids.read(np.frombuffer(b"".join(spelt), np.uint8), begin, end, np.array(seeds, np.uint64))
