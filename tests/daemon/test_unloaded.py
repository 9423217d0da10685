"""What is left out of imports is left out for good, and missed by nobody."""

import subprocess
import sys
from pathlib import Path


def test_numba_loads_no_linear_algebra_for_our_kernels_but_finds_it_for_others() -> None:
    """A plug-in's kernel may multiply matrices."""
    script = """
import sys
from daemon import unloaded
unloaded.load_numba_without_blas()
import numpy as np
from numba import njit
njit(lambda x: x + 1)(np.ones(2))
print("scipy.linalg" in sys.modules)
print(njit(lambda x: np.dot(x, x))(np.ones(2)))
"""
    assert _told(script) == ["False", "2.0"]


def test_nor_does_the_daemon_on_its_way_to_its_kernels() -> None:
    """Whichever kernel is the first to be loaded."""
    script = "import sys; from daemon import app; app.warm_up(); print('scipy.linalg' in sys.modules)"
    assert _told(script)[-1] == "False"


def test_the_log_loads_no_rich_tracebacks_but_others_find_them(tmp_path: Path) -> None:
    """A module that is installed is hidden from structlog alone, whether it would be found or not."""
    (tmp_path / "rich.py").write_text("")
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from daemon import unloaded
unloaded.load_structlog_without_rich()
import structlog
print(structlog.dev.rich)
import rich
print(rich.__file__ == {str(tmp_path / "rich.py")!r})
"""
    assert _told(script) == ["None", "True"]


def _told(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()
