"""A few thousand inputs of the fuzzer's kind, by seed: what `make fuzz` looks for at length holds for these."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fuzz import targets
from tests.fuzz.growth import MOST, growth
from tests.fuzz.mutation import inputs
from tests.fuzz.targets import SEEDS, TARGETS

COUNTS = {"decoding": 1_500, "loading": 1_000, "telling_time": 3_000}
A_ROUND = {"decoding": 60, "loading": 60, "telling_time": 300}
"""Inputs that are asked together what they left behind."""


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_what_must_hold_of_any_bytes_holds(target: str) -> None:
    """Seeds changed at random, and random bytes; the number of a failing input is enough to have it again."""
    for number, data in enumerate([*SEEDS[target], *inputs(SEEDS[target], COUNTS[target])]):
        try:
            TARGETS[target](data)
        except Exception as error:
            raise AssertionError(f"input {number} ({data!r}): {error!r}") from error


@pytest.mark.parametrize(
    ("target", "where", "broken"),
    [
        ("decoding", "daemon.decode.batch.Batch.refuse", lambda *_: None),
        ("decoding", "daemon.codecs.native._lines", lambda _: [b"{"]),
        ("decoding", "daemon.decode.part.Part.check_classes", lambda *_, **__: None),
        ("telling_time", "daemon.stamps._text", lambda text: -1 if len(text) > 20 else 2**63 - 1),
        ("loading", "config.loading.read", lambda *_: None),
    ],
)
def test_what_is_broken_is_found_out(target: str, where: str, broken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the targets assert can fail: a refusal that is lost, bytes that are not the event's, a check left out."""
    monkeypatch.setattr(where, broken)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is that gives it away
        all(TARGETS[target](data) is None for data in [*SEEDS[target], *inputs(SEEDS[target], COUNTS[target])])


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_inputs_leave_nothing_behind(target: str) -> None:
    """Decoder and config loader hold no more after some hundred inputs than before them."""
    assert growth(TARGETS[target], SEEDS[target], A_ROUND[target]) < MOST


@pytest.mark.parametrize(
    ("target", "where", "kept"),
    [
        ("decoding", "daemon.decode.decoder.Decoder.decode", lambda place: f"id {place}"),
        ("loading", "config.loading.read", lambda place: {place: None}),
        ("telling_time", "daemon.stamps.microseconds", lambda _: np.zeros(1_000)),
    ],
)
def test_a_leak_is_found_out(
    target: str, where: str, kept: Callable[[int], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short text, a small container or an array for each call."""
    owner, _, name = where.rpartition(".")
    original = getattr(pkgutil.resolve_name(owner), name)
    leak: list[object] = []

    def leaking(*given: Any, **named: Any) -> Any:
        leak.append(kept(len(leak)))
        return original(*given, **named)

    monkeypatch.setattr(where, leaking)
    assert growth(TARGETS[target], SEEDS[target], A_ROUND[target] // 4) > MOST


def test_the_command_runs_counts_and_keeps_a_corpus(tmp_path: Path) -> None:
    """`python -m tests.fuzz` takes as many inputs as it was asked for, and says how many, how fast, how large."""
    command = [sys.executable, "-m", "tests.fuzz", "--runs", "300", "--corpus", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=targets.ROOT)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "300 inputs" in told.stdout
    assert all(target in told.stdout for target in TARGETS)
    assert "MB" in told.stdout
