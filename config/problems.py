"""Mistakes in a configuration, and how they are shown: file, line, place, what is wrong and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Place = tuple[str | int, ...]
"""Where in the configuration: keys and list indexes from the top."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `path` is the file, or the environment variable, that holds it; `line` counts from 1."""

    path: str
    line: int | None
    where: str
    message: str

    def __str__(self) -> str:
        position = self.path if self.line is None else f"{self.path}:{self.line}"
        return ": ".join(part for part in (position, self.where, self.message) if part)


class ConfigError(ValueError):
    """A configuration that can't be used. `problems` holds every mistake; str() gives one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0, problem.where))
        super().__init__("\n".join(map(str, self.problems)))


def written(place: Place) -> str:
    """A place as one writes it: `models.fraud.labels.wait`, `kafka.topics[0]`, `models["a b"]`."""
    return "".join(map(_step, place)).removeprefix(".")


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if re.fullmatch(r"[A-Za-z0-9_*-]+", key) else f"[{quoted(key)}]"


def quoted(text: object, longest: int = 60) -> str:
    """A value for a message: printable, on one line, cut where it is long."""
    shown = ascii(text) if not str(text).isprintable() else repr(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 4]}...{shown[-1]}"


def meant(wrong: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    return next(iter(get_close_matches(wrong.lower(), sorted(known), n=1, cutoff=0.6)), None)


def suggestion(wrong: str, known: Iterable[str], kind: str) -> str:
    """What was probably meant, or else all that there is. For example: "Did you mean brokers?"."""
    choices = sorted(known)
    close = meant(wrong, choices)
    if close is not None:
        return f"Did you mean {close}?"
    if not choices:
        return f"There are no {kind}."
    return f"Known {kind}: {', '.join(choices)}."
