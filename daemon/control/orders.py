"""Orders: what a person may tell a running Vigil, as JSON on the control topic.

    {"order": "acknowledge", "alert": "7ed8103d", "who": "ana", "why": "on it"}
    {"order": "silence", "name": "s1", "match": {"model": "fraud*"}, "until": "2026-11-22T06:00:00Z", "who": "…", …}
    {"order": "lift", "name": "s1", "who": "ana", "why": "done sooner"}
    {"order": "accept", "alert": "7ed8103d", "who": "ana", "why": "new prices since Monday"}

`alert` is a fingerprint or an incident, or at least the first six digits of one. Who may write to the topic may order:
that is the whole of authorisation, and it is the broker's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from daemon.alerts.silences import Silence
from daemon.records import Partition
from processors.base import Severity

MOST_BYTES = 64 * 2**10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_Text = Annotated[str, Field(min_length=1, max_length=1_000)]
_Glob = Annotated[str, Field(min_length=1, max_length=1_000)] | None
_Alert = Annotated[str, Field(pattern=r"^[0-9a-f]{6,32}$")]


class Malformed(Exception):
    """A record that is no order; the message says why."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    who: _Text
    why: _Text


class Acknowledge(_Order):
    """Somebody is on it: nobody is woken by it again unless it gets worse."""

    order: Literal["acknowledge"]
    alert: _Alert


class Accept(_Order):
    """Take it for the new normal: the alert ends, what it watched is judged against what comes from now on."""

    order: Literal["accept"]
    alert: _Alert


class Match(BaseModel):
    """What an alert must be to be meant; each a name or a glob. At least one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: _Glob = None
    version: _Glob = None
    monitor: _Glob = None
    series: _Glob = None
    severity: Severity | None = None

    @model_validator(mode="after")
    def _something(self) -> Match:
        if not self.model_fields_set:
            raise ValueError("would silence everything; if it is everything, say model: *")
        return self


class Hold(_Order):
    """Hold back what matches for a while, under a name by which it can be lifted."""

    order: Literal["silence"]
    name: _Text
    match: Match
    until: AwareDatetime
    from_: AwareDatetime | None = Field(default=None, alias="from")

    def silence(self) -> Silence:
        """As alerts know it."""
        start = None if self.from_ is None else (self.from_ - _EPOCH) // _MICROSECOND
        end = (self.until - _EPOCH) // _MICROSECOND
        return Silence(self.who, self.why, start=start, end=end, name=self.name, **self.match.model_dump())


class Lift(_Order):
    """End a silence before its time."""

    order: Literal["lift"]
    name: _Text


Said = Acknowledge | Accept | Hold | Lift
_SAID: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="order")])


@dataclass(frozen=True, slots=True)
class Order:
    """An order and where it stood. `time` is its record's timestamp, microseconds; `raw` what the record held."""

    partition: Partition
    offset: int
    time: int
    raw: bytes
    said: Said

    def tree(self) -> dict[str, Any]:
        """As a control record and the state keep it."""
        return {
            "topic": self.partition.topic,
            "partition": self.partition.number,
            "offset": self.offset,
            "time": self.time,
            "said": self.raw.decode(),
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Order:
        """What `tree` described."""
        raw = str(tree["said"]).encode()
        where = Partition(tree["topic"], tree["partition"])
        return cls(where, tree["offset"], tree["time"], raw, parse(raw))


def parse(raw: bytes | None) -> Said:
    """What a record orders. Raises `Malformed`."""
    if raw is None or len(raw) > MOST_BYTES:
        raise Malformed("empty" if raw is None else f"longer than {MOST_BYTES:,} bytes")
    try:
        raw.decode()
        return _SAID.validate_json(raw)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"{place}: {first['msg']}" if place else first["msg"]) from None
