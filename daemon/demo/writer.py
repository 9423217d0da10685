"""The process beside the demo that trains the models and then plays the world: it writes the events, in good time."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Self

from daemon import exits
from daemon.demo.embedded import EmbeddedLog
from daemon.demo.fleet import Fleet
from daemon.demo.layout import Layout
from daemon.demo.story import MINUTE, Story
from daemon.demo.training import train
from daemon.demo.worlds import WORLDS

SLICE = 20 * MINUTE
"""Event time that is written at once."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What ended the process before its time."""

    why: str


class Writer:
    """The process as its parent sees it."""

    def __init__(self, layout: Layout, story: Story, seed: int) -> None:
        context = get_context("spawn")
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, layout, story, seed), daemon=True)
        self._lines: int | None = None

    def __enter__(self) -> Self:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: more threads only wait for one another
        self._process.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.join(5.0)
        self._mine.close()

    def trained(self, max_wait_s: float) -> bool:
        """Wait until models, configuration and the first events are there. Raises `Ended` if they can't be."""
        return self._mine.poll(max_wait_s) and self._told() is not None

    def go(self, seconds: float) -> None:
        """Let it write the rest of the story, spread over so many seconds."""
        self._mine.send(seconds)

    def lines(self) -> int | None:
        """How many lines there are, once the story has ended; None before. Raises `Ended` if it can't end."""
        if self._lines is None and self._mine.poll():
            self._lines = self._told()
        return self._lines

    def _told(self) -> int:
        try:
            told = self._mine.recv()
        except EOFError:
            told = Trouble("the process that plays the world has died")
        if isinstance(told, Trouble):
            raise exits.Ended(exits.SOFTWARE, f"the simulated fleet can't go on: {told.why}")
        return int(told)


def _work(parent: Connection, layout: Layout, story: Story, seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who then ends this process
    try:
        fleet = Fleet(train(WORLDS, layout.models, seed), story, seed)
        layout.write_config(fleet.models)
        with EmbeddedLog(fleet, layout.events) as log:
            lines = log.write_until(story.start + SLICE)
            parent.send(lines)
            parent.send(lines + _play(log, story, float(parent.recv())))
        parent.recv()
    except EOFError:
        return  # the parent has gone
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it
        parent.send(Trouble(f"{type(error).__name__}: {error}"))


def _play(log: EmbeddedLog, story: Story, seconds: float) -> int:
    """Write slice after slice, each when its time has come."""
    began, lines = time.monotonic(), 0
    end = story.start + story.span
    for until in range(story.start + 2 * SLICE, end + SLICE, SLICE):
        due = began + seconds * (until - story.start) / story.span
        time.sleep(max(0.0, due - time.monotonic()))
        lines += log.write_until(min(until, end))
    return lines
