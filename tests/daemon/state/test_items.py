"""Items lie in pages: what did not change is not written again, and what is read is what was put."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.state import Store
from daemon.state.items import PAGE
from processors.packing import pack, parts

SIZES = st.sampled_from([0, 1, 7, PAGE // 8 - 1, PAGE // 8, PAGE // 8 + 1, PAGE, 3 * PAGE])


def tree(sizes: list[int]) -> dict[str, Any]:
    """A tree of arrays of so many numbers, most of them many pages long."""
    return {str(place): np.arange(size, dtype=np.float64) for place, size in enumerate(sizes)}


def stored(store: Store, name: str, value: Any) -> int:
    """Commit an item; returns how many bytes of it were written."""
    with store.commit() as commit:
        commit.put(name, parts(value))
    return commit.size


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(SIZES, max_size=4), min_size=1, max_size=4), st.booleans())
def test_what_is_read_is_what_was_put_last(tmp_path: Path, puts: list[list[int]], reopened: bool) -> None:
    """However an item grows, shrinks or is cut, and whether or not the store knew what the file held."""
    with Store.open(tmp_path) as store:
        for sizes in puts:
            stored(store, "item", tree(sizes))
        if not reopened:
            assert store.load().items["item"] == pack(tree(puts[-1]))
    with Store.open(tmp_path) as store:
        assert store.load().items["item"] == pack(tree(puts[-1]))
        stored(store, "item", tree(puts[0]))
        assert store.load().items["item"] == pack(tree(puts[0]))
    with Store.open(tmp_path) as store:
        stored(store, "item", tree(puts[-1]))
        assert store.load().items["item"] == pack(tree(puts[-1]))


def test_only_pages_that_changed_are_written(tmp_path: Path) -> None:
    """One number changed in a large state is one page; nothing changed is nothing."""
    value = tree([100_000, 100_000])
    with Store.open(tmp_path) as store:
        assert stored(store, "item", value) > 1_600_000
        assert stored(store, "item", value) == 0
        value["1"][50_000] = -1
        assert stored(store, "item", value) == PAGE
        value["0"] = np.append(value["0"], 7.0)
        assert stored(store, "item", value) < 3 * PAGE, "an array that grows moves no other"
        assert store.load().items["item"] == pack(value)


def test_an_item_that_is_gone_leaves_no_pages(tmp_path: Path) -> None:
    """And one of the same name that comes later is not mixed with it."""
    with Store.open(tmp_path) as store:
        stored(store, "item", tree([100_000]))
        with store.commit() as commit:
            commit.delete("item")
        assert list(store.rows("SELECT * FROM pages")) == []
        stored(store, "item", tree([10]))
        assert store.load().items["item"] == pack(tree([10]))


def test_what_is_written_behind_is_as_it_was_when_it_was_noted(tmp_path: Path) -> None:
    """The loop may change its arrays while a commit is being written; whoever reads waits for it."""
    value = tree([1_000_000])
    with Store.open(tmp_path) as store:
        commit = store.stage()
        commit.put("item", parts(value))
        expected = pack(value)
        store.write_behind(commit)
        value["0"][:] = -1
        assert store.load().items["item"] == expected
        assert store.written(0.0)
