"""Finds its way in the schema: which field stands at a place, and which fields stand beside it."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from processors.documented import descriptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from config.problems import Place


def named_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by the names under which they are written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the fields of a section mean, by the names under which they are written."""
    said = descriptions(model)
    return {field.alias or name: said.get(name, "") for name, field in model.model_fields.items()}


def types_at(model: type[BaseModel], place: Place) -> list[Any]:
    """The types that may stand at a place; empty where nothing may."""
    found: list[Any] = [model]
    for key in place:
        found = [below for kind in found for below in _below(kind, key)]
    return found


def sections_at(model: type[BaseModel], place: Place) -> list[type[BaseModel]]:
    """The sections that may stand at a place."""
    return [kind for kind in types_at(model, place) if is_section(kind)]


def holds_secret(model: type[BaseModel], place: Place) -> bool:
    """Whether what stands at a place must not be shown."""
    return SecretStr in types_at(model, place)


def is_section(kind: Any) -> bool:
    """Whether a type is a mapping with fields of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _below(kind: Any, key: str | int) -> list[Any]:
    if is_section(kind):
        field = named_fields(kind).get(str(key))
        return [] if field is None else alternatives(field.annotation)
    if get_origin(kind) in (tuple, list, dict) and get_args(kind):
        keyed = isinstance(key, str)
        inner = get_args(kind)[1] if get_origin(kind) is dict else get_args(kind)[0]
        return alternatives(inner) if keyed == (get_origin(kind) is dict) else []
    return []


def alternatives(annotation: Any) -> list[Any]:
    """The types that an annotation allows, None and constraints left out."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in alternatives(part)]
    return [] if annotation is type(None) else [annotation]


def everything(model: type[BaseModel], place: Place = ()) -> Iterator[tuple[Place, FieldInfo]]:
    """Every field of a section and of the sections in it, with its place; mappings and lists are not entered."""
    for name, field in named_fields(model).items():
        yield (*place, name), field
        for kind in alternatives(field.annotation):
            if is_section(kind):
                yield from everything(kind, (*place, name))
