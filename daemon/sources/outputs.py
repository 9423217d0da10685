"""Whether the topics are there that sinks will write to: a misspelt one is told at start, as one that is read."""

from __future__ import annotations

from collections.abc import Mapping

from kafka.errors import KafkaError

from config.streams import Kafka
from daemon.kafka_client import fatal
from daemon.sinks import kafka as sink
from daemon.sources.base import SourceError
from daemon.sources.transports.base import Trouble


def missing(settings: Kafka, outputs: Mapping[str, str]) -> str:
    """Those that are not there, each after the setting that names it; "" if all are. Raises `Trouble`, `SourceError`.

    Brokers that create topics by themselves have done so by then. Asked through kafka-python whatever reads, for it is
    what writes.
    """
    if not outputs:
        return ""
    try:
        found = sink.missing(settings.client_options() | settings.producer, outputs)
    except KafkaError as error:
        if reason := fatal(error):
            raise SourceError(f"kafka: {reason}") from error
        raise Trouble(str(error) or type(error).__name__) from error
    except OSError as error:
        raise SourceError(f"kafka.security: {error.filename}: {error.strerror}") from error
    return "; ".join(f"{outputs[topic]}: not on the brokers: {topic}" for topic in found)
