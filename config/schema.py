"""The whole configuration: every section, its fields and their defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field

from config.models import Implicit, ModelConfig, Severity
from config.section import Count, Like, Names, Number, Parameters, Positive, Routing, Section, Share
from config.streams import Files, FileSink, Kafka, KafkaSink, Sinks, SinkSpec, SourceSpec, StdoutSink
from config.units import Duration, Rate, Size

Settings = TypeVar("Settings", bound=BaseModel)


class CommitInterval(Section):
    """Bounds of the time between two commits."""

    min: Positive = Duration.parse("1s")
    """Commit no more often than this."""
    max: Positive = Duration.parse("10s")
    """Commit at least this often."""


class State(Section):
    """What survives a restart."""

    path: Path = Path("vigil-state")
    """Directory of the state; made if missing. One daemon per directory."""
    commit_interval: CommitInterval = CommitInterval()
    """Vigil adapts between these two by what a commit costs."""


class Time(Section):
    """Clocks, panes and patience."""

    pane: Positive = Duration.parse("10s")
    """The smallest bucket of event time; measured once, when it closes."""
    lateness: Duration = Duration.parse("10s")
    """How far an event may be behind its partition's clock and still be on time."""
    clock: Literal["record", "event"] = "record"
    """Whose timestamps drive the clock: the records' or the events' own `ts`."""
    max_ahead: Positive = Duration.parse("5m")
    """A timestamp further ahead of the wall clock than this doesn't move the clock."""
    max_skew: Positive = Duration.parse("10m")
    """A partition further ahead of the slowest than this is paused."""
    idle_after: Positive = Duration.parse("30s")
    """A partition read to its end for this long no longer holds the others back."""


class Window(Section):
    """When a reading leaves."""

    events: Count = 1_000
    """A reading leaves once it rests on this many events, ..."""
    min_span: Duration = Duration.parse("1m")
    """... though no more often than this, ..."""
    max_span: Positive = Duration.parse("10m")
    """... or on this much time, ..."""
    min_events: Count = 30
    """... though not on fewer events than this, unless they span a day (or `max_span`, if that is longer)."""


class Labels(Section):
    """How labels come, for all models."""

    wait: Positive = Duration.parse("7d")
    """How long a prediction waits for its label."""
    max_pending: Count = 10_000_000
    """Most predictions to hold waiting; above it a fair sample is kept."""
    implicit: Implicit | None = None
    """`{after: 7d, value: 0}` turns silence into a label."""


class Limits(Section):
    """What bounds memory."""

    models: Count = 10_000
    """Models watched; further ones are counted and said, not monitored."""
    versions: Count = 20
    """Versions watched per model."""
    features: Count = 1_000
    """Features watched per version."""
    series: Count = 200_000
    """Features and signals watched in all versions together; about 7 KB each."""
    segment_values: Count = 50
    """Values told apart per segment key; further ones are `other`."""
    groups: Count = 50_000
    """Versions of all models together, and as many segment values of all versions; about 20 KB each."""
    categories: int = Field(default=28, ge=1, le=28)
    """Categories told apart per feature; further ones are `other`."""
    classes: Count = 100
    """Classes told apart per model; further ones are `other`."""
    pane_rows: Count = 1_000_000
    """Rows held in one pane until it closes; of more, a fair sample."""
    message_bytes: Size = Field(default=Size.parse("10MiB"), gt=0)
    """Largest message; larger ones are dead letters."""
    events_per_message: Count = 100_000
    """Most events in one message."""
    depth: int = Field(default=32, ge=4, le=200)
    """Deepest nesting of an event."""


class Match(Section):
    """What an alert must be to be meant; each a name or a glob."""

    model: str | None = None
    """Its model."""
    version: str | None = None
    """Its version."""
    monitor: str | None = None
    """Its monitor."""
    series: str | None = None
    """Its series."""
    severity: Severity | None = None
    """Its severity."""


