"""No secret leaves: one is planted wherever a configuration can take one, and looked for in all that is said."""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import confluent_kafka as ck
import pytest
import yaml
from kafka import KafkaProducer
from kafka.errors import KafkaConfigurationError

from config import ConfigError, load
from config.environment import FromEnvironment
from daemon import app
from daemon.kafka_client import opened
from daemon.sources import SourceError
from daemon.sources.transports import librdkafka
from tests.daemon.commands.vigild import environment, events, vigild, write

SECRET = "hunter2-s3cr3t"  # noqa: S105 - nobody's
NOBODY_LISTENS = "127.0.0.1:1"
SASL = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "vigil"}
PLANTED = "${PLANTED}"

MISTAKES: tuple[dict[str, Any], ...] = (
    {"kafka": {"security": {**SASL, "protocol": PLANTED}}},
    {"kafka": {"security": {**SASL, "mechanism": PLANTED}}},
    {"kafka": {"security": {**SASL, "passwrd": PLANTED}}},
    {"kafka": {"security": {**SASL, "password": [1, PLANTED]}}},
    {"kafka": {"security": {**SASL, "password": {"is": PLANTED}}}},
    {"kafka": {"security": {**SASL, "password": SECRET}}},
    {"kafka": {"security": {**SASL, "password": PLANTED, "password_file": PLANTED}}},
    {"kafka": {"security": {"protocol": "SSL", "key_password": SECRET}}},
    {"kafka": {"security": {"protocol": "SSL", "ca_file": PLANTED, "key_file": PLANTED}}},
    {"kafka": {"consumer": {"sasl_plain_password": PLANTED}}},
    {"kafka": {"producer": {"group_id": PLANTED}}},
    {"kafka": {"start": PLANTED, "alerts": f"{PLANTED}!", "transport": PLANTED}},
    {"limits": {"depth": PLANTED}, "labels": {"wait": PLANTED}, "time": {"clock": PLANTED}},
    {"models": {"m": {"task": PLANTED, "explain": {"model_file": PLANTED, "format": "joblib", "sha256": PLANTED}}}},
    {"models": {"m": {"features": {"amount": PLANTED}, "thresholds": [{"series": PLANTED}]}}},
    {"sinks": {"alerts": {"webhook": PLANTED}, "readings": [{"file": {"pth": PLANTED}}]}},
    {"detectors": [{"river": PLANTED, "series": "x"}, {"river": "drift.KSWIN", "params": {"alpha": PLANTED}}]},
    {"detectors": [{"river": "drift.KSWIN", "params": {PLANTED: 1}, "series": "x"}]},
    {"monitors": {"feature_drift": {"min_effect": PLANTED}, "nothing": PLANTED}},
    {"alerts": {"false_alarms": PLANTED, "silences": [{"match": {"severity": PLANTED}, "from": PLANTED}]}},
    {"alerts": {"routing": {"api_token": PLANTED}}},
    {"models": {"m": {"routing": {"pager_secret": PLANTED}}}},
    {"http": {"port": PLANTED}, "log": {"level": PLANTED, "format": PLANTED}, "state": {"path": [PLANTED]}},
    {"redact": {"features": {"a": PLANTED}}, "files": {"paths": PLANTED, "codec": PLANTED}},
)
"""What a user may get wrong around a value that comes from the environment."""


def written(folder: Path, sections: dict[str, Any]) -> None:
    """Write a configuration: these sections over a Kafka that nobody listens at."""
    kafka = {"brokers": NOBODY_LISTENS, "topics": "events", "security": {**SASL, "password": PLANTED}}
    whole = {"http": {"port": None}, "log": {"level": "debug"}, **sections}
    (folder / "vigil.yaml").write_text(yaml.safe_dump({**whole, "kafka": kafka | sections.get("kafka", {})}))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_without_the_values_that_came_from_the_environment(
    mistake: dict[str, Any], tmp_path: Path
) -> None:
    """Every mistake around a planted value is refused with its place, and none repeats the value."""
    written(tmp_path, mistake)
    registry = app.registry()
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "vigil.yaml", {"PLANTED": SECRET}, registry)
    assert SECRET not in str(refused.value)
    assert "vigil.yaml:" in str(refused.value)


@pytest.mark.parametrize("place", ["KAFKA__START", "KAFKA__SECURITY__PROTOCOL", "LIMITS__DEPTH", "DETECTORS", "SINKS"])
@pytest.mark.parametrize("text", [SECRET, f"[{SECRET}]", f"{{a: {SECRET}}}", f"[{SECRET}", f'"{SECRET}"'])
def test_mistakes_in_variables_are_told_without_their_values(place: str, text: str, tmp_path: Path) -> None:
    """A variable over the file is named, never repeated, whether it is YAML or not."""
    written(tmp_path, {})
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "vigil.yaml", {"PLANTED": "x", f"VIGIL_{place}": text})
    assert SECRET not in str(refused.value)
    assert f"$VIGIL_{place}" in str(refused.value)


