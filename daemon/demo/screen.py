"""The demo on the terminal: the fleet as a table that stays, and above it what is said, as it is said.

Where nobody watches (a pipe, a file) there are lines only: no colours, no cursor tricks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from daemon.alerts.notice import Notice
from daemon.demo.gauges import Gauges
from daemon.demo.story import Story
from daemon.demo.verdicts import Record
from daemon.demo.wording import clock, figure, short, top_features
from daemon.demo.worlds import WORLDS, World

EVERY_S = 5.0
"""How often a line tells how far it is, where there is no table."""
_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "dim"}
_INDENT = " " * 11

Status = Callable[[], Mapping[str, Any]]


class Screen:
    """What people see. `notice` is for the pipeline's thread; the table is drawn by rich's own."""

    def __init__(self, story: Story, gauges: Gauges, stream: TextIO | None = None) -> None:
        self.console = Console(file=stream, highlight=False)
        self.record = Record()
        self._story, self._gauges = story, gauges
        self._status: Status = dict
        self._began = self._told_at = time.monotonic()
        self._live: Live | None = None

    def say(self, text: str, style: str = "") -> None:
        """A line, above the table if there is one."""
        self.console.print(Text(text, style), soft_wrap=not self.console.is_terminal)

    def introduce(self) -> None:
        """What will be watched."""
        self.say("Vigil watches a simulated fleet of four real models, faster than real time. No Kafka needed.", "bold")
        for world in WORLDS:
            self.say(f"  {world.model:8} v{world.version:3} {world.task:11} {world.about:27} {_labels(world)}")

    def watch(self, status: Status) -> Self:
        """Begin to show how far it is; leave the `with` block to stop."""
        self._status = status
        self._began = self._told_at = time.monotonic()
        return self

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self.console, refresh_per_second=4, transient=True)
            self._live.start(refresh=True)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tick(self) -> None:
        """Called often: without a table, tell now and then how far it is."""
        now = time.monotonic()
        if self._live is None and now - self._told_at >= EVERY_S:
            self._told_at = now
            self._gauges.look()
            models = "   ".join(f"{world.model} {figure(self._gauges.latest.get(world.model))}" for world in WORLDS)
            self.say(f"{self._clock():9}  {self._speed()}   {models}")

    def notice(self, notice: Notice) -> None:
        """Something was said about an alert: show what is news to people."""
        if notice.held:
            return
        news = notice.change
        self.record.note(notice)
        if news == "fired" and (notice.inhibited_by or notice.finding.group.segment):
            reason = "follows from an alert above" if notice.inhibited_by else "a part of the same"
            self._line(notice, "also", f"{notice.finding.group.model}: {short(notice)} ({reason})", "dim")
        elif news == "fired":
            self._line(notice, "ALERT", notice.finding.summary, _COLOURS[notice.severity])
            young = ", provisional" if notice.finding.provisional else ""
            advice = f"{notice.severity}{young}, {notice.action}: {notice.advice}"
            self.say(_INDENT + "       " + advice)
            self._explain(notice)
        elif news == "explained" and not notice.inhibited_by and not notice.finding.group.segment:
            self._explain(notice)
        elif news in ("resolved", "retired", "superseded"):
            quiet = notice.inhibited_by or notice.finding.group.segment
            said = f"{notice.finding.group.model}: {short(notice)}" if quiet else notice.finding.summary
            self._line(notice, news, said, "dim" if quiet else "green")

    def _line(self, notice: Notice, mark: str, said: str, style: str) -> None:
        self.say(f"{clock(notice.time):9}  {mark:8} {said}", style)

    def _explain(self, notice: Notice) -> None:
        if features := top_features(notice):
            self.say(f"{_INDENT}       SHAP of {notice.finding.group.model}: {features}")

    def _clock(self) -> str:
        closed = int(self._status().get("closed_until") or 0)
        return clock(closed) if closed else "starting"

    def _speed(self) -> str:
        closed = int(self._status().get("closed_until") or 0)
        passed = max(0, closed - self._story.start) / 1e6 / max(time.monotonic() - self._began, 1e-3)
        received = self._status().get("accounts", {}).get("received", 0)
        return f"×{passed:,.0f} real time, {received:,} events"

    def _table(self) -> Group:
        self._gauges.look()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("model", "task", "watching", "predictions", "now", "state"):
            table.add_column(column, justify="right" if column == "predictions" else "left", no_wrap=True)
        positions = self._status().get("positions", {})
        for world in WORLDS:
            served = positions.get(f"predictions-{world.model}/0", 0)
            table.add_row(
                f"{world.model} v{world.version}",
                world.task,
                world.about,
                f"{served:,}",
                figure(self._gauges.latest.get(world.model)),
                self._state(world.model),
            )
        return Group(Text(), Text(f"{self._clock()}  {self._speed()}", "bold"), table)

    def _state(self, model: str) -> str:
        firing = self.record.firing(model)
        if firing:
            worst = firing[0].latest
            more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
            return f"[{_COLOURS[worst.severity]}]{escape(short(worst))}{more}[/]"
        return "[green]healthy[/]" if model in self._gauges.latest else "[dim]learning what is normal[/]"


def _labels(world: World) -> str:
    hours = sum(world.hours_to_label)
    return f"labels after {hours:.1f} h" if hours >= 1 else f"labels after {60 * hours:.0f} min"
