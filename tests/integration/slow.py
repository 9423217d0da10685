"""A monitor of somebody else's that takes very long over a pane: for as long as the file `slow` stands beside it.

It is had as any third party's is, by an entry point, and what it does takes no part in what is measured.
"""

from __future__ import annotations

import os
from pathlib import Path

MODULE = """
import time
from pathlib import Path

from vigild import Monitor, MonitorSettings, PredictionRows, Verdict

SLOW, AT_IT = (Path(__file__).with_name(name) for name in ("slow", "at_it"))


class Ponderous(Monitor[MonitorSettings, PredictionRows]):
    consumes = "predictions"
    Settings = MonitorSettings

    def measure(self, rows, profile, sealed):
        while SLOW.exists():
            AT_IT.touch()
            time.sleep(0.05)
        return self.empty()

    def judge(self, state, summary, context):
        return Verdict(state)
"""


class Ponderous:
    """The monitor, offered in a folder."""

    def __init__(self, folder: Path) -> None:
        offer = folder / "ponderous-1.0.dist-info"
        offer.mkdir(parents=True)
        (offer / "METADATA").write_text("Metadata-Version: 2.1\nName: ponderous\nVersion: 1.0\n")
        (offer / "entry_points.txt").write_text("[vigil.processors]\nponderous = ponderous:Ponderous\n")
        (folder / "ponderous.py").write_text(MODULE)
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {"PYTHONPATH": os.pathsep.join(paths)}
        """With this a process has it."""
        self._slow, self._at_it = folder / "slow", folder / "at_it"

    def slow_down(self) -> None:
        """Take over the next pane until `speed_up`."""
        self._slow.touch()

    def speed_up(self) -> None:
        """Be done with it."""
        self._slow.unlink()

    def at_it(self) -> bool:
        """Whether it was slow over a pane."""
        return self._at_it.exists()
