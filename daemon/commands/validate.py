"""`vigild validate`: whether a configuration can be used here, with every mistake in it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Config
    from config.problems import Place


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "validate", help="check a configuration: every mistake, its line and what to do"
    )
    configuration.add_option(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print `ok` and the configuration's hash, or raise `Ended` with every mistake."""
    from config import config_hash

    config = configuration.load(arguments.config)
    if wrong := mistakes(config, arguments.config):
        raise exits.Ended(exits.CONFIG, "\n".join(wrong))
    print(f"{arguments.config}: ok (hash {config_hash(config)})")
    return exits.OK


def mistakes(config: Config, path: Path) -> list[str]:
    """What the schema can't know: model files and their libraries, references, and whether the state can be written.

    Each as `file:line: place: what is wrong`.
    """
    from config import ConfigError
    from config.document import read

    document = read(path.read_text(encoding="utf-8-sig"), str(path))
    for place, message in (*_transport(config), *_models(config), *_references(config), *_state(config.state.path)):
        document.report(place, message)
    return str(ConfigError(document.problems)).splitlines()


def _transport(config: Config) -> Iterator[tuple[Place, str]]:
    from daemon.sources import SourceError
    from daemon.sources.transports import transport

    try:
        if config.kafka is not None:
            transport(config.kafka.transport)
    except SourceError as missing:
        yield ("kafka", "transport"), str(missing).removeprefix("kafka.transport: ")


def _models(config: Config) -> Iterator[tuple[Place, str]]:
    from daemon.explain.configured import model_file
    from daemon.explain.models import ModelRefused, check_at_start

    for name in ("*", *config.models):
        own = config.models.get(name, config.defaults)
        where = ("models", name) if name in config.models and own.explain.model_file else ("defaults",)
        try:
            file = model_file(config, name)
            if file is not None:
                check_at_start(file)
        except ModelRefused as refused:
            yield (*where, "explain", "model_file"), str(refused)


def _references(config: Config) -> Iterator[tuple[Place, str]]:
    """Files of references must hold predictions of their models. What holds for all is checked for each by name."""
    from daemon import reading
    from daemon.references import ReferenceRefused

    references = reading.references(config)
    for name, model in config.models.items() if references is not None else ():
        try:
            if references is not None and references.name(name):
                references.load(name, "")
        except ReferenceRefused as refused:
            where = ("models", name) if model.reference is not None else ("defaults",)
            yield (*where, "reference"), str(refused)


def _state(directory: Path) -> Iterator[tuple[Place, str]]:
    """The directory, or what it would be made in, must be writable. Nothing is made."""
    place = ("state", "path")
    nearest = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        yield place, f"{nearest} is not a directory. Name one, or move that file away."
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield place, f"{nearest} can't be written by this user. Change its owner, or name another directory."
