"""What one start noted of kernels is taken by the next one, unless it is not of the same program."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from daemon import called_kernels
from processors.kernels.hashing import numbered


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the note is: a place of the test's own, so that no daemon of another test meets what is wrong with it."""
    place = tmp_path / "called.pickle"
    monkeypatch.setattr(called_kernels, "_note", lambda: place)
    return place


def test_what_was_noted_is_loaded(noted: Path) -> None:
    """With the types of its columns, so that the first call finds it."""
    signature = numbered_with(np.zeros(3, np.uint64))
    noted.write_bytes(pickle.dumps((called_kernels._sources(), [(numbered.__module__, "numbered", signature)])))
    assert called_kernels.load()
    assert signature in numbered.overloads


def test_without_a_note_nothing_is_loaded(noted: Path) -> None:
    """Then the kernels are called."""
    assert not noted.exists()
    assert not called_kernels.load()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"torn",
        pickle.dumps(("other sources", [])),
        pickle.dumps((called_kernels._sources(), [("processors.kernels.hashing", "gone", ())])),
    ],
)
def test_a_note_that_is_torn_or_of_other_sources_is_none(noted: Path, content: bytes) -> None:
    """A changed source may call a kernel with other columns; a full disk may cut the note off."""
    noted.write_bytes(content)
    assert not called_kernels.load()


def test_nothing_is_noted_where_nothing_can_be_written(
    noted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image may be read-only: its starts call the kernels, as the first one did."""
    monkeypatch.setattr(called_kernels, "_note", lambda: tmp_path / "nowhere" / "called.pickle")
    called_kernels.note()
    assert not called_kernels.load()


def numbered_with(column: object) -> tuple[object, ...]:
    """The signature under which numba knows a call."""
    numbered(column)
    return numbered.signatures[-1]
