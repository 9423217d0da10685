"""Checks between fields, and between the configuration and the disk: what no field can know alone."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from config.problems import Place
from config.streams import SECTIONED_SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.models import ModelConfig
    from config.schema import Config
    from config.streams import Kafka, Security

Finding = tuple[Place, str]
"""A place and what is wrong there."""


def findings(config: Config, *, source_required: bool) -> Iterator[Finding]:
    """Everything in a well-formed configuration that can't be meant."""
    yield from _source(config, source_required=source_required)
    if config.kafka is not None:
        yield from _kafka(config.kafka)
        yield from _security(config.kafka.security)
    yield from _sinks(config)
    yield from _time(config)
    yield from _detectors(config)
    yield from _silences(config)
    yield from _redacted(config)
    yield from _model(config.defaults, config.defaults, ("defaults",))
    for name, own in config.models.items():
        yield from _model(config.for_model(name), own, ("models", name))


def _source(config: Config, *, source_required: bool) -> Iterator[Finding]:
    there = [name for name in (*SECTIONED_SOURCES, "source") if getattr(config, name) is not None]
    for name in there[1:]:
        yield (name,), f"there is also a section {there[0]}. Keep one of the two."
    if not there and source_required:
        yield (), "there is nothing to read. Add a section kafka: with brokers: and topics:, or files: with paths:."
    for n, path in enumerate(config.files.paths if config.files else ()):
        if config.files and not config.files.follow and not _there(path):
            message = f"{_shown(path)} does not exist. Correct the path, or set follow: true to wait for it."
            yield ("files", "paths", n), message


def _kafka(kafka: Kafka) -> Iterator[Finding]:
    names = [topic.name for topic in kafka.topics]
    for n, name in enumerate(names):
        if name in names[:n]:
            yield ("kafka", "topics", n), f"{name!r} is listed twice. Keep one."
    if kafka.control in names:
        yield ("kafka", "control"), f"{kafka.control!r} is also a topic of events. Orders need one of their own."
    for queue in ("alerts", "readings", "dead_letters"):
        if getattr(kafka, queue) in kafka.consumed:
            yield ("kafka", queue), f"{getattr(kafka, queue)!r} is also read from. Choose another topic to write to."


def _security(security: Security) -> Iterator[Finding]:
    place: Place = ("kafka", "security")
    if security.protocol.startswith("SASL"):
        yield from _sasl(security, place)
    elif security.mechanism is not None:
        meant = "SASL_SSL" if security.protocol == "SSL" else "SASL_PLAINTEXT or SASL_SSL"
        yield (*place, "mechanism"), f"means nothing with protocol {security.protocol}. Set protocol: {meant}."
    if security.cert_file is None and security.key_file is not None:
        yield (*place, "key_file"), "has no certificate. Add cert_file:."
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        yield from _file(getattr(security, key), (*place, key))


def _sasl(security: Security, place: Place) -> Iterator[Finding]:
    if security.mechanism is None:
        yield (*place, "mechanism"), "is missing. SASL needs one, such as PLAIN or SCRAM-SHA-512."
    elif security.mechanism.startswith(("PLAIN", "SCRAM")):
        if not security.username:
            yield (*place, "username"), f"is missing. {security.mechanism} needs it."
        if security.password is None and security.password_file is None:
            yield (*place, "password"), "is missing. Add password: ${KAFKA_PASSWORD} or password_file:."
    if security.password is not None and security.password_file is not None:
        yield (*place, "password_file"), "there is also a password. Keep one of the two."


def _sinks(config: Config) -> Iterator[Finding]:
    read = config.kafka.consumed if config.kafka else ()
    for queue, specs in config.outputs.items():
        for n, spec in enumerate(specs):
            if spec.kind == "kafka" and config.kafka is None:
                yield ("sinks", queue, n), "writes to Kafka, but there is no section kafka. Use {file: path} or stdout."
            if getattr(config.sinks, queue) != "auto" and getattr(spec.settings, "topic", None) in read:
                yield ("sinks", queue, n), "is a topic that is also read from. Choose another topic to write to."


def _time(config: Config) -> Iterator[Finding]:
    time, interval = config.time, config.state.commit_interval
    if time.max_skew < time.lateness:
        yield ("time", "max_skew"), f"must be at least time.lateness ({time.lateness}), else partitions wait for ever."
    if config.window.max_span < time.pane:
        yield ("window", "max_span"), f"must be at least time.pane ({time.pane})."
    if interval.max < interval.min:
        yield ("state", "commit_interval", "max"), f"must be at least min ({interval.min})."
    if config.alerts.keep < config.alerts.renotify:
        yield ("alerts", "keep"), f"must be at least alerts.renotify ({config.alerts.renotify})."


