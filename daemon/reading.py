"""What a configuration has read: its source, files for a replay, the decoder of both, the files of references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from config import Config
from config.streams import Files, KafkaSink
from daemon.clocks import Clocks
from daemon.codecs import codecs
from daemon.decode import Bounds, Decoded, Decoder
from daemon.references import References
from daemon.sources import sources
from daemon.sources.base import Opening, Source
from daemon.state.store import Store


def source(config: Config, store: Store, *, start_empty: bool) -> Source:
    """Where events come from. Raises `SourceError`."""
    name, settings = chosen(config)
    most = int(config.limits.message_bytes)
    opening = Opening(store.positions, start_empty, most, store.instance, outputs=outputs(config))
    return sources()[name](settings, opening)


def outputs(config: Config) -> dict[str, str]:
    """The topics that sinks will write to, each with the setting that names it."""
    found: dict[str, str] = {}
    for queue, specs in config.outputs.items():
        setting = f"kafka.{queue}" if getattr(config.sinks, queue) == "auto" else f"sinks.{queue}"
        found |= {spec.settings.topic: setting for spec in specs if isinstance(spec.settings, KafkaSink)}
    return found


def chosen(config: Config) -> tuple[str, Any]:
    """The kind of source to read from, and its settings."""
    if config.source is not None:
        return config.source.kind, config.source.settings
    return ("kafka", config.kafka) if config.kafka is not None else ("files", config.files)


def files(config: Config, paths: Sequence[Path]) -> Source:
    """Files to be read to their end, each once."""
    opening = Opening(message_bytes=int(config.limits.message_bytes))
    return sources()["files"](Files(paths=tuple(paths), codec=_replay_codec(config)), opening)


def decoder(config: Config, clocks: Clocks, *, timeless: bool = False) -> Decoder:
    """Messages to rows. `timeless` takes events that have no time at all."""
    kinds = codecs()
    topics = config.kafka.topics if config.kafka is not None else ()
    limits = config.limits
    lifted = {name: tuple(model.segments) for name, model in config.models.items() if model.segments}
    return Decoder(
        {topic.name: kinds[topic.codec]() for topic in topics},
        kinds[_replay_codec(config)](),
        clocks,
        Bounds(int(limits.message_bytes), limits.events_per_message, depth=limits.depth),
        event_clock=config.time.clock == "event",
        lifted=lifted,
        timeless=timeless,
    )


def references(config: Config) -> References | None:
    """The files of references, if any model has one."""
    of_model = cache(config.for_model)
    if not any(of_model(name).reference for name in ("*", *config.models)):
        return None

    def read(path: Path) -> Iterator[Decoded]:
        """The events of a file, with clocks of their own: nothing of it is part of the stream."""
        clocks = Clocks(0, int(config.time.max_ahead))
        decode = decoder(config, clocks, timeless=True).decode
        with closing(files(config, (path,))) as source:
            ended = False
            while not ended:
                polled = source.poll(0.0, 2_048)
                yield from map(decode, polled.runs)
                ended = bool(polled.finished) and polled.finished >= set(source.positions())

    return References(lambda model: of_model(model).reference, read)


def _replay_codec(config: Config) -> str:
    """How events are written that are of no topic: what the source's settings say, if they have a `codec`."""
    return str(getattr(chosen(config)[1], "codec", "native"))
