"""Where compiled kernels are kept: what numba would do is left alone, unless it could not do anything."""

import os
import subprocess
import sys
from pathlib import Path

from daemon import kernel_cache

ROOT = Path(__file__).parents[2]
NOWHERE = Path(os.devnull) / "nowhere"
"""Not even root can make a folder there."""


def test_a_writable_place_of_numbas_own_is_left_to_it(tmp_path: Path) -> None:
    """Kernels of a usual installation are found again where they always were."""
    environment: dict[str, str] = {}
    kernel_cache.ensure(environment, [NOWHERE, tmp_path / "not" / "yet" / "made"])
    assert environment == {}


def test_what_somebody_said_stands(tmp_path: Path) -> None:
    """The image's volume, for one."""
    environment = {kernel_cache.VARIABLE: str(tmp_path / "numba")}
    kernel_cache.ensure(environment, [NOWHERE])
    assert environment == {kernel_cache.VARIABLE: str(tmp_path / "numba")}


def test_what_somebody_said_does_not_stand_where_nothing_can_be_written() -> None:
    """A volume that belongs to somebody else is for the state to refuse, not for numba to fail at."""
    environment = {kernel_cache.VARIABLE: str(NOWHERE)}
    kernel_cache.ensure(environment, [NOWHERE])
    made = Path(environment[kernel_cache.VARIABLE])
    assert made != NOWHERE
    made.rmdir()


def test_a_disk_without_room_for_kernels_ends_nothing(tmp_path: Path) -> None:
    """They are compiled all the same, and it is said once."""
    source = "from numba import njit\n\n@njit(cache=True)\ndef {0}(x):\n    return x + 1\n"
    (tmp_path / "loops.py").write_text("".join(source.format(name) for name in ("one_more", "another")))
    script = (
        "import resource, loops; from daemon import kernel_cache as k; k.survive_failures(); k.survive_failures()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))\n"
        "print(loops.one_more(1), loops.another(2))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "2 3"
    assert (done.stdout + done.stderr).count("kernels not kept") == 1
    assert not list(tmp_path.glob("kept/*/*.nbc"))


def test_where_nothing_can_be_written_a_new_folder_serves() -> None:
    """Of its own, so that nobody can have put anything into it."""
    made: list[str] = []
    for _ in range(2):
        environment: dict[str, str] = {}
        kernel_cache.ensure(environment, [NOWHERE])
        made.append(environment[kernel_cache.VARIABLE])
        Path(made[-1]).rmdir()
    assert made[0] != made[1]


def test_a_kernel_compiles_there(tmp_path: Path) -> None:
    """The place is one that numba takes."""
    program = "from daemon import kernel_cache as k; k.ensure(usual=[]); import processors.kernels.binning"
    environment = {name: value for name, value in os.environ.items() if name != kernel_cache.VARIABLE}
    subprocess.run([sys.executable, "-c", program], check=True, env={**environment, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.glob("vigil-kernels-*/*"))


def test_what_is_kept_of_an_older_source_is_as_good_as_nothing(tmp_path: Path) -> None:
    """Numba compiles it anew, so a start is as long as the first one was."""
    source = tmp_path / "loops.py"
    source.write_text("from numba import njit\n\n@njit(cache=True)\ndef one_more(x):\n    return x + 1\n")
    script = "import loops; from daemon import kernel_cache as k; print(k.keeps(loops.one_more), loops.one_more(1))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}

    def told() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert [told(), told()] == ["False 2", "True 2"]
    later = source.stat().st_mtime + 60
    os.utime(source, (later, later))
    assert told() == "False 2"
