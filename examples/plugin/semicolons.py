"""A codec: lines such as `r-17;2026-11-22T03:00:00Z;fraud;3;1;0.81;amount=12.5;country=CN`.

A line with four columns is a label: `r-17;2026-11-25T10:00:00Z;fraud;1`. Copy it to `daemon/codecs/`.
"""

from __future__ import annotations

import math
from typing import Any

from daemon.codecs.base import Codec, Event, Refused


class Semicolons(Codec):
    """Id, time, model, version, prediction and score, then features by name."""

    name = "semicolons"

    def events(self, value: bytes, headers: Any) -> list[Event | Refused]:
        return list(map(_event, self.pieces(value, headers)))

    def pieces(self, value: bytes, headers: Any) -> list[bytes]:
        return [line for line in value.splitlines() if line.strip()]


def _event(line: bytes) -> Event | Refused:
    try:
        columns = line.decode().split(";")
    except UnicodeDecodeError as error:
        return Refused("not_utf8", str(error))
    if len(columns) == 4:
        return {"type": "label", **dict(zip(("id", "ts", "model", "label"), columns, strict=True))}
    if len(columns) < 6:
        return Refused("wrong_columns", f"expected 4 columns or at least 6, found {len(columns)}")
    *known, score = columns[:6]
    event = {"type": "prediction", **dict(zip(("id", "ts", "model", "version", "prediction"), known, strict=True))}
    pairs = (feature.partition("=")[::2] for feature in columns[6:])
    return {**event, "score": _number(score), "features": {key: _number(text) for key, text in pairs}}


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
