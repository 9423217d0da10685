"""Ten thousand models through the real loop: as many are watched as may be, and memory is theirs alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.commands.vigild import environment

ROOT = Path(__file__).parents[2]
SHARED, EACH = 96 * 2**20, 64 * 2**10
"""Bytes for the loop, files and kernels, and for a model of one feature that is watched: 60 MB and 40 KB are usual."""


@pytest.mark.parametrize(("limit", "models"), [(200, 10_000), (10_000, 10_500)])
def test_memory_goes_by_the_models_that_are_watched_however_many_come(limit: int, models: int) -> None:
    """Those beyond `limits.models` are counted and take no room; every event of theirs is in the accounts."""
    command = [sys.executable, "-m", "bench.memory", "flood", str(models)]
    env = environment({"VIGIL_LIMITS__MODELS": str(limit)})
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])  # what was left out is said before
    assert (found["models"], found["left_out"], found["received"]) == (limit, models - limit, 8 * models)
    assert found["rss_peak"] - found["rss_before"] < SHARED + limit * EACH
