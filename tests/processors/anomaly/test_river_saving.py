"""River's objects as bytes: all that can be configured survive, and nothing else is ever made."""

from __future__ import annotations

import importlib
import pickle
import random
import subprocess
from typing import Any

import pytest
from river import drift

from processors.anomaly.river_names import ROOMS, UnknownRiverError, build, kind_of
from processors.anomaly.river_saving import UnsafeStateError, load, save

river: Any = drift


def nameable() -> list[str]:
    """Everything without required parameters that a config can name."""
    found = []
    for room in ROOMS:
        for listed in importlib.import_module(f"river.{room}").__all__:
            try:
                kind_of(f"{room}.{listed}")
                build(f"{room}.{listed}", {}, 1)
            except UnknownRiverError:
                continue
            found.append(f"{room}.{listed}")
    return found


def test_what_can_be_named_survives_saving() -> None:
    """Drift and anomaly detectors and statistics go on after a round trip as if nothing had been."""
    numbers = random.Random(3)
    values = [numbers.gauss(at // 120, 1) for at in range(240)]
    tried = []
    for name in nameable():
        kind = kind_of(name)
        if kind not in ("drift", "binary", "statistic", "anomaly"):
            continue
        straight, saved = build(name, {}, 1), build(name, {}, 1)
        for at, value in enumerate(values):
            for each in (straight, saved):
                if kind == "anomaly":
                    each.learn_one({"x": value})
                else:
                    each.update(value > 0.5 if kind == "binary" else value)
            if at % 60 == 50:
                saved = load(save(saved))
        tried.append(name)
        if kind in ("drift", "binary"):
            assert straight.drift_detected == saved.drift_detected, name
        elif kind == "statistic":
            assert straight.get() == saved.get(), name
        else:
            assert straight.score_one({"x": 9.0}) == saved.score_one({"x": 9.0}), name
    assert {"drift.KSWIN", "drift.ADWIN", "drift.PageHinkley", "drift.binary.HDDMW", "anomaly.LODA"} <= {*tried}


class Evil:
    """Calls something when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Evil(eval, "1 + 1"),
        Evil(exec, "x = 1"),
        Evil(subprocess.call, ["true"]),
        Evil(importlib.import_module, "antigravity"),
        Evil(getattr, river.ADWIN(), "__class__"),
        Evil(getattr, "text", "format"),
        Evil(getattr, river.PageHinkley(), "drift_detected"),
        Evil(open, "/etc/hostname"),
    ],
    ids=lambda evil: f"{evil.call[0].__name__}{len(evil.call[1])}",
)
def test_a_malicious_pickle_is_refused(evil: Evil) -> None:
    """Nothing outside River's numeric classes and plain containers can be named, nor anything reached through them."""
    with pytest.raises(UnsafeStateError):
        load(pickle.dumps({"innocent": river.ADWIN(), "not": evil}))


@pytest.mark.parametrize(
    "written",
    [
        b"criver.utils\nos\n.",
        b"criver.base.base\nsys\n.",
        b"\x80\x04\x8c\x05river\x8c\x0bbase.os.path\x93.",
        b"criver.datasets\nBikes\n.",
        b"criver.stream\niter_csv\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"",
        b"\x80\x04damaged",
    ],
)
def test_tricks_with_names_and_damage_are_refused(written: bytes) -> None:
    """Dotted names, modules that River imported, its functions, other packages of its, and broken bytes."""
    with pytest.raises(UnsafeStateError):
        load(written)
