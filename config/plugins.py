"""Settings of what is registered elsewhere: monitors, sources, sinks, codecs. Only their classes are known here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from config.environment import resolved
from config.problems import Place, suggestion
from config.remedies import explain, literal_secrets, shown
from config.schema import overlaid
from config.streams import BUILT_IN_SINKS, SECTIONED_SOURCES, Chosen, Sinks, SinkSpec, SourceSpec, StdoutSink

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from config.document import Document

Raw = dict[str, Any]
Spec = TypeVar("Spec", bound=Chosen)

RIVER = "river"
"""The monitor that runs what stands under `detectors`."""
_OF_RIVER = ("river", "params", "series")


@dataclass(frozen=True, slots=True)
class _Role(Generic[Spec]):
    """What is chosen: its word in messages, the class of a choice, and how one is written."""

    word: str
    spec: type[Spec]
    example: str

    @property
    def refused(self) -> Spec:
        """Stands where a choice was refused; the mistake is noted, so nothing is built from it."""
        return self.spec(kind="stdout", settings=StdoutSink())


_SOURCE = _Role("source", SourceSpec, "{sqlite: log.db}")
_SINK = _Role("sink", SinkSpec, "{file: alerts.ndjson}")


@dataclass(frozen=True, slots=True)
class Registry:
    """The kinds that exist: settings classes of monitors, sinks and sources by name, and the names of codecs.

    Sources that have a section of their own are not among them.
    """

    monitors: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    sinks: Mapping[str, type[BaseModel]] = field(default_factory=lambda: BUILT_IN_SINKS)
    codecs: Collection[str] = ("native",)
    sources: Mapping[str, type[BaseModel]] = field(default_factory=dict)


def settle(document: Document, registry: Registry) -> None:
    """Replace the settings of monitors, sources and sinks by objects of their classes; note what is wrong there."""
    raw = document.value
    _settle_source(document, raw, registry)
    _settle_sinks(document, raw, registry)
    _check_codecs(document, raw, registry)
    fleet = _layer(document, raw, ("monitors",), registry, ())
    general = _layer(document, _mapping(raw, "defaults"), ("defaults", "monitors"), registry, (fleet,))
    models = _mapping(raw, "models")
    for name in models:
        _layer(document, _mapping(models, name), ("models", name, "monitors"), registry, (fleet, general))
    _check_detectors(document, raw, registry)


def _mapping(raw: Raw, key: str) -> Raw:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _layer(document: Document, holder: Raw, place: Place, registry: Registry, below: tuple[Raw, ...]) -> Raw:
    """Settle one mapping of monitors to settings. Returns it as it was written, for the layers above it."""
    written = resolved(_mapping(holder, "monitors"))
    settled = {}
    for name, own in written.items():
        under = [layer[name] for layer in below if name in layer]
        settled[name] = _monitor(document, (*place, name), own, under, registry)
    if settled:
        holder["monitors"] = settled
    return dict(written)


def _monitor(document: Document, place: Place, own: Any, under: list[Any], registry: Registry) -> Any:
    name = str(place[-1])
    kind = registry.monitors.get(name)
    if kind is None:
        document.report(place, f"there is no such monitor. {suggestion(name, registry.monitors, 'monitors')}")
    elif own is False:
        return False
    elif own is True or own is None or isinstance(own, dict):
        said: Raw = {}
        for layer in (*under, own):
            said = overlaid(said, layer) if isinstance(layer, dict) else said
        return _validated(document, kind, said, place, own if under else None)
    else:
        document.report(place, "must be true, false or a mapping of the monitor's settings.")
    return False


def _validated(document: Document, kind: type[BaseModel], said: Raw, place: Place, own: Any) -> BaseModel | bool:
    """Settings as an object. Where `own` lies over other layers, only its own mistakes are noted; theirs are."""
    literal_secrets(document, said if own is None else own, kind, at=place)
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        explain(document, error, kind, place, keys=own if isinstance(own, dict) else None)
    return False


def _settle_sinks(document: Document, raw: Raw, registry: Registry) -> None:
    sinks = _mapping(raw, "sinks")
    for queue in sinks.keys() & Sinks.model_fields.keys():
        specs = [] if sinks[queue] is None else sinks[queue]
        if specs != "auto":
            listed = specs if isinstance(specs, list) else [specs]
            sinks[queue] = [_sink(document, spec, ("sinks", queue, n), registry) for n, spec in enumerate(listed)]


def _settle_source(document: Document, raw: Raw, registry: Registry) -> None:
    said, place = raw.get("source"), ("source",)
    if said is None:
        return
    named = said if isinstance(said, str) else next(iter(said), None) if isinstance(said, dict) else None
    if named in SECTIONED_SOURCES:
        document.report(place, f"{named} has a section of its own. Write {named}: at the beginning of a line.")
        raw["source"] = _SOURCE.refused
        return
    raw["source"] = chosen = _chosen(document, said, place, registry.sources, _SOURCE)
    written = {"codec": getattr(chosen.settings, "codec", None)}
    _check_codec(document, written, ("source", chosen.kind, "codec"), registry)


def _sink(document: Document, spec: Any, place: Place, registry: Registry) -> SinkSpec:
    return _chosen(document, spec, place, registry.sinks, _SINK)


def _chosen(
    document: Document, spec: Any, place: Place, kinds: Mapping[str, type[BaseModel]], role: _Role[Spec]
) -> Spec:
    """One of the kinds: `{kind: settings}`, `{kind: value of its first setting}`, or the kind alone."""
    word = role.word
    if isinstance(spec, str) and spec not in kinds:
        document.report(place, f"{shown(spec)} is no {word}. {suggestion(spec, kinds, f'{word}s')}")
        return role.refused
    if isinstance(spec, str):
        spec = {spec: {}}
    if not isinstance(spec, dict) or len(spec) != 1:
        document.report(place, f"must name one kind of {word} and its settings: {role.example}.")
        return role.refused
    (name, settings), *_ = spec.items()
    kind = kinds.get(name)
    if kind is None:
        document.report((*place, name), f"there is no such {word}. {suggestion(name, kinds, f'{word}s')}")
        return role.refused
    said = _spelt_out(kind, settings)
    literal_secrets(document, said, kind, at=(*place, name))
    try:
        return role.spec(kind=name, settings=kind.model_validate(said))
    except ValidationError as error:
        explain(document, error, kind, (*place, name))
    return role.refused


def _spelt_out(kind: type[BaseModel], settings: Any) -> Any:
    if settings is None:
        return {}
    first = next(iter(kind.model_fields), None)
    return {first: settings} if first and not isinstance(settings, dict) else settings


def _check_codecs(document: Document, raw: Raw, registry: Registry) -> None:
    topics = _mapping(raw, "kafka").get("topics")
    for n, topic in enumerate(topics if isinstance(topics, list) else []):
        _check_codec(document, topic, ("kafka", "topics", n, "codec"), registry)
    _check_codec(document, raw.get("files"), ("files", "codec"), registry)


def _check_codec(document: Document, holder: Any, place: Place, registry: Registry) -> None:
    name = holder.get("codec") if isinstance(holder, dict) else None
    if isinstance(name, str) and name not in registry.codecs:
        document.report(place, f"{shown(name)} is no codec. {suggestion(name, registry.codecs, 'codecs')}")


def _check_detectors(document: Document, raw: Raw, registry: Registry) -> None:
    """What only River knows of a detector: whether there is one of that name, and whether it takes its parameters.

    Everything else about it is said by the schema.
    """
    kind, detectors = registry.monitors.get(RIVER), raw.get("detectors")
    if kind is None or not isinstance(detectors, list):
        return
    for n, written in enumerate(detectors):
        said = resolved({key: written[key] for key in _OF_RIVER if key in written}) if isinstance(written, dict) else {}
        refusal = _refusal(kind, said)
        if refusal is not None:
            about_params = "params" in said and _refusal(kind, {**said, "params": {}}) is None
            document.report(("detectors", n, "params" if about_params else "river"), refusal)


def _refusal(kind: type[BaseModel], said: Raw) -> str | None:
    """What River has against it, if each part of it is well-formed."""
    try:
        kind.model_validate(said)
    except ValidationError as error:
        found = [detail for detail in error.errors(include_url=False) if not detail["loc"]]
        return found[0]["msg"].removeprefix("Value error, ") if found else None
    return None
