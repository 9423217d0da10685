"""How every command finds its configuration and says what is wrong with it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from daemon import exits

if TYPE_CHECKING:
    from config import Config

USUAL = Path("vigil.yaml")


def add_option(parser: argparse.ArgumentParser, *, default: Path | None = USUAL, otherwise: str = "") -> None:
    """Declare `-c`; `otherwise` says what happens without it, where that is not ./vigil.yaml."""
    without = otherwise or f"./{default} if not given"
    parser.add_argument(
        "-c", "--config", type=Path, default=default, metavar="FILE", help=f"the configuration ({without})"
    )


def load(path: Path | None, *, source_required: bool = True) -> Config:
    """Read a configuration, or the defaults and the environment alone. Raises `Ended` with every mistake in it."""
    from config import ConfigError, parse
    from config import load as load_file
    from daemon import app

    registry = app.registry()
    try:
        if path is None:
            return parse("", os.environ, registry, path="defaults", source_required=source_required)
        return load_file(path, os.environ, registry, source_required=source_required)
    except ConfigError as error:
        raise exits.Ended(exits.CONFIG, str(error)) from None
