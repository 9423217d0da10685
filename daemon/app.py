"""Assembly: builds a pipeline from a config. The one place that knows every part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from config import Config, ModelConfig, Registry, config_hash
from config.streams import Files, FileSink, SinkSpec, StdoutSink
from daemon.alerts.events import Events
from daemon.alerts.life import Life
from daemon.alerts.log import log_notices
from daemon.alerts.notice import Notice
from daemon.alerts.rules import Rules
from daemon.checkpoint import Direct, Durable
from daemon.clocks import Clocks
from daemon.codecs import codecs
from daemon.decode import Bounds, Decoded, Decoder
from daemon.explain.explainer import Explainer, ExplainSettings
from daemon.explain.models import ModelFile, ModelFiles
from daemon.intake import Revoked
from daemon.ledger.due import Waits
from daemon.ledger.ledger import Ledger
from daemon.ledger.replayed import Remembered
from daemon.ledger.saving import LedgerSaving
from daemon.parts import ALERTS, DEAD_LETTERS, READINGS, Checkpoint, Parts, Timing
from daemon.pipeline import Pipeline
from daemon.references import References
from daemon.said import Said
from daemon.scalars import Words
from daemon.sinks import sinks
from daemon.sinks.base import Sink, Surroundings
from daemon.sources import sources
from daemon.sources.base import Opening, Source
from daemon.state.outbox import Outbox
from daemon.state.store import Store
from daemon.warming import Handful
from daemon.watch import Settings, Watch
from daemon.watched import Budget, Watched, shares
from processors.base import Monitor
from processors.packing import unpack
from processors.profile import BINARY, HOUR_US, MULTICLASS, REGRESSION, UNDECIDED, Limits, ModelSpec, Profile
from processors.registry import monitors
from processors.rows import Names, Scalars

log = structlog.get_logger()

THRESHOLD = "threshold"
"""The monitor of bounds on readings, to which those of `models.<name>.thresholds` go."""

_TASKS = {None: UNDECIDED, "binary": BINARY, "multiclass": MULTICLASS, "regression": REGRESSION}


@cache
def registry() -> Registry:
    """What a config may name: all monitors, sinks and codecs that there are."""
    settings = {name: monitor.Settings for name, monitor in monitors().items()}
    return Registry(settings, {name: sink.Settings for name, sink in sinks().items()}, tuple(codecs()))


class Live:
    """A live run: state, source and outbox, and the pipeline over them.

    When partitions were lost the pipeline is built anew from the last commit, for what it holds of them in memory is
    not ours any more.
    """

    def __init__(self, config: Config, *, start_empty: bool, on_notice: Callable[[Notice], None]) -> None:
        self._config, self._on_notice = config, on_notice
        self._explainer = explainer(config, blocking=False)
        self._store = Store.open(config.state.path)
        try:
            self._source = _source(config, self._store, start_empty=start_empty)
            self._pipeline = self._build()
        except BaseException:
            self._store.close()
            raise

    def run(self, stop: Callable[[], bool]) -> None:
        """Loop until told to stop, or until a finite input is at its end; then commit and deliver."""
        while True:
            try:
                return self._pipeline.run(stop)
            except Revoked as revoked:
                log.warning("partitions lost, going back to the last commit", lost=sorted(map(str, revoked.lost)))
                self._pipeline.parts.checkpoint.close()
                began = self._pipeline.began
                self._pipeline = self._build()
                self._source.seek({**began, **self._store.positions()})
                self._pipeline.resume(began)

    def status(self) -> dict[str, Any]:
        """See `Pipeline.status`."""
        return self._pipeline.status()

    def close(self) -> None:
        """See `Pipeline.close`."""
        self._pipeline.close()
        self._store.close()

    def _build(self) -> Pipeline:
        config, loaded = self._config, self._store.load()
        outgoing = {queue: _sinks(config, specs) for queue, specs in config.outputs.items()}
        interval = config.state.commit_interval
        bounds_s = (interval.min.seconds, interval.max.seconds)
        durable = Durable(self._store, Outbox(self._store, outgoing), self._source, bounds_s)
        alerts = unpack(loaded.items["alerts"]) if "alerts" in loaded.items else None
        parts, saving = assemble(
            config, self._source, durable, self._explainer, wall=time.time, on_notice=self._on_notice, alerts=alerts
        )
        pipeline = Pipeline(parts)
        durable.restore(pipeline, saving, loaded)
        return pipeline


def live(config: Config, *, start_empty: bool = False, on_notice: Callable[[Notice], None] | None = None) -> Live:
    """A pipeline over the configured source. Raises `StateError`, `SourceError`, `ModelRefused`: one line each."""
    return Live(config, start_empty=start_empty, on_notice=on_notice or (lambda notice: log_notices([notice])))


def replaying(
    config: Config,
    inputs: Sequence[Path],
    *,
    alerts: Path | None = None,
    readings: Path | None = None,
    dead_letters: Path | None = None,
    on_notice: Callable[[Notice], None] | None = None,
) -> Pipeline:
    """A pipeline over files, offline and deterministic. Alerts are printed unless a file is given for them."""
    for output in filter(None, (alerts, readings, dead_letters)):
        if output.is_file():  # a device such as /dev/null stays
            output.unlink()
    source = sources()["files"](
        Files(paths=tuple(inputs), codec=_replay_codec(config)), Opening(message_bytes=int(config.limits.message_bytes))
    )
    outgoing = {
        ALERTS: _sinks(config, [_file(alerts) or SinkSpec(kind="stdout", settings=StdoutSink())]),
        READINGS: _sinks(config, filter(None, [_file(readings)])),
        DEAD_LETTERS: _sinks(config, filter(None, [_file(dead_letters)])),
    }
    parts, _ = assemble(
        config, source, Direct(outgoing), explainer(config, blocking=True), wall=None, on_notice=on_notice or _unheard
    )
    return Pipeline(parts)


def warm_up(stop: Callable[[], bool] = lambda: False) -> None:
    """Load every compiled kernel, or compile it: see `daemon.warming`."""
    began = time.perf_counter()
    parts, _ = assemble(
        Config(), Handful(), Direct(dict.fromkeys((ALERTS, READINGS, DEAD_LETTERS), ())), None, wall=None,
        on_notice=_unheard,
    )  # fmt: skip
    with closing(Pipeline(parts)) as pipeline:
        pipeline.run(stop)
    log.info("kernels ready", seconds=round(time.perf_counter() - began, 1))


def assemble(
    config: Config,
    source: Source,
    checkpoint: Checkpoint,
    explaining: Explainer | None,
    *,
    wall: Callable[[], float] | None,
    on_notice: Callable[[Notice], None],
    alerts: dict[str, Any] | None = None,
) -> tuple[Parts, LedgerSaving]:
    """The parts of a pipeline, with the keeper of its ledger's chunks. `alerts` is the saved life of alerts."""
    pane_us = int(config.time.pane)
    of_model = cache(config.for_model)
    clocks = Clocks(_lateness(config), int(config.time.max_ahead))
    profile = Profile(_specs(config), _limits(config))
    waits = _waits(config, of_model)
    remembered = Remembered(int(config.dlq.retention), config.dlq.max_refs)
    pending, pane_rows = config.labels.max_pending, config.limits.pane_rows
    ledger = Ledger(pane_us, waits, pending, profile.base_of, remembered, pane_rows=pane_rows)
    longest = max([waits.default_us, *waits.by_model.values()])
    saving = LedgerSaving(ledger, longest, notes=wall is not None)
    rules = Rules.configured(config)
    parts = Parts(
        source=source,
        clocks=clocks,
        decoder=_decoder(config, clocks),
        ledger=ledger,
        watch=Watch(profile, _watched(config), _settings(config, of_model), references(config)),
        life=Life(rules, alerts),
        explainer=explaining,
        checkpoint=checkpoint,
        timing=_timing(config),
        say=Said(Events.configured(config, rules.source, config_hash(config)), config.redact.features),
        wall=wall,
        now=time.monotonic,
        on_decoded=saving.arrived if wall is not None else _unheard,
        on_notice=on_notice,
        control_topic=config.kafka.control if config.kafka is not None else None,
    )
    return parts, saving


