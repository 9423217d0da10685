"""What must hold of any bytes: one function a thing that outsiders write. Each raises if it doesn't hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from config import Config, ConfigError, config_hash, parse, redacted_yaml
from config.fields import everything
from daemon import app, stamps
from daemon.clocks import Clocks
from daemon.codecs import codecs
from daemon.decode import Bounds, Decoded, Decoder
from daemon.records import Partition, Run
from processors.rows import NUMBER, TEXT, Cells, Names, Scalars, Table, read_texts
from tests.fuzz.choices import Choices, document, message

ROOT = Path(__file__).parents[2]
START_MS = 1_790_000_000_000
BOUNDS = Bounds(message_bytes=20_000, events=12, depth=16, cells=20)
WALLS = (None, (START_MS + 50_000) * 1000)
RECORD_STAMPS = (START_MS, -1, START_MS + 5_000, START_MS + 10**11, 0, 2**63 - 1, -(2**63))
EVENTS = Partition("events", 0)
CODECS = codecs()
REGISTRY = app.registry()
"""As above found once: looking through folders for each input would take a good part of the time."""


def decoding(data: bytes) -> None:
    """Messages of any kind: every event ends in one account, by itself, with its bytes if it is refused.

    The same whether ordinary events are scanned or not, and whatever is read together.
    """
    choices = Choices(data)
    codec = choices.of(list(CODECS))
    wall, event_clock, apart = choices.of(WALLS), bool(choices.number(2)), choices.number(4) == 0
    values, timestamps = [], []
    for _ in range(1 + choices.number(4)):
        timestamps.append(choices.of(RECORD_STAMPS))
        values.append(message(choices))
    records = _run(values, timestamps)
    found = _decoder(codec, event_clock=event_clock).decode(records, wall)
    _each_in_one_account(found, values)
    _columns_hold(found)
    assert _told(_decoder(codec, event_clock=event_clock, scans=False).decode(records, wall)) == _told(found)
    if apart:
        one_by_one = _decoder(codec, event_clock=event_clock)
        parts = [one_by_one.decode(records.part(at, at + 1), wall) for at in range(len(values))]
        assert _told(Decoded.concat(parts)) == _told(found)


def loading(data: bytes) -> None:
    """Configurations of any kind: one that can be shown and named, or every mistake in a line of its own."""
    choices = Choices(data)
    if choices.number(3):
        sections = [f"{choices.of(_SECTIONS)}: {document(choices, _KEYS, _WORDS)}" for _ in range(choices.number(4))]
        text = "\n".join(sections)
    else:
        text = choices.rest().decode("utf-8", "replace")
    try:
        config = parse(text, {"A": "1", "VIGIL_LOG__LEVEL": "info"}, REGISTRY, source_required=False)
    except ConfigError as error:
        problems = list(map(str, error.problems))
    else:
        problems = ["none"]
        parse(redacted_yaml(config).replace("'***'", "null"), {}, REGISTRY, source_required=False)
        assert len(config_hash(config)) == 12
    assert problems
    assert not any("\n" in problem for problem in problems)


def telling_time(data: bytes) -> None:
    """Times of any kind: read the same alone and beside others, from 1970 to 2262 or not at all."""
    texts = data.decode("utf-8", "replace").split("\n")[:4]
    values: list[Any] = [*texts, *map(_number, texts)]
    together = stamps.microseconds(values).tolist()
    assert together == [int(stamps.microseconds([value])[0]) for value in values]
    assert all(time in (stamps.ABSENT, stamps.INVALID) or 0 <= time < stamps.LATEST_US for time in together)


TARGETS: dict[str, Callable[[bytes], None]] = {"decoding": decoding, "loading": loading, "telling_time": telling_time}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "decoding": (
        bytes(40), bytes(range(256)), b"\x00\x01\x00\x00\x03" + bytes(20),
        b"\x00\x00\x00\x00\x00\x00\x06" + b'{"type":"prediction","id":"r","model":"m","prediction":1,"ts":1790000000}',
        b"\x00\x01\x01\x00\x00\x00\x06" + b'[{"type":"label","id":"r","model":"m","label":1},{"type":"signal"}]',
        b"\x00\x01\x01\x00\x00\x00\x06" + b'{"type":"label","id":"r","model":"m","label":1}\n{"type":"label"}\n',
    ),
    "loading": (
        bytes(40), bytes(range(256)), b"\x00kafka: {brokers: a, topics: b}\nlimits: {depth: 5}\n",
        b"\x00detectors: [{river: drift.KSWIN, series: a}, {river: metrics.F1, series: b}]",
        b"\x00files: {paths: [a]}\nmodels:\n  m: &a {task: binary}\n  n: *a\n", b"\x00redact: {features: ['*']}\n",
    ),
    "telling_time": (
        b"2026-11-22T03:00:00Z\n1790000000.5", b"2026-11-22T03:00:00.123+02:00\n1790000000123", b"1e18\n-1\nnan\n",
        b"1970-01-01T00:00:00Z\n2261-12-31T23:59:59.999999Z", b"20261122T030000Z\n2026-W47-7",
    ),
}  # fmt: skip

_SECTIONS = sorted(Config.model_fields)
_KEYS = sorted(
    {str(key) for place, _ in everything(Config) for key in place} | {"from", "river", "kafka", "file", '"a b"'}
)
_WORDS = (
    "1", "10s", "true", "null", "~", "a", "-1", "1e999", ".nan", "64KiB", "1 per 7d", "binary", "joblib", "'*'", '""',
    "drift.KSWIN", "'${A}'", "'${B}'", "'${B:-x}'", "9" * 30, "0x10", "2026-11-22T03:00:00Z", "&x a", "*x",
    "!!python/name:os.system", "SASL_SSL", "../../etc/passwd", "'\\0'", "|", ">", "stdout", "auto", "[a, b]",
)  # fmt: skip


def _decoder(codec: str, *, event_clock: bool, scans: bool = True) -> Decoder:
    kind = CODECS[codec]
    chosen: Any = kind if scans else type(kind.__name__, (kind,), {"plain": False})
    return Decoder({}, chosen(), Clocks(10_000_000, 300_000_000), BOUNDS, event_clock=event_clock)


def _run(values: list[bytes | None], timestamps: list[int]) -> Run:
    size = len(values)
    return Run(EVENTS, list(range(size)), timestamps, [None] * size, values, [()] * size)


def _each_in_one_account(found: Decoded, values: list[bytes | None]) -> None:
    places = Counter((refusal.offset, refusal.index) for refusal in found.refused)
    for table in (found.predictions, found.labels, found.signals):
        places.update(zip(table.ref.offset.tolist(), table.ref.index.tolist(), strict=True))
    assert found.received == sum(places.values()) == len(places), "each event once"
    for offset in range(len(values)):
        indexes = sorted(index for place, index in places if place == offset)
        assert indexes == list(range(len(indexes))), "none left out"
    for refusal in found.refused:
        original = values[refusal.offset]
        assert original is not None
        assert refusal.value in original, "original bytes"
        assert refusal.reason
        assert refusal.detail


def _columns_hold(found: Decoded) -> None:
    rows = found.predictions
    for classes in (rows.prediction, found.labels.label):
        assert set(classes.kind.tolist()) <= {NUMBER, TEXT}
    assert np.isfinite(found.signals.value).all()
    assert (rows.time <= rows.arrival).all()
    assert (rows.time >= rows.arrival - 10_000_000).all()
    for table in (found.predictions, found.labels, found.signals):
        assert (table.ts <= stamps.LATEST_US).all()
        assert (table.time <= stamps.LATEST_US).all()


def _told(table: Any) -> Any:
    """A table as plain values, so that what was read apart can be compared with what was read together."""
    if isinstance(table, Decoded):
        rows = [_told(part) for part in (table.predictions, table.labels, table.signals)]
        return [*rows, table.refused, table.received]
    if isinstance(table, Cells | Scalars | Table):
        return {name: _told(getattr(table, name)) for name in table._columns()}
    if isinstance(table, Names):
        return None
    if table.dtype.kind in "OS":
        return read_texts(table)
    return [str(value) for value in table.tolist()] if table.dtype.kind == "f" else np.asarray(table).tolist()


def _number(text: str) -> Any:
    try:
        return int(text) if text.lstrip("-").isdigit() and len(text) < 25 else float(text)
    except ValueError:
        return None
