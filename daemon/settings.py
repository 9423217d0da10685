"""What the parts of a pipeline need of a configuration, in their own words: numbers in microseconds, no section."""

from __future__ import annotations

from collections.abc import Callable

from config import Config, ModelConfig
from daemon.ledger.due import Waits
from daemon.parts import Timing
from daemon.scalars import Words
from daemon.watch import Settings
from daemon.watched import Budget
from processors.durations import HOUR_US
from processors.profile import BINARY, MULTICLASS, REGRESSION, UNDECIDED, Limits, ModelSpec
from processors.rows import Names, Scalars

OfModel = Callable[[str], ModelConfig]
"""What holds for a model, by its name; `*`: for those that are not named."""

_TASKS = {None: UNDECIDED, "binary": BINARY, "multiclass": MULTICLASS, "regression": REGRESSION}


def judging(config: Config, of_model: OfModel) -> Settings:
    """What measuring and judging need."""
    alerts, pane_us = config.alerts, int(config.time.pane)

    def wait_of(model: str) -> int:
        return _label_wait(config, of_model, model)

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


def specs(config: Config) -> dict[str, ModelSpec]:
    """What was said of models, by name; `*` of those that are not named."""
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


def limits(config: Config) -> Limits:
    """How much a profile admits."""
    most = config.limits
    return Limits(
        models=most.models,
        versions=most.versions,
        features=most.features,
        series=most.series,
        segment_values=most.segment_values,
        groups=most.groups,
        categories=most.categories,
        classes=most.classes,
    )


def waits(config: Config, of_model: OfModel) -> Waits:
    """How long labels are waited for, and what silence means."""
    wait = {name: _label_wait(config, of_model, name) for name in config.models}
    implicit: dict[str, tuple[int, Scalars]] = {}
    names = Names()
    for name in ("*", *config.models):
        rule = of_model(name).labels.implicit
        if rule is not None:
            implicit[name] = (int(rule.after), Words().classes([rule.value], names))
    return Waits(_label_wait(config, of_model, "*"), wait, implicit, names.texts)


def _label_wait(config: Config, of_model: OfModel, model: str) -> int:
    return int(of_model(model).labels.wait or config.labels.wait)


def lateness(config: Config) -> int:
    """One lateness for all: partitions are shared by models, so the most patient one decides."""
    own = [model.lateness for model in config.models.values() if model.lateness is not None]
    return max([int(config.time.lateness), *map(int, own)])


def timing(config: Config) -> Timing:
    """Times of the loop."""
    return Timing(
        pane_us=int(config.time.pane),
        lateness_us=lateness(config),
        max_skew_us=int(config.time.max_skew),
        idle_after_s=config.time.idle_after.seconds,
        heartbeat_s=config.alerts.heartbeat.seconds,
        account_span_us=int(config.window.max_span),
        behind_us=int(config.alerts.catch_up),
    )
