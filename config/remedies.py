"""Turns what pydantic says about a value into a sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.environment import FromEnvironment
from config.fields import everything, holds_secret, meanings, named_fields, sections_at, types_at
from config.problems import Place, meant, quoted, suggestion, written
from config.schema import Config
from config.units import Duration, Rate, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from config.document import Document

_OWN_WORDS = "Value error, "

_SENTENCES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "is not text. Put it in quotes.",
    "string_too_short": lambda _: "is empty. Write something, or remove the line.",
    "string_too_long": lambda context: f"is too long. At most {context['max_length']} characters.",
    "string_unicode": lambda _: "holds half a character. Write it as text.",
    "int_from_float": lambda _: "is not a whole number.",
    "int_parsing": lambda _: "is not a whole number.",
    "int_type": lambda _: "is not a whole number.",
    "int_parsing_size": lambda _: "is too large.",
    "float_parsing": lambda _: "is not a number.",
    "float_type": lambda _: "is not a number.",
    "finite_number": lambda _: "is not a finite number.",
    "bool_parsing": lambda _: "is neither true nor false.",
    "bool_type": lambda _: "is neither true nor false.",
    "path_type": lambda _: "is not a path. Write text.",
    "greater_than": lambda context: f"must be more than {context['gt']}.",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}.",
    "less_than": lambda context: f"must be less than {context['lt']}.",
    "less_than_equal": lambda context: f"must be at most {context['le']}.",
    "too_short": lambda context: f"needs at least {context['min_length']}.",
    "too_long": lambda context: f"may have at most {context['max_length']}.",
    "dict_type": lambda _: "must be a mapping. Write `name: value` lines below it.",
    "model_type": lambda _: "must be a mapping. Write `name: value` lines below it.",
    "model_attributes_type": lambda _: "must be a mapping. Write `name: value` lines below it.",
    "tuple_type": lambda _: "must be a list. Write [a, b], or a line `- a` for each.",
    "list_type": lambda _: "must be a list. Write [a, b], or a line `- a` for each.",
    "timezone_aware": lambda _: "has no time zone. Add it: 2026-11-22T03:00:00Z.",
    "datetime_type": lambda _: "is not a time. Write it as 2026-11-22T03:00:00Z.",
    "datetime_parsing": lambda _: "is not a time. Write it as 2026-11-22T03:00:00Z.",
    "datetime_from_date_parsing": lambda _: "is not a time. Write it as 2026-11-22T03:00:00Z.",
}
_ABOUT_SHAPE = ("dict_type", "model_type", "model_attributes_type", "tuple_type", "list_type", "too_short", "too_long")
_QUANTITIES = (Duration, Size, Rate)


def explain(
    document: Document,
    error: ValidationError,
    model: type[BaseModel],
    at: Place = (),
    keys: Collection[str] | None = None,
) -> None:
    """Note every mistake that pydantic found in the section `model`, which stands `at` this place of the document.

    With `keys`, only mistakes under these keys of the section, and those of the section as a whole.
    """
    details = error.errors(include_url=False)
    misspelt = {misspelling(detail, model) for detail in details}
    for detail in details:
        place = tuple(key for key in detail["loc"] if key != "[key]")
        elsewhere = keys is not None and place and place[0] not in keys
        if not elsewhere and (detail["type"] != "missing" or place not in misspelt):
            document.report((*at, *place), _message(detail, model, place))


def misspelling(detail: ErrorDetails, model: type[BaseModel]) -> Place | None:
    """The place that was probably meant, if the mistake is an unknown key that resembles a known one."""
    *parents, key = detail["loc"] or ("",)
    if detail["type"] != "extra_forbidden":
        return None
    known = meant(str(key), _siblings(model, tuple(parents)))
    return None if known is None else (*parents, known)


def _siblings(model: type[BaseModel], place: Place) -> list[str]:
    return [name for section in sections_at(model, place) for name in named_fields(section)]


def _message(detail: ErrorDetails, model: type[BaseModel], place: Place) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(model, place)
    if kind == "missing":
        return _missing(model, place)
    if kind == "literal_error":
        sentence = _choices(detail["input"], model, place)
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind](_in_units(context, model, place))
    else:
        sentence = detail["msg"].removeprefix(_OWN_WORDS)
    about_key = detail["loc"][-1:] == ("[key]",)
    if (
        about_key
        or kind in _ABOUT_SHAPE
        or holds_secret(model, place)
        or isinstance(detail["input"], dict | list | tuple)
    ):
        return sentence
    return f"{shown(detail['input'])} {sentence}"


def shown(value: Any) -> str:
    """A value as it was written; what came from the environment may be secret and is shown by its name."""
    if isinstance(value, FromEnvironment):
        return f"the value of {value.written}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return quoted(str(value) if isinstance(value, _QUANTITIES) else value)


def unknown_key(model: type[BaseModel], place: Place) -> str:
    """Says that nothing of this name stands here, and what was probably meant."""
    key = str(place[-1])
    siblings = _siblings(model, place[:-1])
    elsewhere = [other for other, _ in everything(model) if other[-1] == key and key not in siblings]
    if len(elsewhere) == 1:
        return f"nothing is called so here. It belongs at {written(elsewhere[0])}."
    return f"nothing is called so here. {suggestion(key, siblings, 'keys')}"


def _missing(model: type[BaseModel], place: Place) -> str:
    sections = sections_at(model, place[:-1])
    meaning = meanings(sections[0]).get(str(place[-1])) if sections else None
    return f"is missing. {meaning or 'Add it.'}"


def _choices(value: Any, model: type[BaseModel], place: Place) -> str:
    choices = [str(choice) for kind in types_at(model, place) for choice in getattr(kind, "__args__", ())]
    known = isinstance(value, str) and not isinstance(value, FromEnvironment)
    close = meant(value, choices) if known else None
    return f"is none of {', '.join(choices)}." + (f" Did you mean {close}?" if close else "")


def _in_units(context: dict[str, Any], model: type[BaseModel], place: Place) -> dict[str, Any]:
    """Bounds in the field's own unit: `0s`, not 0."""
    kinds = [kind for kind in types_at(model, place) if kind in (Duration, Size)]
    return {name: kinds[0](bound) for name, bound in context.items()} if kinds else context


def literal_secrets(document: Document, value: Any, model: type[BaseModel], place: Place = (), at: Place = ()) -> None:
    """Refuse secrets that are written into the file instead of coming from the environment."""
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            literal_secrets(document, child, model, (*place, key), at)
    elif value is not None and not isinstance(value, FromEnvironment) and holds_secret(model, place):
        document.report((*at, *place), _literal(model, place))


def _literal(model: type[BaseModel], place: Place) -> str:
    key = str(place[-1])
    variable = "KAFKA_" + key.upper() if model is Config else key.upper()
    has_file = any(f"{key}_file" in named_fields(section) for section in sections_at(model, place[:-1]))
    file = f", or name a file with {key}_file:" if has_file else ""
    return f"a secret can't stand in this file. Take it from the environment, {key}: ${{{variable}}}{file}."
