"""The demo's directory: what lies where, and the configuration in it, which is an ordinary one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon import exits
from daemon.demo.training import Trained
from daemon.demo.worlds import World

USUAL = Path("vigil-demo")
_SIGN = "# Written by `vigild demo`, and written anew by the next one.\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """Places under one directory."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "vigil.yaml"

    @property
    def events(self) -> Path:
        return self.directory / "events"

    @property
    def models(self) -> Path:
        return self.directory / "models"

    @property
    def alerts(self) -> Path:
        return self.directory / "alerts.ndjson"

    @property
    def readings(self) -> Path:
        return self.directory / "readings.ndjson"

    @property
    def log(self) -> Path:
        return self.directory / "vigil.log"

    def prepare(self) -> None:
        """Make the directory, or empty one that an earlier demo left. Raises `Ended` if it is somebody else's."""
        if self.directory.exists() and not self._ours():
            raise exits.Ended(
                exits.IO_ERROR, f"{self.directory}: is there already, and not from a demo. Move it, or start elsewhere."
            )
        if self.directory.exists():
            for path in self.directory.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.events.mkdir(parents=True, exist_ok=True)
        self.config.write_text(_SIGN)

    def write_config(self, models: Sequence[Trained]) -> None:
        """Write the configuration that watches these models."""
        self.config.write_text(_SIGN + self._yaml(models))

    def _ours(self) -> bool:
        if not self.directory.is_dir():
            return False
        empty = not any(self.directory.iterdir())
        return empty or (self.config.is_file() and self.config.read_text().startswith(_SIGN))

    def _yaml(self, models: Sequence[Trained]) -> str:
        return f"""\
files:
  paths: [{self.events}]
  follow: true
state:
  path: {self.directory / "state"}
sinks:
  alerts: [{{file: {{path: {self.alerts}}}}}]
  readings: [{{file: {{path: {self.readings}}}}}]
time:
  pane: 2m           # a day passes in half a minute here: no need to look each 10 s of it
  clock: event       # lines of a file have no timestamps of their own
window:
  max_span: 1h
explain:
  cpu_share: 0.3
http:
  port: null
models:
""" + "".join(_model_yaml(model) for model in models)


def usual() -> Layout:
    """`./vigil-demo`; where that can't be written, a temporary directory."""
    if os.access(USUAL if USUAL.exists() else Path.cwd(), os.W_OK):
        return Layout(USUAL)
    return Layout(Path(tempfile.mkdtemp(prefix="vigil-demo-")))


def _model_yaml(model: Trained) -> str:
    world = model.world
    lines = [
        f"  {world.model}:",
        f"    owner: {world.owner}",
        *_features_yaml(world),
        "    explain:",
        f"      model_file: {model.path}",
        f"      sha256: {model.sha256}",
    ]
    return "\n".join(lines) + "\n"


def _features_yaml(world: World) -> list[str]:
    named = ", ".join(f"{name}: categorical" for name in world.categorical)
    return [f"    features: {{{named}}}  # numbers that are names"] if named else []
