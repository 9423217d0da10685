"""A new configuration while the daemon runs: read on SIGHUP, taken up by the loop between two passes, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from config import config_hash
from daemon import exits
from daemon.commands import configuration
from daemon.commands.validate import mistakes

if TYPE_CHECKING:
    from config import Config

log = structlog.get_logger("vigild")


class Reload:
    """The configuration that runs, and the one that is to replace it."""

    def __init__(self, path: Path, running: Config) -> None:
        self.running = running
        self.path = path
        """Where both are read from."""
        self._next: Config | None = None
        self._former: Config | None = None
        """What ran before the present one, until that one has opened everything."""

    def consider(self) -> None:
        """Read the file again, and say what will come of it. Called by the thread of signals."""
        try:
            config = configuration.load(self.path)
            wrong = mistakes(config, self.path)
        except exits.Ended as error:
            wrong = str(error).splitlines()
        if wrong:
            log.error("configuration refused, the old one stays", file=str(self.path), mistakes=wrong)
        elif config_hash(config) == config_hash(self.running):
            self._next = None
            log.info("configuration unchanged", file=str(self.path), hash=config_hash(config))
        else:
            self._next = config
            log.info(
                "configuration accepted", file=str(self.path), hash=config_hash(config),
                running=config_hash(self.running),
            )  # fmt: skip

    @property
    def asked(self) -> bool:
        """Whether another configuration is to be taken up."""
        return self._next is not None

    def take(self) -> None:
        """Let the next configuration be the one that runs."""
        if self._next is not None:
            self._former, self.running, self._next = self.running, self._next, None

    def opened(self) -> None:
        """What runs could open everything it needs."""
        self._former = None

    def go_back(self, error: Exception) -> bool:
        """Let the former configuration run again, for this one can't; False if there is none."""
        if self._former is None:
            return False
        log.error("configuration given up, back to the old one", reason=exits.message_of(error))
        self.running, self._former = self._former, None
        return True