def references(config: Config) -> References | None:
    """The files of references, if any model has one."""
    of_model = cache(config.for_model)
    if not any(of_model(name).reference for name in ("*", *config.models)):
        return None

    def read(path: Path) -> Iterator[Decoded]:
        """The events of a file, with clocks of their own: nothing of it is part of the stream."""
        clocks = Clocks(0, int(config.time.max_ahead))
        source = sources()["files"](
            Files(paths=(path,), codec=_replay_codec(config)), Opening(message_bytes=int(config.limits.message_bytes))
        )
        decoder = _decoder(config, clocks, timeless=True)
        with closing(source):
            ended = False
            while not ended:
                polled = source.poll(0.0, 2_048)
                yield from map(decoder.decode, polled.runs)
                ended = bool(polled.finished) and polled.finished >= set(source.positions())

    return References(lambda model: of_model(model).reference, read)


def explainer(config: Config, *, blocking: bool) -> Explainer | None:
    """The explainer, if any model has a file. Raises `ModelRefused`."""
    files = {name: model_file(config, name) for name in config.models}
    others = model_file(config, "*")
    if others is None and not any(files.values()):
        return None
    settings = ExplainSettings(
        sample=config.for_model("*").explain.sample or config.explain.sample,
        cpu_share=float(config.explain.cpu_share),
        queue=config.explain.queue,
        timeout_s=config.explain.timeout.seconds,
        background=config.explain.background,
        seed=config.explain.seed,
        samples={name: config.for_model(name).explain.sample or config.explain.sample for name in config.models},
    )
    return Explainer(ModelFiles(files, others), settings, blocking=blocking)