def _detectors(config: Config) -> Iterator[Finding]:
    titles = [detector.title for detector in config.detectors]
    for n, title in enumerate(titles):
        if title in titles[:n]:
            yield ("detectors", n), f"there is another detector named {title!r}. Give it a name: of its own."


def _silences(config: Config) -> Iterator[Finding]:
    for n, silence in enumerate(config.alerts.silences):
        place: Place = ("alerts", "silences", n)
        if not silence.match.model_fields_set:
            yield (*place, "match"), 'would silence everything. Name what is meant; if it is everything, model: "*".'
        if silence.from_ and silence.until and silence.until <= silence.from_:
            yield (*place, "until"), "must be after from."
        elif silence.every and not (silence.from_ and silence.until):
            yield (*place, "every"), "comes again from when until when? Give from and until of the first time."
        elif silence.every and silence.from_ and silence.until:
            length = silence.until - silence.from_
            if length.total_seconds() * 1e6 >= silence.every:
                yield (
                    (*place, "every"),
                    "comes again before it is over. Leave every out, or shorten it.",
                )


def _redacted(config: Config) -> Iterator[Finding]:
    """Segments are named in alerts by their values."""
    places: list[tuple[Place, ModelConfig]] = [(("defaults",), config.defaults)]
    places += [(("models", name), own) for name, own in config.models.items()]
    for place, own in places:
        for n, segment in enumerate(own.segments):
            if any(fnmatchcase(segment, pattern) for pattern in config.redact.features):
                message = f"{segment!r} is under redact.features, but alerts name segments by their values. Keep one."
                yield (*place, "segments", n), message


def _model(model: ModelConfig, own: ModelConfig, place: Place) -> Iterator[Finding]:
    yield from _task(model, place)
    yield from _thresholds(own, place)
    yield from _explained(model, own, place)
    yield from _file(own.reference, (*place, "reference"))
    if own.retire_after and model.labels.wait and own.retire_after < model.labels.wait:
        yield (
            (*place, "retire_after"),
            f"must be at least labels.wait ({model.labels.wait}): labels still come.",
        )


def _task(model: ModelConfig, place: Place) -> Iterator[Finding]:
    if model.task == "regression":
        for key in ("classes", "positive_class"):
            if getattr(model, key) not in (None, ()):
                yield (*place, key), "means nothing for a regression. Remove it, or correct the task."
        return
    if len(set(model.classes)) != len(model.classes):
        yield (*place, "classes"), "names a class twice. 1, '1', 1.0 and true are one class."
    if model.classes and model.positive_class is not None and model.positive_class not in model.classes:
        yield (*place, "positive_class"), f"{model.positive_class!r} is not among classes ({', '.join(model.classes)})."
    if len(model.classes) == 1 or (model.task == "binary" and len(model.classes) > 2):
        yield (*place, "classes"), f"has {len(model.classes)}. A binary model has two, a multiclass model two or more."


def _thresholds(own: ModelConfig, place: Place) -> Iterator[Finding]:
    for n, threshold in enumerate(own.thresholds):
        if (threshold.below is None) == (threshold.above is None):
            yield (*place, "thresholds", n), "needs either below: or above:."


def _explained(model: ModelConfig, own: ModelConfig, place: Place) -> Iterator[Finding]:
    explain, place = model.explain, (*place, "explain")
    yield from _file(own.explain.background_file, (*place, "background_file"))
    if explain.model_file is None:
        return
    if (
        not {"{version}", "{model}"} & set(re.findall(r"{\w+}", explain.model_file))
        and own.explain.model_file is not None
    ):
        yield from _file(Path(explain.model_file), (*place, "model_file"))
    joblib = explain.format == "joblib" or (
        explain.format == "auto" and explain.model_file.endswith((".joblib", ".pkl", ".pickle"))
    )
    if joblib and not explain.trust:
        yield (
            (*place, "trust"),
            "is missing. Loading joblib runs code from the file: set trust: true, or use skops.",
        )
    if explain.trust and not explain.sha256:
        yield (*place, "sha256"), "is missing. What is trusted must be known: add the output of sha256sum."


def _file(path: Path | None, place: Place) -> Iterator[Finding]:
    if path is not None and not _there(path):
        yield place, f"{_shown(path)} does not exist. Correct the path; it is taken from the working directory."


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> str:
    return repr(str(path))
