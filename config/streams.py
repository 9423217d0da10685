"""Where events come from and where alerts, readings and dead letters go."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer, SecretStr, model_serializer

from config.environment import FromEnvironment, resolved
from config.section import SECRET_NAME, Names, Paths, Secret, Section, TopicName, listed

OWNED_OPTIONS = {
    "bootstrap_servers": "Set kafka.brokers instead.",
    "client_id": "Set kafka.client_id instead.",
    "group_id": "Set kafka.group instead.",
    "auto_offset_reset": "Set kafka.start instead.",
    "enable_auto_commit": "Remove it: positions live in Vigil's state and are committed with it.",
    "auto_commit_interval_ms": "Remove it: positions live in Vigil's state and are committed with it.",
    "isolation_level": "Remove it: Vigil reads committed records only.",
    "consumer_timeout_ms": "Remove it: it would end the daemon when a topic is quiet.",
    "acks": "Remove it: Vigil waits for all replicas, else an alert could be lost.",
    "enable_idempotence": "Remove it: Vigil sets it, else an alert could be lost or reordered.",
    "transactional_id": "Remove it: what leaves goes through Vigil's own outbox.",
    "group_instance_id": "Remove it: it is the name of Vigil's state.",
    "group_protocol": "Remove it: Vigil uses the classic one.",
    "partition_assignment_strategy": "Remove it: Vigil deals partitions anew at each rebalance.",
    "enable_auto_offset_store": "Remove it: positions live in Vigil's state and are committed with it.",
    "enable_partition_eof": "Remove it: Vigil sets it to know when a partition is read to its end.",
    "plugin_library_paths": "Remove it: Vigil loads no libraries that its configuration names.",
}
"""Options that Vigil sets itself, because delivery or safety depends on them, with what to do instead.

By kafka-python's names; librdkafka's are the same with dots.
"""


def _passed_through(option: str) -> str:
    """Refuse an option on which delivery or secrecy depends. Raises ValueError with the remedy."""
    name = option.replace(".", "_")
    instead = OWNED_OPTIONS.get(name)
    if name.startswith(("sasl_", "ssl_", "security_")) and not name.startswith("sasl_kerberos_"):
        instead = "Use kafka.security instead."
    if name.endswith("serializer"):
        instead = "Remove it: Vigil sends and reads bytes."
    if instead is not None:
        raise ValueError(f"can't be set here. {instead}")
    return option


def _masked(options: dict[str, Any]) -> dict[str, Any]:
    """The options without what may be secret: texts from the environment, and what is called like a secret."""
    return {
        name: "***" if isinstance(value, FromEnvironment) or SECRET_NAME.search(name) else value
        for name, value in options.items()
    }


Options = Annotated[
    dict[Annotated[str, AfterValidator(_passed_through)], Any],
    BeforeValidator(resolved),
    PlainSerializer(_masked, when_used="json"),
]


def _named(topic: Any) -> Any:
    return {"name": topic} if isinstance(topic, str) else topic


class Topic(Section):
    """A topic to read and how its messages are written."""

    name: TopicName
    """The topic's name."""
    codec: str = "native"
    """How its messages are written."""


NamedTopic = Annotated[Topic, BeforeValidator(_named, json_schema_input_type=str | Topic)]
Topics = Annotated[tuple[NamedTopic, ...], BeforeValidator(listed, json_schema_input_type=str | list[NamedTopic])]


class Security(Section):
    """TLS and SASL, as kafka-python has them."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """TLS (`SSL`), SASL, both or neither."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "AWS_MSK_IAM"] | None = None
    """How SASL proves who Vigil is."""
    username: str | None = None
    """SASL user (PLAIN and SCRAM)."""
    password: Secret | None = None
    """SASL password, only from the environment: `${KAFKA_PASSWORD}`."""
    password_file: Path | None = None
    """A file that holds the SASL password and nothing else; read at each connection."""
    ca_file: Path | None = None
    """Certificates of the authorities to trust (PEM); the system's if not given."""
    cert_file: Path | None = None
    """Vigil's own certificate (PEM), where brokers ask for one."""
    key_file: Path | None = None
    """Key of `cert_file` (PEM)."""
    key_password: Secret | None = None
    """Password of `key_file`, only from the environment."""
    check_hostname: bool = True
    """Whether the broker's certificate must carry its host name."""

    def read_password(self) -> SecretStr | None:
        """The SASL password, from the file if one is named. Raises OSError if it can't be read."""
        if self.password_file is None:
            return self.password
        return SecretStr(self.password_file.read_text(encoding="utf-8").rstrip("\r\n"))