def model_file(config: Config, name: str) -> ModelFile | None:
    """The file of a model, or (`*`) of all that are not named; None if it has none or is not to be explained."""
    model = config.for_model(name)
    said = model.explain
    if said.model_file is None or said.enabled is False:
        return None
    file = ModelFile(
        path=said.model_file,
        format=said.format,
        sha256=said.sha256,
        trust=said.trust,
        features=tuple(said.features),
        categories=dict(said.categories),
        background_path=str(said.background_file) if said.background_file else None,
        output=said.output,
        trusted=tuple(said.trusted),
        positive=model.positive_class,
        classes=tuple(model.classes),
    )
    return file if name == "*" else file.named(name)


def _source(config: Config, store: Store, *, start_empty: bool) -> Source:
    opening = Opening(store.positions, start_empty, int(config.limits.message_bytes), store.instance)
    name, settings = ("kafka", config.kafka) if config.kafka is not None else ("files", config.files)
    return sources()[name](settings, opening)


def _sinks(config: Config, specs: Any) -> list[Sink]:
    surroundings = Surroundings(config.kafka.client_options() | config.kafka.producer if config.kafka else {})
    found = []
    for spec in specs:
        kind = sinks()[spec.kind]
        found.append(kind(kind.Settings.model_validate(spec.settings.model_dump()), surroundings))
    return found


def _file(path: Path | None) -> SinkSpec | None:
    return None if path is None else SinkSpec(kind="file", settings=FileSink(path=path))


def _replay_codec(config: Config) -> str:
    return config.files.codec if config.files is not None else "native"


def _decoder(config: Config, clocks: Clocks, *, timeless: bool = False) -> Decoder:
    kinds = codecs()
    topics = config.kafka.topics if config.kafka is not None else ()
    limits = config.limits
    lifted = {name: tuple(model.segments) for name, model in config.models.items() if model.segments}
    return Decoder(
        {topic.name: kinds[topic.codec]() for topic in topics},
        kinds[_replay_codec(config)](),
        clocks,
        Bounds(int(limits.message_bytes), limits.events_per_message, depth=limits.depth),
        event_clock=config.time.clock == "event",
        lifted=lifted,
        timeless=timeless,
    )


def _watched(config: Config) -> list[Watched]:
    """Every monitor that is on, once for all models and once more for each setting that some models have apart."""
    chosen: list[tuple[Any, Callable[[str], bool] | None]] = []
    for name, kind in monitors().items():
        usual = _monitor_settings(config, name, kind)
        apart: dict[str, tuple[Any, list[str]]] = {}
        for model in sorted(config.models):
            own = _monitor_settings(config, name, kind, model)
            if own != usual:
                apart.setdefault("" if own is None else own.model_dump_json(), (own, []))[1].append(model)
        if usual is not None:
            others = [model for _, models in apart.values() for model in models]
            chosen.append((kind(usual), _all_but(others) if others else None))
        chosen += [(kind(own), _any_of(models)) for own, models in apart.values() if own is not None]
    river = monitors()["river"]
    for detector in config.detectors:
        settings = river.Settings.model_validate(detector.model_dump())
        chosen.append((river(settings), _like(detector.models)))
    parts = shares([monitor for monitor, _ in chosen])
    return [Watched(monitor, share, wants) for (monitor, wants), share in zip(chosen, parts, strict=True)]


