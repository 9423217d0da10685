"""`vigild demo`: the fleet, Vigil beside it, and a screen for both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from daemon import exits
from daemon.demo.gauges import Gauges
from daemon.demo.layout import Layout, usual
from daemon.demo.screen import Screen
from daemon.demo.story import SECOND, Story, one_monday
from daemon.demo.summary import summary
from daemon.demo.training import require_libraries
from daemon.demo.writer import Writer

if TYPE_CHECKING:
    from config import Config
    from daemon.alerts.notice import Notice

USUAL_S = 150.0
"""Wall time after which it stops, finished or not, unless told otherwise."""
SPEED = 3_600.0
"""Event time by wall time: an hour a second, if the machine keeps up."""
_FAREWELL_S = 2.0
_TRAINING_S = 120.0
_WARMING_S = 40.0
"""Longest to wait for the first explanations: alerts would come without, for SHAP takes seconds to import."""


def run(
    seconds: float | None = None,
    *,
    directory: Path | None = None,
    story: Story | None = None,
    seed: int = 0,
    stream: TextIO | None = None,
) -> int:
    """Run the demo; returns the exit code.

    1. Another process trains the models, and writes the configuration and the first events.
    2. Vigil is built from that configuration, as `vigild run` builds it.
    3. The other process writes on, slice after slice, while Vigil follows.
    4. What was said is held against the truth.
    """
    from daemon.commands.signals import Signals

    began = time.monotonic()
    require_libraries()
    layout = usual() if directory is None else Layout(directory)
    layout.prepare()
    story = story or one_monday()
    gauges = Gauges(layout.readings)
    screen = Screen(story, gauges, stream)
    with ExitStack() as stack:
        stack.enter_context(closing(gauges))
        signals = stack.enter_context(Signals())
        screen.introduce()
        writer = stack.enter_context(Writer(layout, story, seed))
        screen.say(f"Training them. Everything there is to see afterwards is under {layout.directory}/")
        config = _configured(layout, writer, stack)
        status, took_s = _follow(
            config, story, writer, screen, stopping=signals.stopping, end=began + (seconds or USUAL_S)
        )
        gauges.look()
        for line in summary(screen.record, story, layout, status=status, figures=gauges.latest, took_s=took_s):
            screen.say(line)
    return exits.OK


def _follow(
    config: Config, story: Story, writer: Writer, screen: Screen, *, stopping: Callable[[], bool], end: float
) -> tuple[Mapping[str, Any], float]:
    """Let Vigil follow the story to its end, or until `end` (monotonic seconds). Returns its status, and how long."""
    from daemon import app
    from daemon.alerts.log import log_notices

    def on_notice(notice: Notice) -> None:
        log_notices([notice])
        screen.notice(notice)

    with closing(app.live(config, on_notice=on_notice)) as vigil:
        began = time.monotonic()
        gone = False

        def over() -> bool:
            nonlocal gone
            now = time.monotonic()
            if not gone and (_explains(vigil.status()) or now >= min(began + _WARMING_S, end)):
                writer.go(min(story.span / SECOND / SPEED, max(1.0, end - now - _FAREWELL_S)))
                gone = True
            screen.tick()
            lines = writer.lines()
            read_all = lines is not None and sum(vigil.status().get("positions", {}).values()) >= lines
            return read_all or stopping() or time.monotonic() >= end

        with screen.watch(vigil.status):
            vigil.run(over)
        return vigil.status(), time.monotonic() - began


def _explains(status: Mapping[str, Any]) -> bool:
    return bool(status.get("explanations", {}).get("explained"))


def _configured(layout: Layout, writer: Writer, stack: ExitStack) -> Config:
    """Wait for the models; meanwhile import what takes long. Vigil's own log goes to a file."""
    from daemon import app, telemetry
    from daemon.commands import configuration

    app.registry()
    if not writer.trained(_TRAINING_S):
        raise exits.Ended(exits.UNAVAILABLE, f"the models were not trained within {_TRAINING_S:.0f} s")
    config = configuration.load(layout.config)
    log = stack.enter_context(layout.log.open("w"))
    telemetry.configure(config.log.level, "console", log)
    stack.callback(telemetry.configure)
    return config
