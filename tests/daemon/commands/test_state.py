"""`vigild state`: looks at a state, and never makes one."""

from pathlib import Path

import pytest

from daemon import exits
from daemon.records import Partition, Position
from daemon.state import Store
from processors.packing import pack
from tests.daemon.commands.vigild import vigild


def made(folder: Path) -> Path:
    """Make a state with one position and one item."""
    with Store.open(folder) as store, store.commit() as commit:
        commit.position(Partition("predictions", 3), Position(1_234))
        commit.put("profile", pack("x" * 2_000))
    return folder


def test_what_it_holds_is_shown(tmp_path: Path) -> None:
    """Positions and sizes, as a table."""
    told = vigild("state", "inspect", "--directory", made(tmp_path / "state"), cwd=tmp_path)
    assert told.returncode == exits.OK, told.stderr
    assert "1,234  predictions/3" in told.stdout
    assert f"{len(pack('x' * 2_000)):,}  profile" in told.stdout


def test_damage_is_found(tmp_path: Path) -> None:
    """A state whose content is not what was written is exit 74, with what is damaged."""
    directory = made(tmp_path / "state")
    assert vigild("state", "verify", "--directory", directory, cwd=tmp_path).returncode == exits.OK
    file = directory / "state.sqlite"
    file.write_bytes(file.read_bytes().replace(b"x" * 100, b"y" * 100, 1))
    told = vigild("state", "verify", "--directory", directory, cwd=tmp_path)
    assert told.returncode == exits.IO_ERROR
    assert "profile" in told.stderr


def test_a_state_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Exit 78 and one line; the directory is that of the configuration."""
    (tmp_path / "vigil.yaml").write_text("state: {path: nowhere}\n")
    told = vigild("state", "inspect", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr == "nowhere/state.sqlite: there is no state; check state.path\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("action", ["inspect", "verify"])
def test_a_file_in_the_place_of_the_directory_is_no_damage(tmp_path: Path, action: str) -> None:
    """Exit 78 and what to do; a copy of a state's file is named with `--directory`."""
    (tmp_path / "vigil.yaml").write_text("state: {path: occupied}\n")
    (tmp_path / "occupied").write_text("something else")
    told = vigild("state", action, cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr == "occupied: is a file, not a directory: name a directory as state.path\n"