class Silence(Section):
    """Alerts to hold back for a while, with who and why."""

    match: Match
    """The alerts to hold back."""
    from_: AwareDatetime | None = Field(default=None, alias="from")
    """Since when, with its time zone: `2026-11-22T03:00:00Z`."""
    until: AwareDatetime | None = None
    """Until when; for ever if not given."""
    every: Positive | None = None
    """A maintenance window: the same span again after this long (`1d`, `7d`), for ever; needs `from` and `until`."""
    reason: str = Field(min_length=1)
    """Why."""
    who: str = Field(min_length=1)
    """Who decided it."""


class Alerts(Section):
    """When to alert and how often."""

    false_alarms: Rate = Rate.parse("1 per 30d")
    """False alarms that one model may raise, over all its monitors, features and segments."""
    fleet_false_alarms: Rate = Rate.parse("1 per 7d")
    """False alarms that all models together may raise."""
    renotify: Positive = Duration.parse("4h")
    """A firing alert is sent again this often; it is valid for three times as long."""
    for_: Duration = Field(default=Duration.parse("0s"), alias="for")
    """A finding must stand this long before it fires; the tests behind it need no such help against chance."""
    min_hold: Duration = Duration.parse("5m")
    """A firing alert stays at least this long, so that it can't flap."""
    flap_window: Duration = Duration.parse("6h")
    """An alert that comes back within this time of its end must recover for twice as long each time before it ends."""
    incident_span: Duration = Duration.parse("1h")
    """Alerts of one version with onsets no further apart than this are one incident, and page once."""
    catch_up: Positive = Duration.parse("15m")
    """After an outage, what fires is held back until Vigil is no further behind than this, or has read all there is."""
    keep: Positive = Duration.parse("7d")
    """A resolved alert is deleted from a compacted topic after this long."""
    heartbeat: Positive = Duration.parse("1m")
    """How often Vigil says that it is alive, and how far it has read."""
    routing: Routing = Field(default_factory=dict)
    """Labels put on every alert."""
    silences: tuple[Silence, ...] = ()
    """Alerts to hold back, with who and why."""


class Explain(Section):
    """SHAP on a sample, under a budget."""

    enabled: bool = True
    """Whether to explain a sample of predictions."""
    sample: Count = 8
    """Rows per pane and version."""
    cpu_share: Share = 0.1
    """Share of one core that explaining may use."""
    queue: Count = 64
    """Samples that may wait; further ones are dropped and counted."""
    background: Count = 100
    """Rows to compare against."""
    timeout: Positive = Duration.parse("30s")
    """Longest that one sample may take."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Which sample and which permutations are drawn."""


class Dlq(Section):
    """Dead letters that come back: `vigild dlq replay`."""

    retention: Positive = Duration.parse("30d")
    """How long a replayed dead letter is remembered, in event time: replayed again meanwhile, it changes nothing."""
    max_refs: Count = 200_000
    """Replayed dead letters remembered at most; beyond it the oldest are forgotten, which is counted."""


class Http(Section):
    """Health, metrics and the web page."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all."""
    port: int | None = Field(default=8642, ge=0, le=65_535)
    """Port for health, metrics and the web page; 0 for any free one, null for none."""


class Log(Section):
    """Vigil's own log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is console on a terminal and JSON lines elsewhere."""


class Redact(Section):
    """What must not leave."""

    features: Names = ()
    """Features (names or globs) whose values never leave: in alerts, readings, dead letters or the log."""


RiverName = Annotated[
    str, Like(r"[a-z_]+(\.[a-z_]+)*\.[A-Z]\w*", "names nothing in River. Write module.Class: drift.KSWIN.")
]


class Detector(Section):
    """One of River's drift detectors, metrics or anomaly detectors on a series of Vigil's."""

    river: RiverName
    """Its name inside `river`: `drift.KSWIN`."""
    params: Parameters = Field(default_factory=dict)
    """Its parameters."""
    series: str = Field(min_length=1)
    """What it watches: a reading's series, a feature, a score or a signal."""
    models: Names = ("*",)
    """Models (names or globs) to watch."""
    name: str | None = None
    """Its name in alerts; `<river>:<series>` if not given."""
    calm: Count = 1_000
    """An alert of drift or of an anomalous value ends after this many values without another."""
    threshold: Number | None = None
    """Alert when a window's mean anomaly score, metric or statistic is beyond this."""
    beyond: Literal["above", "below"] = "above"
    """On which side of `threshold` it is bad."""
    most: Count = 10_000
    """Values fed per pane and version; of more, a uniform sample."""

    @property
    def title(self) -> str:
        return self.name or f"{self.river}:{self.series}"


