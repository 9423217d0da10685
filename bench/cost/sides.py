"""The sides of the comparison, run one after the other against the same topics."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import orjson
import yaml

from bench.cost.filling import Filled
from tests.broker import Cluster

OUTGOING = ("vigil.alerts", "vigil.readings", "vigil.dead_letters")
_LONGEST_S = 900


class Sides:
    """Runs sides in processes of their own; `folder` holds configurations, states and results."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        for topic in OUTGOING:
            cluster.create_topic(topic)

    def bare(self, filled: Filled) -> dict[str, Any]:
        """a: the yardstick."""
        return self._reading("bare", filled)

    def naive(self, filled: Filled) -> dict[str, Any]:
        """c: the naive loop."""
        return self._reading("naive", filled)

    def vigil(self, filled: Filled, **kafka: Any) -> dict[str, Any]:
        """b: `vigild run` with everything on by default. `kafka` is laid over that section."""
        config = write_config(self._folder, self._cluster.bootstrap, filled.topics, **kafka)
        return self._run("watched", str(filled.records), "{result}", str(config))

    def _reading(self, side: str, filled: Filled) -> dict[str, Any]:
        return self._run(side, self._cluster.bootstrap, str(filled.records), "{result}", *filled.topics)

    def _run(self, side: str, *arguments: str) -> dict[str, Any]:
        result = self._folder / f"{side}-{uuid.uuid4().hex[:8]}.json"
        said = [each.replace("{result}", str(result)) for each in arguments]
        return child(f"bench.cost.{side}", *said, result=result)


def child(module: str, *arguments: str, result: Path) -> dict[str, Any]:
    """What a module wrote to `result`, run as a process of its own. Raises `RuntimeError` if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, timeout=_LONGEST_S
    )
    if done.returncode or not result.exists():
        raise RuntimeError(f"{module} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = orjson.loads(result.read_bytes())
    return found


def write_config(folder: Path, bootstrap: str, topics: tuple[str, str], **kafka: Any) -> Path:
    """A configuration with nothing but where to read, and a state and consumer group of its own."""
    name = uuid.uuid4().hex[:8]
    path = folder / f"{name}.yaml"
    said = {
        "kafka": {"brokers": [bootstrap], "topics": list(topics), "group": f"bench-{name}", **kafka},
        "state": {"path": str(folder / f"state-{name}")},
        "http": {"port": 0},
        "log": {"format": "json"},
    }
    path.write_text(yaml.safe_dump(said))
    return path