def _monitor_settings(config: Config, name: str, kind: type[Monitor[Any, Any]], model: str | None = None) -> Any:
    """The settings of a monitor for a model or for all, None where it is off; with the thresholds said of models."""
    settings = config.monitor_settings(name, kind.Settings, model)
    if name != THRESHOLD:
        return settings
    said = config.for_model(model or "*").thresholds
    if not said:
        return settings
    bounds = [*(settings.model_dump()["thresholds"] if settings else ()), *(bound.model_dump() for bound in said)]
    return kind.Settings.model_validate({"thresholds": bounds})


def _unheard(_: object) -> None:
    """For those who listen to nothing."""


def _like(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda model: any(fnmatchcase(model, pattern) for pattern in patterns)


def _all_but(models: Sequence[str]) -> Callable[[str], bool]:
    known = frozenset(models)
    return lambda model: model not in known


def _any_of(models: Sequence[str]) -> Callable[[str], bool]:
    known = frozenset(models)
    return lambda model: model in known


def _settings(config: Config, of_model: Callable[[str], ModelConfig]) -> Settings:
    alerts, pane_us = config.alerts, int(config.time.pane)

    def wait_of(model: str) -> int:
        return int(of_model(model).labels.wait or config.labels.wait)

    return Settings(
        pane_us=pane_us,
        window_events=config.window.events,
        window_span=int(config.window.max_span),
        window_min_events=config.window.min_events,
        window_min_span=int(config.window.min_span),
        budget=Budget(1 / alerts.false_alarms.horizon, 1 / alerts.fleet_false_alarms.horizon),
        # Not before the last cohort is final: the wait after the end of its hour.
        retire_after=lambda model: max(int(of_model(model).retire_after or 0), wait_of(model) + HOUR_US + pane_us),
        label_wait=wait_of,
    )


def _specs(config: Config) -> dict[str, ModelSpec]:
    named = {name: _spec(config.for_model(name)) for name in config.models}
    return named | {"*": _spec(config.defaults)}


def _spec(model: ModelConfig) -> ModelSpec:
    return ModelSpec(
        task=_TASKS[model.task],
        classes=tuple(str(name) for name in model.classes),
        positive_class=None if model.positive_class is None else str(model.positive_class),
        features=dict(model.features),
        segments=tuple(model.segments) or None,
    )


def _limits(config: Config) -> Limits:
    limits = config.limits
    return Limits(
        models=limits.models,
        versions=limits.versions,
        features=limits.features,
        series=limits.series,
        segment_values=limits.segment_values,
        groups=limits.groups,
        categories=limits.categories,
        classes=limits.classes,
    )


def _waits(config: Config, of_model: Callable[[str], ModelConfig]) -> Waits:
    wait = {name: int(of_model(name).labels.wait or config.labels.wait) for name in config.models}
    implicit: dict[str, tuple[int, Scalars]] = {}
    names = Names()
    for name in ("*", *config.models):
        rule = of_model(name).labels.implicit
        if rule is not None:
            implicit[name] = (int(rule.after), Words().classes([rule.value], names))
    return Waits(int(of_model("*").labels.wait or config.labels.wait), wait, implicit, names.texts)


def _lateness(config: Config) -> int:
    """One lateness for all: partitions are shared by models, so the most patient one decides."""
    own = [model.lateness for model in config.models.values() if model.lateness is not None]
    return max([int(config.time.lateness), *map(int, own)])


def _timing(config: Config) -> Timing:
    return Timing(
        pane_us=int(config.time.pane),
        lateness_us=_lateness(config),
        max_skew_us=int(config.time.max_skew),
        idle_after_s=config.time.idle_after.seconds,
        heartbeat_s=config.alerts.heartbeat.seconds,
        account_span_us=int(config.window.max_span),
        behind_us=int(config.alerts.catch_up),
    )
