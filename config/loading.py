"""From a file and the environment to a Config, or to every mistake in them at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from config.consistency import findings
from config.document import Document, read
from config.environment import interpolate, override
from config.plugins import Registry, settle
from config.problems import ConfigError, Problem
from config.remedies import explain, literal_secrets, misspelling
from config.schema import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from config.problems import Place


_STREAMS = {"kafka", "files", "source", "sinks"}
"""Sections that are checked against one another."""


def load(
    path: str | Path,
    environ: Mapping[str, str],
    registry: Registry | None = None,
    *,
    source_required: bool = True,
) -> Config:
    """Read a configuration file. Raises ConfigError with every mistake in it.

    `registry` says which kinds exist. Without `source_required` a file may say nothing of what is to be read, as for a
    replay.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(str(path), line, "", "is not UTF-8. Save the file as UTF-8.")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([Problem(str(path), None, "", f"can't be read: {reason}. Name a file with -c.")]) from None
    return parse(text, environ, registry, path=str(path), source_required=source_required)


def parse(
    text: str,
    environ: Mapping[str, str],
    registry: Registry | None = None,
    *,
    path: str = "vigil.yaml",
    source_required: bool = True,
) -> Config:
    """Read a configuration from a text; `path` is what messages call it. Raises ConfigError with every mistake.

    1. Parse the text, remembering lines.
    2. Fill in `${NAME}` and lay `VIGIL_...` variables over it.
    3. Settle what registered kinds define: monitors, sources, sinks, codecs.
    4. Validate the rest by the schema.
    5. Check what concerns several fields, or the disk.
    """
    document = read(text, path)
    interpolate(document, environ)
    override(document, environ, frozenset(Config.model_fields))
    literal_secrets(document, document.value, Config)
    settle(document, registry or Registry())
    config, left_out = _validated(document)
    for place, message in findings(config, source_required=source_required):
        if not any(_depends(place, gone) for gone in left_out):
            document.report(place, message)
    document.raise_problems()
    return config


def _depends(place: Place, gone: Place) -> bool:
    """Whether a finding at a place may be due only to what was left out beside it."""
    if len(gone) > 1:
        return place[: len(gone) - 1] == gone[:-1]
    return place[:1] in ((), gone) or {*place[:1], *gone} <= _STREAMS


def _validated(document: Document) -> tuple[Config, list[Place]]:
    """The configuration, and the places that had to be left out of it because what stands there is wrong.

    Leaving them out lets the rest be checked further, so that one run names every mistake.
    """
    raw = _without_empty_sections(document.value)
    left_out: list[Place] = []
    first = True
    while True:
        try:
            return Config.model_validate(raw), left_out
        except ValidationError as error:
            if first:
                explain(document, error, Config)
            first = False
            left_out += _leave_out(raw, error.errors(include_url=False))


def _leave_out(raw: dict[str, Any], details: list[ErrorDetails]) -> list[Place]:
    """Remove the mapping entries that are wrong, or are around what is. Returns the places that are missed.

    A key that nobody knows, and that resembles none that is known, is not missed.
    """
    gone: list[Place] = []
    missed: list[Place] = []
    for detail in details:
        place = detail["loc"]
        if any(place[: len(other)] == other for other in gone):
            continue
        mappings: list[Any] = []
        holder: Any = raw
        for key in place:
            if not isinstance(holder, dict) or key not in holder:
                break
            mappings.append(holder)
            holder = holder[key]
        gone.append(place[: len(mappings)])
        if detail["type"] != "extra_forbidden" or misspelling(detail, Config):
            missed.append(gone[-1])
        if mappings:
            del mappings[-1][place[len(mappings) - 1]]
        else:
            raw.clear()
    return missed


def _without_empty_sections(raw: dict[str, Any]) -> dict[str, Any]:
    """A section whose lines are all commented out is as good as absent."""
    return {name: section for name, section in raw.items() if section is not None}
