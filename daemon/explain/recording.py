"""Explanations as control records of a dump, so that a replay takes in what the live run took in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daemon.explain.request import Explained


def recorded(explained: Explained) -> dict[str, Any]:
    """The fields of a control record `explained`, beside the pane that took it in."""
    return {
        "sampled": explained.pane_start,
        "model": explained.model,
        "version": explained.version,
        "ids": list(explained.ids),
        "keys": [int(key) for key in explained.keys],
        "times": [int(time) for time in explained.time],
        "features": list(explained.features),
        "values": [[float(value) for value in row] for row in explained.values],
        "base": [float(base) for base in explained.base],
        "output": [float(output) for output in explained.output],
    }


def replayed(control: Mapping[str, Any]) -> Explained:
    """The explanation that `recorded` described."""
    shape = (len(control["ids"]), len(control["features"]))
    return Explained(
        control["sampled"],
        control["model"],
        control["version"],
        tuple(control["ids"]),
        np.array(control["keys"], np.uint64),
        np.array(control["times"], np.int64),
        tuple(control["features"]),
        np.array(control["values"], np.float64).reshape(shape),
        np.array(control["base"], np.float64),
        np.array(control["output"], np.float64),
        0.0,
    )
