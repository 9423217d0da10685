"""Vigil's own metrics in Prometheus' text format [1], written by hand: it is thirty lines, and no dependency.

Labels are bounded by what is configured (partitions, queues, reasons). Readings of models are no metrics: they go to
their topic, for a thousand models times a hundred series are not what a scrape is for.

[1] https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import psutil

from daemon.version import version

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


class Metric(NamedTuple):
    """One family: its samples share a name, a type and an explanation."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: list[Sample]


def exposition(status: Mapping[str, Any], last_turn_s: float) -> str:
    """All metrics as text. What a status lacks is left out rather than said to be 0."""
    families = [
        *_of_pipeline(status),
        _one("loop_last_turn_seconds", "gauge", "Time since the loop last turned.", last_turn_s),
    ]
    return "".join(_written(metric) for metric in [*families, *_of_process()] if metric.samples)


def _of_pipeline(status: Mapping[str, Any]) -> Iterable[Metric]:
    accounts = status.get("accounts", {})
    ended = {name: count for name, count in accounts.items() if name not in ("received", "pending")}
    explanations = status.get("explanations", {})
    watermark = status.get("watermark")
    yield _one("build_info", "gauge", "Which Vigil this is.", 1, version=version())
    yield _one("ready", "gauge", "Whether there are partitions to read.", status.get("ready"))
    yield _one("source_reachable", "gauge", "Whether the source answers.", status.get("reachable"))
    yield _one(
        "input_paused", "gauge", "Whether reading waits for a commit or for what is to be sent.", status.get("paused")
    )
    yield _one("events_received_total", "counter", "Events in panes that have closed.", accounts.get("received"))
    yield _by("events_total", "counter", "What became of received events, in the end.", "account", ended)
    yield _by("refused_total", "counter", "Events refused, by reason.", "reason", status.get("refused", {}))
    yield _one("watermark_seconds", "gauge", "Event time up to which panes may close, in seconds since 1970.",
               None if watermark is None or watermark < 0 else watermark / 1e6)  # fmt: skip
    yield _by("lag_records", "gauge", "Records that are not read yet.", "partition", status.get("lag", {}))
    yield _by("position", "gauge", "The next offset to read.", "partition", status.get("positions", {}))
    yield _one(
        "pending_predictions", "gauge", "Predictions kept for their label, or its correction.", status.get("pending")
    )
    yield _one("waiting_labels", "gauge", "Labels that wait for their prediction.", status.get("waiting_labels"))
    yield _one("open_rows", "gauge", "Rows in panes that are still open.", status.get("open_rows"))
    yield _one("keep_rate", "gauge", "Share of predictions that is followed to its label.", status.get("keep_rate"))
    yield _one("alerts_firing", "gauge", "Alerts that fire.", status.get("firing"))
    yield _one("versions_watched", "gauge", "Model versions that are watched.", status.get("models"))
    yield _by("outbox_messages", "gauge", "Messages that wait to be sent.", "queue", status.get("outbox", {}))
    yield _by(
        "explanations_total", "counter", "Samples for the explainer, by what became of them.", "result", explanations
    )
    yield _by(
        "cut_off_total",
        "counter",
        "What was left out at a limit of the configuration.",
        "limit",
        status.get("cut_off", {}),
    )
    yield _one("timestamps_ahead_total", "counter", "Timestamps too far ahead to be believed.", status.get("ahead"))
    quarantined = dict.fromkeys(status.get("quarantined", ()), 1)
    yield _by("monitor_quarantined", "gauge", "Monitors that raised and were switched off.", "monitor", quarantined)


def _of_process() -> Iterable[Metric]:
    """Under the names that every Prometheus client uses."""
    process = _process()
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
        values: tuple[tuple[str, Literal["counter", "gauge"], str, float], ...] = (
            ("process_cpu_seconds_total", "counter", "CPU time used, in seconds.", times.user + times.system),
            ("process_resident_memory_bytes", "gauge", "Memory in use.", memory.rss),
            ("process_start_time_seconds", "gauge", "When the process began, since 1970.", process.create_time()),
            ("process_open_fds", "gauge", "Open file descriptors.", process.num_fds()),
        )
    return [Metric(name, kind, text, [({}, value)]) for name, kind, text, value in values]


@cache
def _process() -> psutil.Process:
    return psutil.Process()


def _one(name: str, kind: Literal["counter", "gauge"], text: str, value: float | None, **labels: str) -> Metric:
    return Metric(f"vigil_{name}", kind, text, [] if value is None else [(labels, value)])


def _by(name: str, kind: Literal["counter", "gauge"], text: str, label: str, values: Mapping[str, float]) -> Metric:
    return Metric(f"vigil_{name}", kind, text, [({label: str(key)}, value) for key, value in values.items()])


def _written(metric: Metric) -> str:
    head = f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(f"{metric.name}{_labels(labels)} {_number(value)}\n" for labels, value in metric.samples)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, int) else repr(float(value))
