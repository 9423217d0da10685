"""Files that are whole or not there, and their owner's."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from daemon import private


def test_it_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    """Until then what had the name stays."""
    path = tmp_path / "dump.ndjson"
    path.write_bytes(b"old")
    with private.whole(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ECONNRESET])
def test_nothing_stays_of_what_was_not_finished(number: int, tmp_path: Path) -> None:
    """A full disk says of which file; what has nothing to do with it does not."""
    path = tmp_path / "dump.ndjson"

    def fail() -> None:
        with private.whole(path) as file:
            file.write(b"half")
            raise OSError(number, "no more")

    with pytest.raises(OSError, match="no more") as failed:
        fail()
    assert list(tmp_path.iterdir()) == []
    assert failed.value.filename == (str(path) if number == errno.ENOSPC else None)
