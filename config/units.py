"""Quantities as people write them: durations (`15m`), sizes (`64KiB`) and rates (`1 per 30d`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"


class _Written:
    """Validated by `parse`, shown by `str`: what every quantity here has in common towards pydantic."""

    pattern: ClassVar[str]
    examples: ClassVar[list[str]]

    @classmethod
    def parse(cls, written: object) -> Self:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = core_schema.to_string_ser_schema(when_used="json")
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{cls.pattern}$", "examples": cls.examples}


class Duration(_Written, int):
    """A length of time in whole microseconds, the unit of event time."""

    units: ClassVar[dict[str, int]] = {
        "d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1,
    }  # fmt: skip
    pattern: ClassVar[str] = rf"({_NUMBER})\s*(us|ms|s|m|h|d)"
    examples: ClassVar[list[str]] = ["90s", "15m", "12h", "30d"]
    longest: ClassVar[int] = 36_500 * 86_400_000_000
    """A hundred years: far inside int64 even when added to a timestamp."""

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read `90s` and the like. Raises ValueError with the remedy."""
        if isinstance(written, cls):
            return written
        found = re.fullmatch(cls.pattern, written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError("is not a duration. Write a number and a unit: 90s, 15m, 12h, 30d.")
        microseconds = round(float(found[1]) * cls.units[found[2]])
        if microseconds > cls.longest:
            raise ValueError("is too long. The longest duration is 36500d.")
        return cls(microseconds)

    @property
    def seconds(self) -> float:
        return self / 1_000_000

    def __str__(self) -> str:
        if self == 0:
            return "0s"
        unit = next(unit for unit, size in self.units.items() if self % size == 0)
        return f"{int(self) // self.units[unit]}{unit}"

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


class Size(_Written, int):
    """A number of bytes."""

    units: ClassVar[dict[str, int]] = {
        "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1,
    }  # fmt: skip
    pattern: ClassVar[str] = rf"({_NUMBER})\s*(GiB|MiB|KiB|GB|MB|kB|B)"
    examples: ClassVar[list[str]] = ["64KiB", "10MiB"]

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read `64KiB` and the like. Raises ValueError with the remedy."""
        if isinstance(written, cls):
            return written
        found = re.fullmatch(cls.pattern, written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError("is not a size. Write a number and a unit: 512B, 64KiB, 10MiB.")
        return cls(round(float(found[1]) * cls.units[found[2]]))

    def __str__(self) -> str:
        unit = next(unit for unit, size in self.units.items() if self % size == 0 and self) if self else "B"
        return f"{int(self) // self.units[unit]}{unit}"

    def __repr__(self) -> str:
        return f"Size({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Rate(_Written):
    """So many in so long: how often a false alarm is acceptable."""

    count: float
    per: Duration

    pattern: ClassVar[str] = rf"({_NUMBER})\s+per\s+({_NUMBER}\s*(?:us|ms|s|m|h|d))"
    examples: ClassVar[list[str]] = ["1 per 30d", "0.5 per 7d"]

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read `1 per 30d` and the like. Raises ValueError with the remedy."""
        if isinstance(written, cls):
            return written
        found = re.fullmatch(cls.pattern, written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError("is not a rate. Write a number, the word per and a duration: 1 per 30d.")
        count, per = float(found[1]), Duration.parse(found[2])
        if not count or not per:
            raise ValueError("is not a rate that can be held. Both numbers must be more than 0: 1 per 30d.")
        return cls(count, per)

    @property
    def horizon(self) -> Duration:
        """The mean time between two."""
        return Duration(round(self.per / self.count))

    def __str__(self) -> str:
        return f"{self.count:g} per {self.per}"