class Kafka(Section):
    """The brokers, what is read from them and what is written to them."""

    brokers: Names = Field(min_length=1)
    """Addresses to start from, `host:port`."""
    topics: Topics = Field(min_length=1)
    """Topics to read, predictions and labels alike: names, or {name, codec}."""
    group: str = Field(default="vigil", min_length=1)
    """Consumer group; also the source named in alerts (`vigil/<group>`)."""
    client_id: str = "vigil"
    """How Vigil calls itself in the brokers' logs and quotas."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where to begin in a partition that the state doesn't know."""
    security: Security = Security()
    """TLS and SASL."""
    alerts: TopicName = "vigil.alerts"
    """Topic for alerts."""
    readings: TopicName = "vigil.readings"
    """Topic for readings."""
    dead_letters: TopicName = "vigil.dead_letters"
    """Topic for events that were refused."""
    control: TopicName | None = None
    """Topic for operators' orders (`vigild alert`). Who may write to it may give them; none are taken if not given."""
    transport: Literal["kafka-python", "confluent"] = "kafka-python"
    """The client library that reads; `confluent` needs the extra of that name and takes less CPU."""
    consumer: Options = Field(default_factory=dict)
    """More options for the consumer, by the names that the transport's library has for them."""
    producer: Options = Field(default_factory=dict)
    """More options for kafka-python's producer, by its own names."""

    @property
    def consumed(self) -> tuple[str, ...]:
        """Everything that is read: the topics of events, and that of orders."""
        return (*(topic.name for topic in self.topics), *([self.control] if self.control else []))

    def client_options(self) -> dict[str, Any]:
        """What kafka-python's consumer and producer both need, secrets in the clear. Raises OSError: password_file."""
        security, password = self.security, self.security.read_password()
        options = {
            "bootstrap_servers": list(self.brokers),
            "client_id": self.client_id,
            "security_protocol": security.protocol,
            "ssl_cafile": _text(security.ca_file),
            "ssl_certfile": _text(security.cert_file),
            "ssl_keyfile": _text(security.key_file),
            "ssl_password": security.key_password and security.key_password.get_secret_value(),
            "ssl_check_hostname": security.check_hostname,
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": password and password.get_secret_value(),
        }
        return {name: value for name, value in options.items() if value is not None}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


class Files(Section):
    """An embedded log: files instead of Kafka."""

    paths: Paths = Field(min_length=1)
    """NDJSON files, plain or gzipped, or directories of them; each file is one partition."""
    follow: bool = False
    """Wait for more at the end, as `tail -f` does, instead of finishing."""
    codec: str = "native"
    """How the events are written."""


class Chosen(Section):
    """A kind that is registered elsewhere, and its settings."""

    kind: str
    """The kind's name."""
    settings: BaseModel
    """What the kind's own class says."""

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {self.kind: self.settings}


class SourceSpec(Chosen):
    """One place to read from: a kind of source and its settings."""


class SinkSpec(Chosen):
    """One place to write to: a kind of sink and its settings."""


SinkList = Literal["auto"] | tuple[SinkSpec, ...]


class Sinks(Section):
    """Each a list of `{kind: settings}`; `[]` throws away; `auto` follows the source."""

    alerts: SinkList = "auto"
    """Kafka source: the topic `kafka.alerts`. Others: standard output."""
    readings: SinkList = "auto"
    """Kafka source: the topic `kafka.readings`. Others: `readings.ndjson` under `state.path`."""
    dead_letters: SinkList = "auto"
    """Kafka source: the topic `kafka.dead_letters`. Others: `dead_letters.ndjson` under `state.path`."""


class KafkaSink(Section):
    """A topic."""

    topic: TopicName
    """Topic to send to, on the brokers of the section `kafka`."""


class FileSink(Section):
    """A file."""

    path: Path
    """NDJSON file to append to."""


class StdoutSink(Section):
    """Standard output; nothing to set."""


SECTIONED_SOURCES = ("kafka", "files")
"""Sources that have a section of their own."""
BUILT_IN_SINKS: dict[str, type[BaseModel]] = {"kafka": KafkaSink, "file": FileSink, "stdout": StdoutSink}
