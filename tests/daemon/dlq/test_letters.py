"""Finding dead letters: each once, whatever stands among them, and no waiting for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon import dumping
from daemon.dlq import letters as dlq
from daemon.dlq.letters import NAMED, Chosen, Found, NoLetter, Reading
from daemon.envelopes import dead_letter
from daemon.records import Partition, Position
from daemon.sources.base import Unreachable
from daemon.state.store import Store
from processors.packing import pack
from tests.integration.running import configured


def found(offset: int, reason: str = "not_json", value: bytes = b"{") -> Found:
    """A letter of what stood at an offset."""
    return Found(dead_letter(("events", 0, offset, 0), reason, "", key=None, value=value), b"")


def offsets(reading: Reading) -> list[int]:
    """Which letters are read."""
    return [each.letter.offset for each in reading]


def test_a_letter_that_came_twice_is_read_once() -> None:
    """Of those that are meant; what else stood at the same place of a topic made anew is another one."""
    all_of_them = [found(1), found(2, "conflict"), found(1), found(2, "conflict"), found(1, value=b"[")]
    reading = Reading(all_of_them, Chosen(reasons=["not_json"]))
    assert (offsets(reading), reading.again) == ([1, 1], 1)


def test_what_is_remembered_of_letters_is_bounded() -> None:
    """One that comes again behind fewer others than are remembered is known; what is longer ago may be forgotten."""
    reading = Reading(map(found, [0, 1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 0]), Chosen(), remembered=4)
    assert offsets(reading) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert reading.again == 1


def test_what_is_no_letter_is_counted_and_the_first_are_named() -> None:
    """However many they are; the letters among them are read."""
    reading = Reading([found(1), *[NoLetter("dead/0 at 5", "none")] * 50, found(2)], Chosen())
    assert offsets(reading) == [1, 2]
    assert (reading.foreign.count, reading.foreign.first) == (50, ["dead/0 at 5: none"] * NAMED)


def listed(config: Any, _: Path) -> None:
    """Look for dead letters."""
    next(dlq.letters(config, []))


def dumped(config: Any, folder: Path) -> None:
    """Dump what was consumed."""
    dumping.dump(config, folder / "dump.ndjson")


@pytest.mark.parametrize("command", [listed, dumped])
@pytest.mark.parametrize("transport", ["kafka-python", "confluent"])
def test_a_command_gives_up_where_no_broker_answers(
    command: Callable[[Any, Path], None], transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 69 and a line that names the brokers, where a daemon would wait for ever."""
    for module in (dlq, dumping):
        monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    kafka = f'{{brokers: ["localhost:1"], topics: [events], transport: {transport}}}'
    config = configured(f"kafka: {kafka}\nstate: {{path: {tmp_path / 'state'}}}\n")
    with Store.open(config.state.path) as store, store.commit() as commit:
        commit.positions({Partition("events", 0): Position(1)})
        commit.put("pipeline", pack({"closed_until": 0}))
    with pytest.raises(Unreachable, match=r"none of localhost:1 answered for 1 s") as raised:
        command(config, tmp_path)
    assert raised.value.exit_code == 69
    assert not (tmp_path / "dump.ndjson").exists()
