"""`vigild run`: the daemon. Watches until it is told to stop, or until finite input has ended."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration

if TYPE_CHECKING:
    from config import Config
    from daemon.commands.reload import Reload
    from daemon.commands.signals import Signals


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="watch what the configuration names, until stopped",
        description="Watch until stopped. SIGTERM or Ctrl-C: finish what was read, commit, send, exit 0; once more: "
        "at once. SIGHUP: take up the configuration as it is now, or say what is wrong with it.",
    )
    configuration.add_option(parser)
    parser.add_argument(
        "--start-empty",
        action="store_true",
        help="begin without a state although the consumer group has offsets (what was learnt is lost)",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it is done.

    1. Take charge of signals, so that one that comes during the start is not lost.
    2. Read the configuration, and whether the process is to end at a step of a commit.
    3. Set up the log as it says, and say what will be done.
    4. Open everything, and serve health, metrics and the page.
    5. Load the compiled kernels.
    6. Loop until stopped; the loop drains before it returns.
    7. Where SIGHUP brought another configuration: once more from 3, with what was committed.
    """
    from daemon import garbage, unloaded

    garbage.none_while_starting()
    unloaded.load_structlog_without_rich()

    import structlog

    from daemon import telemetry
    from daemon.commands.reload import Reload
    from daemon.commands.signals import Signals
    from daemon.state import steps
    from daemon.version import version

    with Signals() as signals:
        config = configuration.load(arguments.config)
        stop = steps.asked()
        telemetry.configure(config.log.level, config.log.format)
        log = structlog.get_logger("vigild")
        log.info("vigild starts", version=version())
        if stop is not None:
            stopping = {"step": stop.step.name, "time": stop.time, "signal": stop.signal.name}
            log.warning("VIGIL_STOP_AT ends it at a step", **stopping)
        return _watch(Reload(arguments.config, config), signals, start_empty=arguments.start_empty)


def _watch(reload: Reload, signals: Signals, *, start_empty: bool) -> int:
    """Watch by one configuration after the other; returns the exit code."""
    import structlog

    log = structlog.get_logger("vigild")
    signals.on_hangup = reload.consider
    while True:
        try:
            _watch_by(reload, signals, start_empty=start_empty)
        except Exception as error:
            code = exits.code_of(error)
            if code is None:
                log.exception("ended by a mistake of Vigil's", exit_code=exits.SOFTWARE)
                return exits.SOFTWARE
            if reload.go_back(error):
                continue
            log.error("ended", reason=exits.message_of(error), exit_code=code)  # noqa: TRY400 - foreseen: no traceback
            return code
        if signals.stopping() or not reload.asked:
            log.info("stopped", reason=signals.reason or "the input has ended")
            return exits.OK
        reload.take()
        start_empty = False


def _watch_by(reload: Reload, signals: Signals, *, start_empty: bool) -> None:
    """Watch by one configuration, until stopped, at the end of the input, or until there is another."""
    from daemon import app
    from daemon.web.pulse import Pulse
    from daemon.web.server import serving

    config = reload.running
    _prepare(config, reload.path)
    with closing(app.live(config, start_empty=start_empty)) as pipeline:
        reload.opened()
        pulse = Pulse(time.monotonic)
        with serving(config.http.host, config.http.port, pipeline.status, pulse):
            app.warm_up(signals.stopping)
            pipeline.run(pulse.with_each(lambda: signals.stopping() or reload.asked))


def _prepare(config: Config, path: Path) -> None:
    """Set up the log, and say in it what is about to be done: a line for each thing that may be asked about."""
    import structlog

    from config import config_hash
    from daemon import telemetry

    telemetry.configure(config.log.level, config.log.format)
    log = structlog.get_logger("vigild")
    log.info("configuration", file=str(path.resolve()), hash=config_hash(config))
    if config.kafka is not None:
        topics = [topic.name for topic in config.kafka.topics]
        log.info("source", kind="kafka", brokers=list(config.kafka.brokers), topics=topics, group=config.kafka.group)
    if config.files is not None:
        log.info("source", kind="files", paths=list(map(str, config.files.paths)), follow=config.files.follow)
    if config.source is not None:
        log.info("source", kind=config.source.kind)
    for queue, sinks in config.outputs.items():
        log.info("sink", queue=queue, to=[_sink_named(sink) for sink in sinks])
    for model, settings in config.models.items():
        if settings.explain.model_file:
            log.info("model file", model=model, file=settings.explain.model_file)
    log.info("state", directory=str(config.state.path.resolve()))


def _sink_named(sink: Any) -> str:
    """A sink for the log: its kind and where it leads, never a secret."""
    where = getattr(sink.settings, "topic", None) or getattr(sink.settings, "path", None)
    return f"{sink.kind}:{where}" if where else str(sink.kind)
