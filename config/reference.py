"""Writes what is documented from the schema itself: `default.yaml` and the tables of `docs/configuration.md`.

`python -m config.reference` writes both again; a test holds that they are up to date.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import SecretStr

from config.fields import alternatives, is_section, meanings, named_fields
from config.schema import Config
from config.streams import Chosen
from config.units import Duration, Rate, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

DEFAULT_FILE = Path(__file__).parent / "default.yaml"
DOCUMENT_FILE = Path(__file__).parents[1] / "docs" / "configuration.md"

_HEAD = """\
# Everything that can be set, with its default. A file needs only what differs: kafka.brokers and kafka.topics.
# Written by `python -m config.reference`; change config/schema.py instead.
"""
_EXAMPLES = {"brokers": "[localhost:9092]", "topics": "[predictions, labels]"}
"""What stands in default.yaml for the two settings that have no default."""

_BEGIN, _END = "<!-- from here on written by `python -m config.reference` -->\n", "<!-- up to here -->\n"

_WORDS: dict[Any, str] = {
    Duration: "duration", Size: "size", Rate: "rate", str: "text", int: "number", float: "number", bool: "true, false",
    Path: "path", SecretStr: "secret", tuple: "list", dict: "mapping",
}  # fmt: skip


def default_yaml() -> str:
    """The text of `default.yaml`."""
    return _HEAD + "".join(f"\n{block}" for block in _settings(Config, ""))


def _settings(model: type[BaseModel], indent: str) -> Iterator[str]:
    """One block of lines for each field of a section: what it means, its name, its default."""
    said = meanings(model)
    for name, field in named_fields(model).items():
        section = _open_section(field)
        lines = [f"{indent}# {line}\n" for line in textwrap.wrap(said[name], 116 - len(indent))]
        if section is None:
            lines.append(f"{indent}{name}: {_EXAMPLES.get(name) or default(field)}\n")
        else:
            lines += [f"{indent}{name}:\n", *_settings(section, indent + "  ")]
        yield "".join(lines)


def _open_section(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, if it is there by default (and Kafka, without which there is nothing to read)."""
    sections: list[type[BaseModel]] = [kind for kind in alternatives(field.annotation) if is_section(kind)]
    there = field.default is not None or field.annotation == Config.model_fields["kafka"].annotation
    return sections[0] if sections and there else None


def default(field: FieldInfo) -> str:
    """A field's default as it would be written."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if value in ((), {}):
        return "[]" if value == () else "{}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(_quoted, value))}]" if isinstance(value, tuple) else str(value)


def _quoted(text: str) -> str:
    return f'"{text}"'


def reference() -> str:
    """The tables: one for each section, in the order of the schema."""
    seen: dict[type[BaseModel], str] = {}
    _collect(Config, "", seen)
    return "\n".join(_table(model, place) for model, place in seen.items())


def _collect(model: type[BaseModel], place: str, seen: dict[type[BaseModel], str]) -> None:
    """The sections in the order in which they are met, each with the first place where it may stand."""
    if model in seen:
        return
    seen[model] = place
    for name, field in named_fields(model).items():
        for kind, path in _inner_sections(field.annotation, f"{place}.{name}".removeprefix(".")):
            _collect(kind, path, seen)


def _inner_sections(annotation: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    for kind in alternatives(annotation):
        if is_section(kind) and not issubclass(kind, Chosen):
            yield kind, path
        elif get_origin(kind) is dict:
            yield from _inner_sections(get_args(kind)[1], f"{path}.<name>")
        elif get_origin(kind) is tuple:
            yield from _inner_sections(get_args(kind)[0], f"{path}[]")


def _table(model: type[BaseModel], place: str) -> str:
    said = meanings(model)
    rows = [_row(name, field, said[name]) for name, field in named_fields(model).items()]
    title = f"`{place}`" if place else "The sections"
    about = f"{model.__doc__}\n\n" if place and model.__doc__ else ""
    head = "| key | value | default | meaning |\n|---|---|---|---|\n"
    return f"### {title}\n\n{about}{head}{''.join(rows)}"


def _row(name: str, field: FieldInfo, meaning: str) -> str:
    filled = (
        "" if _open_section(field) or field.annotation == Config.model_fields["files"].annotation else default(field)
    )
    shown = "required" if field.is_required() else f"`{filled}`" if filled else ""
    return f"| `{name}` | {words(field)} | {shown} | {meaning} |\n"


def words(field: FieldInfo) -> str:
    """What may be written as a field's value, in a word or by its choices."""
    kinds = alternatives(field.annotation)
    return ", ".join(dict.fromkeys(_word(kind) for kind in kinds)) or "anything"


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if is_section(kind):
        return "section"
    return _WORDS.get(get_origin(kind) or kind, "anything")


def refreshed(document: str) -> str:
    """The document with its tables written again. Raises ValueError if it has no place for them."""
    found = re.search(re.escape(_BEGIN) + ".*" + re.escape(_END), document, re.DOTALL)
    if found is None:
        raise ValueError(f"the document lacks the lines {_BEGIN.strip()} and {_END.strip()}")
    return f"{document[: found.start()]}{_BEGIN}\n{reference()}\n{_END}{document[found.end() :]}"


def main() -> None:
    """Write `default.yaml` and the tables of the document again."""
    DEFAULT_FILE.write_text(default_yaml(), encoding="utf-8")
    DOCUMENT_FILE.write_text(refreshed(DOCUMENT_FILE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
