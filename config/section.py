"""What all sections of the configuration share: frozen, nothing unknown, documented where a field stands."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
)
from pydantic_core import CoreSchema, core_schema

from config.environment import FromEnvironment, resolved
from config.units import Duration
from processors.documented import Documented

SECRET_NAME = re.compile(
    r"passw|secret|token|credential|private_key|key_password|authorization|key[._]pem|oauthbearer[._]config",
    re.IGNORECASE,
)
"""Names of what is likely to be secret, whoever gave them."""


class Section(Documented):
    """A mapping of the configuration. What stands under a field is its documentation, here and in the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Like:
    """A constraint on texts: the pattern that they follow, and the sentence for those that don't."""

    pattern: str
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._followed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _followed(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.sentence)
        return text


def listed(value: Any) -> Any:
    """`a, b` is the list [a, b]: the way lists are written in the environment."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


def _no_boolean(value: Any) -> Any:
    """Python takes true for 1; nobody who writes `true` for a number means it."""
    if isinstance(value, bool):
        raise ValueError("is not a number.")  # noqa: TRY004 - pydantic reports ValueErrors only
    return value


def _sent_to_all(labels: Any) -> Any:
    """Labels leave with every alert: a secret that came from the environment can't be meant to."""
    for name, value in labels.items() if isinstance(labels, dict) else ():
        if isinstance(value, FromEnvironment) and SECRET_NAME.search(str(name)):
            raise ValueError(f"{name} leaves with every alert, and looks like a secret. Remove it, or rename it.")
    return labels


def canonical_class(value: Any) -> Any:
    """The name under which a class is known: 1, "1", 1.0 and true are one class."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | list[str])]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_one_or_more, json_schema_input_type=Path | list[Path])]
Count = Annotated[int, Field(gt=0, le=10**15), BeforeValidator(_no_boolean)]
Share = Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_boolean)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_boolean)]
Positive = Annotated[Duration, Field(gt=0)]
ClassName = Annotated[str, BeforeValidator(canonical_class, json_schema_input_type=str | int | float | bool)]
Secret = Annotated[SecretStr, PlainSerializer(lambda _: "***", return_type=str, when_used="json")]
TopicName = Annotated[str, Like(r"[a-zA-Z0-9._-]{1,249}", "is not a topic's name. Use letters, digits, dots, _ and -.")]
Routing = Annotated[dict[str, str], BeforeValidator(_sent_to_all)]
Parameters = Annotated[dict[str, Any], BeforeValidator(resolved)]
