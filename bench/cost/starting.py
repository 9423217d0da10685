"""How long Vigil takes from exec until it is ready to read, kernels cached or not; and to print its help."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import orjson

from bench.cost.filling import Filled
from bench.cost.sides import write_config

_GIVE_UP_S = 120


def help_s() -> float:
    """Seconds of wall time that `vigild --help` takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "daemon", "--help"], capture_output=True, check=True)
    return time.perf_counter() - began


def ready_s(folder: Path, bootstrap: str, filled: Filled, *, cold: bool = False) -> float:
    """Seconds of wall time from exec to the first 200 of /readyz; `cold`: with an empty kernel cache."""
    config = write_config(folder, bootstrap, filled.topics, start="latest")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, **({"NUMBA_CACHE_DIR": cache} if cold else {})}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "run", "-c", str(config)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        try:
            url = _url(process)
            while not _answers(f"{url}/readyz"):
                if time.perf_counter() - began > _GIVE_UP_S or process.poll() is not None:
                    raise RuntimeError("vigild did not become ready")
                time.sleep(0.02)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _url(process: subprocess.Popen[bytes]) -> str:
    """Where it serves: it says so in its log, as it takes any free port."""
    assert process.stderr is not None
    for line in process.stderr:
        said = orjson.loads(line) if line.startswith(b"{") else {}
        if said.get("event") == "http":
            return str(said["url"])
    raise RuntimeError("vigild ended before it served anything")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