def test_a_configuration_is_shown_without_secrets(tmp_path: Path) -> None:
    """Those of its own fields, those that come into options of the Kafka library, and those that files hold."""
    (tmp_path / "password").write_text(SECRET + "\n")
    options = {"api_version_auto_timeout_ms": 3_000, "rack": PLANTED, "auth_token": SECRET, "a_password": 12_345_678}
    kafka: dict[str, Any] = {"consumer": options, "producer": {"metrics_token": PLANTED}}
    for security in ({"password_file": "password"}, {"password": PLANTED, "key_password": PLANTED}):
        written(tmp_path, {"kafka": {**kafka, "security": {**SASL, **security}}})
        told = vigild("config", "print", cwd=tmp_path, env={"PLANTED": SECRET})
        assert told.returncode == 0, told.stderr
        assert SECRET not in told.stdout + told.stderr
        assert "12345678" not in told.stdout
        assert "api_version_auto_timeout_ms: 3000" in told.stdout


def test_a_run_that_fails_says_no_secret(tmp_path: Path) -> None:
    """No broker answers: the log of the most talkative level, and what is left on disk, is free of it."""
    problem = "no kafka broker answers"
    (tmp_path / "password").write_text(SECRET + "\n")
    security = {**SASL, "mechanism": "SCRAM-SHA-256", "password_file": "password"}
    written(tmp_path, {"kafka": {"security": security}, "state": {"path": str(tmp_path / "state")}})
    said = _ran_until(problem, tmp_path)
    assert problem in said
    assert SECRET not in said
    told = vigild("state", "inspect", cwd=tmp_path, env={"PLANTED": SECRET})
    assert SECRET not in told.stdout + told.stderr
    for path in (tmp_path / "state").iterdir():
        assert SECRET.encode() not in path.read_bytes(), path


def test_what_the_kafka_library_does_not_take_is_named_without_its_value() -> None:
    """Its own complaint repeats all options that it doesn't know; ours has no value that may be secret."""
    options = {"no_such_option": FromEnvironment(SECRET, PLANTED), "other_token": SECRET, "third": 3}
    with pytest.raises(KafkaConfigurationError) as refused:
        opened(KafkaProducer, bootstrap_servers=NOBODY_LISTENS, **options)
    assert "no_such_option" in str(refused.value)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "options",
    [
        {"security.protocol": PLANTED},
        {"debug": PLANTED},
        {"sasl.mechanism": PLANTED},
        {"ssl.key.pem": SECRET, "security.protocol": "SSL"},
        {"session.timeout.ms": PLANTED},
        {"topic.metadata.refresh.interval.ms": [1, SECRET]},
        {"no.such": PLANTED},
    ],
)
def test_what_librdkafka_does_not_take_is_told_without_its_value(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Some of its complaints repeat the value, and so do some lines of its log."""
    given = {name: FromEnvironment(SECRET, PLANTED) if text == PLANTED else text for name, text in options.items()}
    told = ""
    try:
        consumer = librdkafka.opened(ck.Consumer, {"group.id": "g", "logger": librdkafka.LOG} | given)
    except SourceError as refused:
        told = "".join(traceback.format_exception(refused))
    else:
        consumer.poll(0.2)
        consumer.close()
    assert SECRET not in told + caplog.text
    assert told or caplog.text, "nothing was said"


def test_what_is_said_of_events_has_no_secret(tmp_path: Path) -> None:
    """Alerts, readings and dead letters of a whole stream tell nothing of the configuration but its hash."""
    stream = write(tmp_path / "events.ndjson", events())
    stream.write_text(stream.read_text() + "{oops\n")
    written(tmp_path, {"kafka": {"consumer": {"auth_token": PLANTED}}})
    outputs = {name: tmp_path / f"{name}.out" for name in ("alerts", "readings", "dead-letters")}
    options = [part for name, path in outputs.items() for part in (f"--{name}", path)]
    told = vigild("replay", "-c", "vigil.yaml", "--input", stream, *options, cwd=tmp_path, env={"PLANTED": SECRET})
    assert told.returncode == 0, told.stderr
    for path in outputs.values():
        assert path.stat().st_size > 0, path
        assert SECRET not in path.read_text()
    assert SECRET not in told.stdout + told.stderr


def _ran_until(problem: str, folder: Path) -> str:
    """All that a run says until it has told its problem, ended for it, or been stopped."""
    command = [sys.executable, "-m", "daemon", "run"]
    env = environment({"PLANTED": SECRET})
    said = []
    with subprocess.Popen(
        command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if problem in line:
                process.send_signal(signal.SIGTERM)
    return "".join(said)
