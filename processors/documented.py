"""Settings whose fields are documented by the text below each, as `depth: int = 3` by a docstring on the next line.

Pydantic can read such texts, too (`use_attribute_docstrings`), but parses the source of each class when the class is
made: a quarter of a second at every start, for words that only the reference, the JSON Schema and the complaint about
a missing key need. Here the source is parsed once a module, by the first who asks.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Documented(BaseModel):
    """A mapping of settings. What stands under a field is its description, here and in the JSON Schema."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler(schema)
        properties = handler.resolve_ref_schema(written).get("properties", {})
        for name, text in descriptions(cls).items():
            key = cls.model_fields[name].alias or name
            properties[key if key in properties else name].setdefault("description", text)
        return written


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What each field of a section means, by the field's name: what it was declared with, else the text below it.

    Without the source, as in a module that was typed in, only what was declared is known.
    """
    below: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            below |= _of_module(kind.__module__).get(kind.__qualname__, {})
    said = {name: field.description or below.get(name, "") for name, field in model.model_fields.items()}
    return {name: text for name, text in said.items() if text}


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """The texts below the fields of each class in a module, by the class's qualified name."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (KeyError, OSError, TypeError):  # not from a file that is still there
        return {}
    return dict(_of_classes(ast.parse(source)))


def _of_classes(node: ast.AST, within: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            name = within + child.name
            yield name, dict(_of_fields(child.body))
            yield from _of_classes(child, f"{name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_classes(child, f"{within}{child.name}.<locals>.")
        elif isinstance(child, ast.stmt):
            yield from _of_classes(child, within)


def _of_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield field.target.id, inspect.cleandoc(text.value)
