"""Assembly: builds a pipeline from a config. The one place that knows every part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from config import Config, Registry, config_hash
from config.streams import SECTIONED_SOURCES, FileSink, SinkSpec, StdoutSink
from daemon import called_kernels, garbage, kernel_cache, reading, settings, suite, unloaded, warming
from daemon.alerts.events import Events
from daemon.alerts.life import Life
from daemon.alerts.log import log_notices
from daemon.alerts.notice import Notice
from daemon.alerts.rules import Rules
from daemon.checkpoint import Direct, Durable
from daemon.clocks import Clocks
from daemon.codecs import codecs
from daemon.decode import Bounds, Decoder
from daemon.explain.configured import explainer
from daemon.explain.explainer import Explainer
from daemon.intake import Revoked
from daemon.ledger.ledger import Ledger
from daemon.ledger.replayed import Remembered
from daemon.ledger.saving import LedgerSaving
from daemon.parts import ALERTS, DEAD_LETTERS, READINGS, Checkpoint, Parts
from daemon.pipeline import Pipeline
from daemon.said import Said
from daemon.sinks import sinks
from daemon.sinks.base import Sink, Surroundings
from daemon.sources import sources
from daemon.sources.base import Source
from daemon.state.outbox import Outbox
from daemon.state.store import Store
from daemon.watch import Watch
from processors.packing import unpack
from processors.profile import Profile
from processors.registry import monitors

log = structlog.get_logger()


@cache
def registry() -> Registry:
    """What a config may name: all monitors, sources, sinks and codecs that there are."""
    return Registry(
        {name: monitor.Settings for name, monitor in monitors().items()},
        {name: sink.Settings for name, sink in sinks().items()},
        tuple(codecs()),
        {name: source.Settings for name, source in sources().items() if name not in SECTIONED_SOURCES},
    )


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
            self._source = reading.source(config, self._store, start_empty=start_empty)
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
        if loaded.items:
            versions, pending = len(parts.watch.profile.bases()), len(parts.ledger.retained)
            log.info("goes on from its state", versions=versions, pending=pending, firing=parts.life.firing_count)
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
    outgoing = {
        ALERTS: _sinks(config, [_file(alerts) or SinkSpec(kind="stdout", settings=StdoutSink())]),
        READINGS: _sinks(config, filter(None, [_file(readings)])),
        DEAD_LETTERS: _sinks(config, filter(None, [_file(dead_letters)])),
    }
    source, explaining = reading.files(config, inputs), explainer(config, blocking=True)
    parts, _ = assemble(config, source, Direct(outgoing), explaining, wall=None, on_notice=on_notice or _unheard)
    return Pipeline(parts)


def warm_up(stop: Callable[[], bool] = lambda: False) -> None:
    """Load every compiled kernel, or compile it: see `daemon.warming`."""
    began = time.perf_counter()
    _make_numba_ready()
    if called_kernels.load():
        garbage.started_clean()
    else:
        _call_every_kernel(stop)
    log.info("kernels ready", seconds=round(time.perf_counter() - began, 1))


def _call_every_kernel(stop: Callable[[], bool]) -> None:
    if not warming.reading_is_compiled():
        with warming.reading_compiled_aside(stop):
            _watch_a_handful(stop, read_by_loop=False)
    _watch_a_handful(stop)
    warming.load_late()
    if not stop():
        called_kernels.note()


def _watch_a_handful(stop: Callable[[], bool], *, read_by_loop: bool = True) -> None:
    unsent = Direct(dict.fromkeys((ALERTS, READINGS, DEAD_LETTERS), ()))
    parts, _ = assemble(Config(), warming.Handful(), unsent, None, wall=None, on_notice=_unheard)
    if not read_by_loop:
        parts = replace(parts, decoder=Decoder({}, warming.Parsed(), parts.clocks, Bounds()))
    with closing(Pipeline(parts)) as pipeline:
        pipeline.run(stop)


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
    _make_numba_ready()  # before the first kernel, which is the decoder's
    pane_us = int(config.time.pane)
    of_model = cache(config.for_model)
    clocks = Clocks(settings.lateness(config), int(config.time.max_ahead))
    profile = Profile(settings.specs(config), settings.limits(config))
    waits = settings.waits(config, of_model)
    remembered = Remembered(int(config.dlq.retention), config.dlq.max_refs)
    pending, pane_rows = config.labels.max_pending, config.limits.pane_rows
    ledger = Ledger(pane_us, waits, pending, profile.base_of, remembered, pane_rows=pane_rows)
    longest = max([waits.default_us, *waits.by_model.values()])
    saving = LedgerSaving(ledger, longest, notes=wall is not None)
    rules = Rules.configured(config)
    parts = Parts(
        source=source,
        clocks=clocks,
        decoder=reading.decoder(config, clocks),
        ledger=ledger,
        watch=Watch(profile, suite.chosen(config), settings.judging(config, of_model), reading.references(config)),
        life=Life(rules, alerts),
        explainer=explaining,
        checkpoint=checkpoint,
        timing=settings.timing(config),
        say=Said(Events.configured(config, rules.source, config_hash(config)), config.redact.features),
        wall=wall,
        now=time.monotonic,
        on_decoded=saving.arrived if wall is not None else _unheard,
        on_notice=on_notice,
        control_topic=config.kafka.control if config.kafka is not None else None,
    )
    return parts, saving


def _make_numba_ready() -> None:
    unloaded.load_numba_without_blas()
    kernel_cache.survive_failures()
    kernel_cache.load_at_once()


def _sinks(config: Config, specs: Any) -> list[Sink]:
    surroundings = Surroundings(config.kafka.client_options() | config.kafka.producer if config.kafka else {})
    found = []
    for spec in specs:
        kind = sinks()[spec.kind]
        found.append(kind(kind.Settings.model_validate(spec.settings.model_dump()), surroundings))
    return found


def _file(path: Path | None) -> SinkSpec | None:
    return None if path is None else SinkSpec(kind="file", settings=FileSink(path=path))


def _unheard(_: object) -> None:
    """For those who listen to nothing."""
