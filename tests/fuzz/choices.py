"""Bytes that a fuzzer made up, read as choices: events and configurations that are nearly right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# What JSON readers are known to stumble over, as it stands in a message.
VALUES: tuple[bytes, ...] = (
    b"null", b"true", b"0", b"-0.0", b"1", b'"1"', b"0.5", b"-1", b"1e308", b"1e999", b"NaN", b"-Infinity", b"5e-324",
    b"9007199254740993", b"9223372036854775808", b"18446744073709551615", b"123456789012345678901234567890", b"1E400",
    b'""', b'"m"', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff\xfe"', b'"\xc3\xa4"', b'"\\"]}[{,"', b"[]",
    b"{}", b"[1]", b'{"a":1}', b'{"a":1,"a":2}', b'{"0":0.5,"1":0.5}', b'{"":""}', b"[[[[[[[[[[]]]]]]]]]]", b'"nan"',
    b'"2026-11-22T03:00:00Z"', b'"1969-12-31T23:59:59.999Z"', b'"2262-01-01T00:00:00Z"', b'"2026-02-30T00:00:00Z"',
    b"1790000000", b"1790000000000", b"1790000000000000", b"1790000000000000000", b"-1", b"1.5", b"{", b"[", b"]",
    b'"' + b"n" * 1_100 + b'"', b"[" * 40 + b"]" * 40, b'{"a":' * 300 + b"1" + b"}" * 300, b" 1 ", b"01", b"1,", b'"',
)  # fmt: skip
FIELDS: tuple[bytes, ...] = (
    b"type", b"id", b"model", b"version", b"ts", b"prediction", b"label", b"features", b"score", b"proba", b"segment",
    b"latency_ms", b"attributions", b"name", b"value", b"more", b"",
)  # fmt: skip
KINDS = (b"prediction", b"label", b"signal", b"guess")
SPACES = (b"", b" ", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\x0b")
GOOD = {
    b"id": b'"r"', b"model": b'"m"', b"prediction": b"1", b"label": b"1", b"name": b'"loss"', b"value": b"0.5",
    b"features": b'{"amount":12.5,"country":"CN"}', b"segment": b'{"region":"eu"}',
}  # fmt: skip


class Choices:
    """Reads choices from bytes; when they are used up every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, below: int) -> int:
        """A number from 0 on."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1] % below

    def of(self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.number(len(options))]

    def rest(self) -> bytes:
        """Everything that was not read yet."""
        rest, self._at = self._data[self._at :], len(self._data)
        return rest


def event(choices: Choices) -> bytes:
    """An event, right but for what was chosen."""
    kind = choices.of(KINDS)
    fields = {b"type": b'"' + kind + b'"', **GOOD}
    changes = [(choices.of(FIELDS), choices.of(VALUES)) for _ in range(choices.number(4))]
    written = [b'"' + name + b'":' + value for name, value in [*fields.items(), *changes]]
    return b"{" + b",".join(written) + b"}"


def message(choices: Choices) -> bytes | None:
    """A message of one, several or no events; bytes as they come; or a tombstone."""
    form = choices.number(8)
    if form == 7:
        return None
    if form == 6:
        return choices.rest()
    space = choices.of(SPACES)
    if form in (0, 1, 2):
        return space + event(choices)
    items = [event(choices) if choices.number(4) else choices.of(VALUES) for _ in range(choices.number(6))]
    if form == 3:
        return b"\n".join(items)
    return b"[" + (space + b",").join(items) + b"]" + (b"" if form == 4 else space)


def document(choices: Choices, keys: Sequence[str], words: Sequence[str], depth: int = 0) -> str:
    """A YAML flow value with known keys and words, nearly a configuration."""
    form = choices.number(6 if depth < 4 else 3)
    if form < 3:
        return choices.of(words)
    if form == 3:
        return "[" + ", ".join(document(choices, keys, words, depth + 1) for _ in range(choices.number(4))) + "]"
    pairs = (f"{choices.of(keys)}: {document(choices, keys, words, depth + 1)}" for _ in range(1 + choices.number(4)))
    return "{" + ", ".join(pairs) + "}"
