"""What comes from the environment: `${NAME}` inside a file, and variables such as `VIGIL_KAFKA__BROKERS` over it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from config.document import Document, plain, scalar
from config.problems import ConfigError, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "VIGIL_"
_REFERENCE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")
_SHORTEST_SECRET = 4
_BROKEN = re.compile(r"\$\{")


class FromEnvironment(str):
    """A text that came from the environment: it may be secret, so messages show how it was written instead."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, text: str, written: str) -> Self:
        made = super().__new__(cls, text)
        made.written = written
        return made


def interpolate(document: Document, environ: Mapping[str, str]) -> None:
    """Replace `${NAME}` and `${NAME:-default}` in every text of the document; `$${` is a plain `${`."""
    document.value = _interpolated(document, document.value, (), environ)


def _interpolated(document: Document, value: Any, place: Place, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(document, child, (*place, key), environ) for key, child in value.items()}
    if isinstance(value, list):
        return [_interpolated(document, child, (*place, n), environ) for n, child in enumerate(value)]
    return _text(document, value, place, environ) if isinstance(value, str) and "$" in value else value


def _text(document: Document, text: str, place: Place, environ: Mapping[str, str]) -> str:
    if _BROKEN.search(_REFERENCE.sub("", text)):
        document.report(place, "has a ${ that is no variable. Write ${NAME} or ${NAME:-default}; $${ is a plain ${.")
        return text
    found = [match for match in _REFERENCE.finditer(text) if match[1]]
    missing = next((match for match in found if match[1] not in environ and match[2] is None), None)
    if missing:
        document.report(
            place, f"the variable {missing[1]} is not set. Set it, or write a default: ${{{missing[1]}:-value}}."
        )
        return FromEnvironment("", text)
    for name in {match[1] for match in found} & environ.keys():
        _note(document, environ[name], f"${{{name}}}")
    filled = _REFERENCE.sub(lambda match: environ.get(match[1], match[2]) if match[1] else "$", text)
    return FromEnvironment(filled, text) if any(match[1] in environ for match in found) else filled


def override(document: Document, environ: Mapping[str, str], sections: frozenset[str]) -> None:
    """Lay `VIGIL_SECTION__KEY=value` over the file; values are YAML.

    Only variables with a double underscore, or named exactly as a section, are meant: others (`VIGIL_TEST_KAFKA`,
    Kubernetes' `VIGIL_PORT`) belong to somebody else.
    """
    for variable in sorted(environ):
        keys = variable.removeprefix(PREFIX).split("__")
        if variable.startswith(PREFIX) and (len(keys) > 1 or keys[0].lower() in sections):
            _set(document, keys, variable, environ[variable])


def _set(document: Document, keys: list[str], variable: str, text: str) -> None:
    place, parent = _descend(document, keys)
    document.variables[place] = variable
    for below in [known for known in document.lines if known[: len(place)] == place]:
        del document.lines[below]
    parent[str(place[-1])] = value = _value(text, str(place[-1]), f"${variable}")
    for part in (text.strip(), *_texts(value)):
        _note(document, part, f"${variable}")


def _note(document: Document, text: str, said: str) -> None:
    """Remember a text that messages must not repeat. A very short one is no secret, but would be in many words."""
    if len(text) >= _SHORTEST_SECRET:
        document.from_environment[text] = said


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)
    elif isinstance(value, str):
        yield value


def _descend(document: Document, keys: list[str]) -> tuple[Place, dict[str, Any]]:
    """The place that the keys name, and the mapping around it, made where there was none."""
    place: Place = ()
    here = document.value
    for key in keys[:-1]:
        name = _existing(here, key)
        place = (*place, name)
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = here[name]
    return (*place, _existing(here, keys[-1])), here


def _existing(mapping: dict[str, Any], key: str) -> str:
    """The key of the mapping that is meant: variables have no lower case and no dashes."""
    alike = (name for name in mapping if re.sub(r"[^a-z0-9]", "_", name.lower()) == key.lower())
    return next(alike, key.lower())


def _value(text: str, key: str, variable: str) -> Any:
    """Lists, mappings and quoted texts are YAML, as is null; everything else, and any password, is the text itself."""
    if "password" not in key and text.strip()[:1] in ("[", "{", '"', "'"):
        with suppress(ConfigError):
            return _marked(plain(text), variable)
    return None if scalar(text.strip()) is None else FromEnvironment(text.strip(), variable)


def _marked(value: Any, variable: str) -> Any:
    if isinstance(value, dict):
        return {key: _marked(child, variable) for key, child in value.items()}
    if isinstance(value, list):
        return [_marked(child, variable) for child in value]
    return FromEnvironment(value, variable) if isinstance(value, str) else value


def resolved(value: Any) -> Any:
    """Texts from the environment as the values that they would be in a file: for settings whose types nobody knows."""
    if isinstance(value, dict):
        return {key: resolved(child) for key, child in value.items()}
    if isinstance(value, list):
        return [resolved(child) for child in value]
    if not isinstance(value, FromEnvironment):
        return value
    found = scalar(value)
    return value if isinstance(found, str) else found
