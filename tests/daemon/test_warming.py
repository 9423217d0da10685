"""Warming up: what is compiled is loaded before the first record."""

import subprocess
import sys

import psutil
import pytest

from daemon import warming

COMPILED = """
import sys, tempfile
from contextlib import closing
from pathlib import Path
from bench.cost.replayed import write
from bench.cost.shape import Shape
from config import Config
from daemon import app, called_kernels

def compiled():
    found = called_kernels.loops()
    return {f"{each.py_func.__module__}.{each.py_func.__name__}{one}" for each in found for one in each.signatures}

if sys.argv[1] == "called":
    app._call_every_kernel(lambda: False)
if sys.argv[1] == "noted":
    app.warm_up()
    app.warm_up()
    assert called_kernels.load(), "nothing was noted"
before = compiled()
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    inputs = write(Shape(events=4_000, models=1, categorical=2, segments=1, rate=20, lag=3.0), folder)
    with closing(app.replaying(Config(), inputs, alerts=folder / "alerts.ndjson")) as pipeline:
        pipeline.run(lambda: False)
print(*sorted(compiled() - before), sep="\\n")
"""


def compiled_late(how: str) -> list[str]:
    """What a stream still has compiled or loaded, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", COMPILED, how], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(("daemon", "processors"))]


@pytest.mark.parametrize("how", ["called", "noted"])
def test_a_stream_finds_every_kernel_loaded(how: str) -> None:
    """No pane waits for numba: all that a stream with every kind of column calls was called before, or was noted."""
    assert compiled_late(how) == []


def test_without_it_the_stream_would_wait() -> None:
    """The measure sees what it is for."""
    assert len(compiled_late("cold")) >= 5


def test_what_a_second_process_compiles_is_not_waited_for_by_one_that_stops() -> None:
    """A daemon that is told to stop while it starts does so, and leaves no process behind."""
    before = set(psutil.Process().children())
    with warming.reading_compiled_aside(lambda: True):
        (aside,) = set(psutil.Process().children()) - before
        assert "daemon.warming" in aside.cmdline()
    assert not aside.is_running()
