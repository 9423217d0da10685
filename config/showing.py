"""Shows a configuration without its secrets: as YAML, as a hash, and as the JSON Schema of what may be written."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import yaml
from pydantic.json_schema import models_json_schema

from config.plugins import Registry
from config.schema import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


def effective(config: Config) -> dict[str, Any]:
    """The configuration as plain values: defaults filled in, each model by all that holds for it, secrets masked."""
    models = {name: config.for_model(name) for name in config.models}
    return config.model_copy(update={"models": models}).model_dump(mode="json", by_alias=True)


def redacted_yaml(config: Config) -> str:
    """The effective configuration as YAML, secrets as `***`."""
    return yaml.safe_dump(effective(config), sort_keys=False, allow_unicode=True, width=120)


def config_hash(config: Config) -> str:
    """Twelve hex digits that name an effective configuration, secrets left out: the `config_hash` of alerts."""
    canonical = json.dumps(effective(config), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def json_schema(
    monitors: Mapping[str, type[BaseModel]] | None = None,
    *,
    registry: Registry | None = None,
) -> dict[str, Any]:
    """The JSON Schema of a configuration file, settings of registered monitors, sources and sinks included."""
    registry = registry or Registry(monitors or {})
    kinds: list[type[BaseModel]] = [Config, *registry.monitors.values(), *registry.sinks.values()]
    kinds += registry.sources.values()
    references, document = models_json_schema([(kind, "validation") for kind in kinds], title="Vigil's configuration")
    definitions = document["$defs"]
    chosen = _by_name({name: references[kind, "validation"] for name, kind in registry.monitors.items()})
    for section in ("Config", "ModelConfig"):
        definitions[section]["properties"]["monitors"] |= chosen
    for spec, choices in (("SinkSpec", registry.sinks), ("SourceSpec", registry.sources)):
        definitions[spec] = _choice({name: references[kind, "validation"] for name, kind in choices.items()})
    definitions["Sinks"]["properties"] = {
        queue: _queue(schema) for queue, schema in definitions["Sinks"]["properties"].items()
    }
    for codec in ("Topic", "Files"):
        definitions[codec]["properties"]["codec"]["enum"] = sorted(registry.codecs)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document, **references[Config, "validation"]}


def _by_name(settings: dict[str, Any]) -> dict[str, Any]:
    either = {name: {"anyOf": [{"type": "boolean"}, schema]} for name, schema in sorted(settings.items())}
    return {"type": "object", "properties": either, "additionalProperties": False}


def _choice(settings: dict[str, Any]) -> dict[str, Any]:
    """One kind: `stdout`, `{kafka: topic}` or `{kafka: {topic: ...}}`."""
    plain = [{"type": ["string", "number", "null"]}]
    spelt = {name: {"anyOf": [schema, *plain]} for name, schema in sorted(settings.items())}
    mapping = {
        "type": "object",
        "properties": spelt,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"enum": sorted(settings)}, mapping]}


def _queue(schema: dict[str, Any]) -> dict[str, Any]:
    spec = {"$ref": "#/$defs/SinkSpec"}
    choices = [{"enum": ["auto", None]}, {"type": "array", "items": spec}, spec]
    return {key: schema[key] for key in ("default", "description", "title") if key in schema} | {"anyOf": choices}