class Config(Section):
    """Vigil's configuration."""

    kafka: Kafka | None = None
    """Read from Kafka."""
    files: Files | None = None
    """Read from files instead."""
    source: SourceSpec | None = None
    """Read from another kind of source instead: `{kind: settings}`."""
    sinks: Sinks = Sinks()
    """Where things go, if not where they go by default."""
    state: State = State()
    """What survives a restart."""
    time: Time = Time()
    """Clocks, panes and patience."""
    window: Window = Window()
    """When a reading leaves."""
    labels: Labels = Labels()
    """How labels come, for all models."""
    limits: Limits = Limits()
    """What bounds memory."""
    alerts: Alerts = Alerts()
    """When to alert and how often."""
    explain: Explain = Explain()
    """SHAP on a sample."""
    dlq: Dlq = Dlq()
    """Dead letters that come back."""
    http: Http = Http()
    """Health, metrics and the web page."""
    log: Log = Log()
    """Vigil's own log."""
    redact: Redact = Redact()
    """What must not leave."""
    defaults: ModelConfig = ModelConfig()
    """What holds for every model."""
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    """What holds for one model, by its name; lies over `defaults`."""
    monitors: dict[str, Any] = Field(default_factory=dict)
    """Settings by monitor; `false` switches one off, `true` on."""
    detectors: tuple[Detector, ...] = ()
    """River detectors to run as monitors."""

    def for_model(self, name: str) -> ModelConfig:
        """What holds for this model: its own section over `defaults` over the sections for all."""
        own = self.models.get(name, ModelConfig())
        labels: dict[str, Any] = {"wait": self.labels.wait, "implicit": self.labels.implicit}
        explain = {"enabled": self.explain.enabled, "sample": self.explain.sample}
        merged: dict[str, Any] = {"lateness": self.time.lateness, "labels": labels, "explain": explain}
        for layer in (self.defaults, own):
            merged = overlaid(merged, _said(layer))
        wait = merged["labels"]["wait"]
        merged["retire_after"] = max(merged.get("retire_after", wait), wait)
        return ModelConfig.model_validate(merged)

    def monitor_settings(self, name: str, kind: type[Settings], model: str | None = None) -> Settings | None:
        """The settings of a monitor, for one model or for all; None where it is switched off.

        A monitor that nobody configured runs with its defaults, unless its class says `on_by_default = False`.
        """
        layers = (self.models.get(model or "", ModelConfig()).monitors, self.defaults.monitors, self.monitors)
        said = next((layer[name] for layer in layers if name in layer), getattr(kind, "on_by_default", True))
        if said is False:
            return None
        return kind() if said is True else kind.model_validate(said)

    @property
    def outputs(self) -> dict[str, tuple[SinkSpec, ...]]:
        """The sinks of each queue (alerts, readings, dead_letters), `auto` resolved."""
        chosen = {name: getattr(self.sinks, name) for name in Sinks.model_fields}
        return {name: self._usual_sinks(name) if sinks == "auto" else sinks for name, sinks in chosen.items()}

    def _usual_sinks(self, queue: str) -> tuple[SinkSpec, ...]:
        if self.kafka is not None:
            return (SinkSpec(kind="kafka", settings=KafkaSink(topic=getattr(self.kafka, queue))),)
        if queue == "alerts":
            return (SinkSpec(kind="stdout", settings=StdoutSink()),)
        return (SinkSpec(kind="file", settings=FileSink(path=self.state.path / f"{queue}.ndjson")),)


def _said(section: BaseModel) -> dict[str, Any]:
    """What was said in a section: fields that were set, and not to None; in the shape in which they are read."""
    said = {name: getattr(section, name) for name in section.model_fields_set}
    return {
        name: _said(value) if isinstance(value, BaseModel) else value
        for name, value in said.items()
        if value is not None
    }


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another, mapping by mapping; whatever else is there is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = overlaid(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged
