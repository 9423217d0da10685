"""The environment: variables inside the file, variables over the file, and secrets that stay where they are."""

import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel

from config import Config, ConfigError, Registry, config_hash, parse, redacted_yaml

KAFKA = "kafka:\n  brokers: [localhost:9092]\n  topics: [predictions, labels]\n"
SASL = KAFKA + "  security: {protocol: SASL_SSL, mechanism: PLAIN, username: u, password: '${KAFKA_PASSWORD}'}\n"
SECRET = "hunter2: {[*&!"  # what YAML would stumble over  # noqa: S105


class Monitor(BaseModel):
    depth: int = 3
    label: str = "a"


def test_variables_fill_texts() -> None:
    """`${A}`, defaults and the escape, in texts and where a number is meant."""
    config = parse(
        KAFKA + "  group: ${A}-${B:-b}\n  client_id: $${A} $5\nhttp:\n  port: ${PORT}\n", {"A": "a", "PORT": "80"}
    )
    assert config.kafka is not None
    assert (config.kafka.group, config.kafka.client_id, config.http.port) == ("a-b", "${A} $5", 80)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("VIGIL_KAFKA__BROKERS", "a:1,b:2", "kafka.brokers=('a:1', 'b:2')"),
        ("VIGIL_KAFKA__BROKERS", "[a:1]", "kafka.brokers=('a:1',)"),
        ("VIGIL_HTTP__PORT", "null", "http.port=None"),
        ("VIGIL_HTTP__PORT", "0", "http.port=0"),
        ("VIGIL_HTTP", "{port: 1}", "http.port=1"),
        ("VIGIL_TIME__LATENESS", "3s", "time.lateness=Duration('3s')"),
        ("VIGIL_EXPLAIN__ENABLED", "false", "explain.enabled=False"),
        ("VIGIL_STATE__COMMIT_INTERVAL__MAX", "5s", "state.commit_interval.max=Duration('5s')"),
        ("VIGIL_KAFKA__CONSUMER__FETCH_MAX_WAIT_MS", "7", "kafka.consumer={'fetch_max_wait_ms': 7}"),
        ("VIGIL_ALERTS__ROUTING", "{team: risk}", "alerts.routing={'team': 'risk'}"),
    ],
)
def test_variables_lie_over_the_file(variable: str, value: str, place: str) -> None:
    """Two underscores go down a level; values become what the setting is."""
    name, expected = place.split("=", 1)
    found: object = parse(KAFKA, {variable: value})
    for key in name.split("."):
        found = getattr(found, key)
    assert repr(found) == expected


def test_a_variable_finds_the_model_that_it_means() -> None:
    """Variables have neither lower case nor dashes, model names have both."""
    config = parse(KAFKA + "models:\n  Fraud-EU: {owner: ada}\n", {"VIGIL_MODELS__FRAUD_EU__OWNER": "bob"})
    assert config.models["Fraud-EU"].owner == "bob"


def test_variables_of_others_mean_nothing() -> None:
    """A prefix alone makes nothing ours: Kubernetes and the tests use it too."""
    assert parse(KAFKA, {"VIGIL_TEST_KAFKA": "x", "VIGIL_PORT": "tcp://10.0.0.1:80", "OTHER__X": "1"}) == parse(
        KAFKA, {}
    )


def test_a_mistake_in_a_variable_is_named_by_the_variable_and_not_by_its_value() -> None:
    """A value from the environment may be a secret."""
    environ = {"VIGIL_TIME__PANE": "abracadabra", "VIGIL_KAFKA__BROKRES": "x", "PORT": "simsalabim"}
    with pytest.raises(ConfigError) as caught:
        parse(KAFKA + "http: {port: '${PORT}'}\n", environ)
    assert str(caught.value).splitlines() == [
        "vigil.yaml:4: http.port: the value of ${PORT} is not a whole number.",
        "$VIGIL_KAFKA__BROKRES: kafka.brokres: nothing is called so here. Did you mean brokers?",
        (
            "$VIGIL_TIME__PANE: time.pane: the value of $VIGIL_TIME__PANE is not a duration."
            " Write a number and a unit: 90s, 15m, 12h, 30d."
        ),
    ]


def test_settings_whose_types_are_unknown_take_values_from_the_environment_too() -> None:
    """Where no type says what is meant, a text means what it would mean in the file."""
    text = KAFKA + "detectors: [{river: drift.KSWIN, series: a, params: {alpha: '${ALPHA}'}}]\nmonitors: {m: '${ON}'}\n"
    config = parse(
        text, {"ALPHA": "0.1", "ON": "false", "VIGIL_DEFAULTS__MONITORS__M__DEPTH": "5"}, Registry({"m": Monitor})
    )
    assert config.detectors[0].params == {"alpha": 0.1}
    assert config.monitors == {"m": False}
    assert config.monitor_settings("m", Monitor) == Monitor(depth=5)


def test_a_secret_appears_nowhere_but_where_it_is_used() -> None:
    """Neither in a repr, nor printed, nor dumped."""
    config = parse(SASL, {"KAFKA_PASSWORD": SECRET})
    assert config.kafka is not None
    assert config.kafka.client_options()["sasl_plain_password"] == SECRET
    for shown in (repr(config), str(config), redacted_yaml(config), config.model_dump_json(), str(config.model_dump())):
        assert "hunter2" not in shown
    assert "password: '***'" in redacted_yaml(config)


def test_a_secret_may_lie_over_the_file_whatever_it_is_made_of() -> None:
    """A password is text, even where it looks like YAML."""
    config = parse(SASL, {"KAFKA_PASSWORD": "x", "VIGIL_KAFKA__SECURITY__PASSWORD": SECRET})
    assert config.kafka is not None
    assert config.kafka.client_options()["sasl_plain_password"] == SECRET


@pytest.mark.parametrize(
    "broken",
    [
        SASL + "time: {pane: 0s}\n",
        SASL.replace("PLAIN,", "PLIAN,"),
        SASL.replace("password:", "pasword:"),
        SASL.replace("password:", "key_password: {a: 1}, password_file: /no/such, password:"),
        SASL.replace("'${KAFKA_PASSWORD}'", "['${KAFKA_PASSWORD}']"),
        SASL.replace("'${KAFKA_PASSWORD}'", "{a: '${KAFKA_PASSWORD}'}"),
        SASL.replace("'${KAFKA_PASSWORD}'", "hunter2"),
        SASL.replace("'${KAFKA_PASSWORD}'", "[hunter2]"),
        SASL.replace("'${KAFKA_PASSWORD}'", "{hunter2: hunter2}").replace("hunter2: ", "x: "),
        KAFKA + "  group: ['${KAFKA_PASSWORD}']\n",
        KAFKA + "time: {pane: '${KAFKA_PASSWORD}'}\n",
        KAFKA + "time: {clock: '${KAFKA_PASSWORD}'}\n",
        KAFKA + "sinks: {alerts: '${KAFKA_PASSWORD}'}\n",
        KAFKA + "  consumer: {sasl_plain_password: hunter2}\n",
    ],
)
def test_a_secret_never_appears_in_an_error(broken: str) -> None:
    """Not even where it stands in the wrong place or is written out against the rules."""
    with pytest.raises(ConfigError) as caught:
        parse(broken, {"KAFKA_PASSWORD": SECRET})
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_hash_names_what_is_in_force_and_leaves_secrets_out() -> None:
    """Rotating a password changes no alert; writing the same differently neither."""
    one, other = (config_hash(parse(SASL, {"KAFKA_PASSWORD": secret})) for secret in ("a", "b"))
    assert one == other
    assert config_hash(parse(KAFKA, {})) == config_hash(parse(KAFKA + "time: {pane: 10000ms}\n", {}))
    assert config_hash(parse(KAFKA, {})) != config_hash(parse(KAFKA + "time: {pane: 20s}\n", {}))


def test_a_password_file_is_read_when_it_is_needed(tmp_path: Path) -> None:
    """A rotated password holds from the next connection on."""
    file = tmp_path / "password"
    file.write_text("first\n")
    text = SASL.replace("password: '${KAFKA_PASSWORD}'", f"password_file: {file}")
    config = parse(text, {})
    file.write_text("second\n")
    assert config.kafka is not None
    assert config.kafka.client_options()["sasl_plain_password"] == file.read_text().strip()
    assert "second" not in redacted_yaml(config)


def test_a_configuration_survives_a_pickle() -> None:
    """The explainer runs in its own process and is given its settings."""
    config = parse(SASL, {"KAFKA_PASSWORD": SECRET})
    assert pickle.loads(pickle.dumps(config)) == config
    assert Config() == pickle.loads(pickle.dumps(Config()))
