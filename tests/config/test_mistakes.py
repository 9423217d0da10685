"""Every mistake is named with its line, its place and what to do, and all of them at once."""

from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr

from config import ConfigError, Registry, load, parse
from config.schema import Detector
from processors.anomaly.river_detector import RiverSettings

KAFKA = "kafka:\n  brokers: [localhost:9092]\n  topics: [predictions, labels]\n"


class ConceptDrift(BaseModel, extra="forbid"):
    min_effect: float = Field(default=0.02, gt=0)


class Webhook(BaseModel, extra="forbid"):
    url: str
    token: SecretStr | None = None


class Table(BaseModel, extra="forbid"):
    path: Path
    codec: str = "native"


REGISTRY = Registry({"concept_drift": ConceptDrift}, {"webhook": Webhook}, ["native", "kserve"], {"table": Table})


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return the lines of the error that reading a text gives."""
    with pytest.raises(ConfigError) as caught:
        parse(text, environ or {}, REGISTRY)
    return str(caught.value).splitlines()


BROKEN = [
    # The text; then one mistake in it, as it is shown.
    ("- a\n", "1: a configuration is a mapping. Begin with a section: kafka: or files:."),
    ("", "there is nothing to read. Add a section kafka: with brokers: and topics:, or files: with paths:."),
    ("# nothing\n", "there is nothing to read. Add a section kafka:"),
    ("kafka: [a\n", "2: is not YAML: expected ',' or ']', but got '<stream end>'. Check the indentation"),
    ("kafka:\n\tbrokers: a\n", "2: a tab can't indent YAML. Use spaces."),
    (
        "kafka: {brokers: ${B}}\n",
        "1: is not YAML: expected ',' or '}', but got '{'. Between braces, quote variables: \"${NAME}\".",
    ),
    ("state: {path: *nowhere}\n", "1: is not YAML: found undefined alias 'nowhere'."),
    ("a: \x07\n", "1: has a character that can't be printed. Remove it."),
    (KAFKA + "---\na: 1\n", "4: is not YAML: but found another document."),
    ("kafka:\n  topics: [a]\n", "1: kafka.brokers: is missing. Addresses to start from, `host:port`."),
    ("kafka:\n  brokers: a\n  topics: []\n", "3: kafka.topics: needs at least 1."),
    ("kafka:\n  brokers: a\n  topic: [a]\n", "3: kafka.topic: nothing is called so here. Did you mean topics?"),
    (
        "kafka:\n  brokers: a\n  topics: [ok, a b]\n",
        "3: kafka.topics[1].name: 'a b' is not a topic's name. Use letters",
    ),
    ("brokers: [a]\n", "1: brokers: nothing is called so here. It belongs at kafka.brokers."),
    (KAFKA + "xyzzy: 1\n", "4: xyzzy: nothing is called so here. Known keys: alerts, defaults, detectors, "),
    (
        KAFKA + "time:\n  pane: 30x\n",
        "5: time.pane: '30x' is not a duration. Write a number and a unit: 90s, 15m, 12h, 30d.",
    ),
    (KAFKA + "time:\n  pane: 10\n", "5: time.pane: 10 is not a duration."),
    (KAFKA + "time:\n  pane: 0s\n", "5: time.pane: '0s' must be more than 0s."),
    (KAFKA + "time:\n  clock: recrod\n", "5: time.clock: 'recrod' is none of record, event. Did you mean record?"),
    (KAFKA + "time: 10s\n", "4: time: must be a mapping. Write `name: value` lines below it."),
    (KAFKA + "time:\n  max_skew: 1s\n", "5: time.max_skew: must be at least time.lateness (10s)"),
    (KAFKA + "limits:\n  depth: 1000\n", "5: limits.depth: 1000 must be at most 200."),
    (KAFKA + "limits:\n  models: many\n", "5: limits.models: 'many' is not a whole number."),
    (KAFKA + "limits:\n  models: true\n", "5: limits.models: true is not a number."),
    (
        KAFKA + "limits:\n  message_bytes: 10\n",
        "5: limits.message_bytes: 10 is not a size. Write a number and a unit: 512B, 64KiB",
    ),
    (
        KAFKA + "alerts:\n  false_alarms: 1\n",
        "5: alerts.false_alarms: 1 is not a rate. Write a number, the word per and a duration",
    ),
    (KAFKA + "alerts:\n  keep: 1h\n", "5: alerts.keep: must be at least alerts.renotify (4h)."),
    (KAFKA + "explain:\n  cpu_share: .nan\n", "5: explain.cpu_share: nan must be at most 1"),
    (KAFKA + "http:\n  host: 1\n", "5: http.host: 1 is not text. Put it in quotes."),
    (KAFKA + "explain:\n  enabled: maybe\n", "5: explain.enabled: 'maybe' is neither true nor false."),
    (KAFKA + "  group: a\n  group: b\n", "5: kafka.group: is written twice, first on line 4. Keep one."),
    (KAFKA + "  alerts: labels\n", "4: kafka.alerts: 'labels' is also read from. Choose another topic to write to."),
    (KAFKA + "  consumer: {group_id: a}\n", "4: kafka.consumer.group_id: can't be set here. Set kafka.group instead."),
    (
        KAFKA + "  consumer:\n    sasl_plain_password: a\n",
        "5: kafka.consumer.sasl_plain_password: can't be set here. Use kafka.security",
    ),
    (
        KAFKA + "  producer: {acks: 0}\n",
        "4: kafka.producer.acks: can't be set here. Remove it: Vigil waits for all replicas",
    ),
    (KAFKA + "  security:\n    protocol: SASL_SSL\n", "4: kafka.security.mechanism: is missing. SASL needs one"),
    (
        KAFKA + "  security:\n    protocol: SASL_SSL\n    mechanism: PLAIN\n",
        "4: kafka.security.username: is missing. PLAIN needs it.",
    ),
    (
        KAFKA + "  security:\n    protocol: SASL_SSL\n    mechanism: PLAIN\n    username: u\n",
        "4: kafka.security.password: is missing. Add password: ${KAFKA_PASSWORD} or password_file:.",
    ),
    (
        KAFKA + "  security:\n    mechanism: PLAIN\n",
        "5: kafka.security.mechanism: means nothing with protocol PLAINTEXT.",
    ),
    (
        KAFKA + "  security:\n    ca_file: /no/such.pem\n",
        "5: kafka.security.ca_file: '/no/such.pem' does not exist. Correct the path",
    ),
    (
        KAFKA + "  security:\n    password: hunter2\n",
        (
            "5: kafka.security.password: a secret can't stand in this file. Take it from the environment, "
            "password: ${KAFKA_PASSWORD}, or name a file with password_file:."
        ),
    ),
    (
        KAFKA + "  security:\n    password: ${NONE:-hunter2}\n",
        "5: kafka.security.password: a secret can't stand in this file.",
    ),
    (KAFKA + "  security:\n    password: 12345\n", "5: kafka.security.password: a secret can't stand in this file."),
    (
        KAFKA + "  client_id: ${NONE}\n",
        "4: kafka.client_id: the variable NONE is not set. Set it, or write a default: ${NONE:-value}.",
    ),
    (
        KAFKA + "  client_id: ${no-name}\n",
        "4: kafka.client_id: has a ${ that is no variable. Write ${NAME} or ${NAME:-default}",
    ),
    (KAFKA + "files: {paths: a, follow: true}\n", "4: files: there is also a section kafka. Keep one of the two."),
    (
        "files:\n  paths:\n    - ./no-such.ndjson\n",
        "3: files.paths[0]: 'no-such.ndjson' does not exist. Correct the path",
    ),
    ("files: {paths: a, follow: true, codec: kserv}\n", "1: files.codec: 'kserv' is no codec. Did you mean kserve?"),
    ("source: {tabel: a}\n", "1: source.tabel: there is no such source. Did you mean table?"),
    ("source: tabel\n", "1: source: 'tabel' is no source. Did you mean table?"),
    ("source: [3]\n", "1: source: must name one kind of source and its settings: {sqlite: log.db}."),
    ("source: {table: {pth: a}}\n", "1: source.table.pth: nothing is called so here. Did you mean path?"),
    ("source: {table: {path: a, codec: kserv}}\n", "1: source.table.codec: 'kserv' is no codec. Did you mean kserve?"),
    ("source: {files: {paths: a}}\n", "1: source: files has a section of its own. Write files: at the beginning of"),
    (KAFKA + "source: {table: a}\n", "4: source: there is also a section kafka. Keep one of the two."),
    (
        KAFKA + "sinks:\n  alerts:\n    - webhok: http://a\n",
        "6: sinks.alerts[0].webhok: there is no such sink. Did you mean webhook?",
    ),
    (
        KAFKA + "sinks:\n  alerts: [{webhook: {uri: a}}]\n",
        "5: sinks.alerts[0].webhook.uri: nothing is called so here. Did you mean url?",
    ),
    (KAFKA + "sinks:\n  alerts: [3]\n", "5: sinks.alerts[0]: must name one kind of sink and its settings"),
    (
        KAFKA + "sinks:\n  alerts: [{webhook: {url: a, token: b}}]\n",
        "5: sinks.alerts[0].webhook.token: a secret can't stand in",
    ),
    (
        KAFKA + "monitors:\n  concept_drfit: {}\n",
        "5: monitors.concept_drfit: there is no such monitor. Did you mean concept_drift?",
    ),
    (
        KAFKA + "monitors:\n  concept_drift:\n    min_effect: 0\n",
        "6: monitors.concept_drift.min_effect: 0 must be more than 0",
    ),
    (KAFKA + "monitors: {concept_drift: 3}\n", "4: monitors.concept_drift: must be true, false or a mapping"),
    (
        KAFKA + "models:\n  fraud:\n    monitors: {concept_drift: {min_efect: 1}}\n",
        "6: models.fraud.monitors.concept_drift.min_efect: nothing is called so here. Did you mean min_effect?",
    ),
    (
        KAFKA + "models:\n  fraud:\n    labels:\n      wait: 30x\n",
        "7: models.fraud.labels.wait: '30x' is not a duration.",
    ),
    (
        KAFKA + "models:\n  my model:\n    task: regresion\n",
        "6: models['my model'].task: 'regresion' is none of binary, multiclass, ",
    ),
    (
        KAFKA + "models:\n  fraud:\n    classes: [0, 1]\n    positive_class: yes\n",
        "7: models.fraud.positive_class: 'yes' is not among classes (0, 1).",
    ),
    (KAFKA + "models: {f: {classes: [1, true]}}\n", "4: models.f.classes: names a class twice."),
    (
        KAFKA + "models: {f: {task: regression, classes: [a, b]}}\n",
        "4: models.f.classes: means nothing for a regression.",
    ),
    (KAFKA + "models: {f: {retire_after: 1d}}\n", "4: models.f.retire_after: must be at least labels.wait (7d)"),
    (
        KAFKA + "redact: {features: ['c*']}\nmodels:\n  f: {segments: [region, country]}\n",
        "6: models.f.segments[1]: 'country' is under redact.features, but alerts name segments by their values.",
    ),
    (KAFKA + "models: {f: {thresholds: [{series: a}]}}\n", "4: models.f.thresholds[0]: needs either below: or above:."),
    (
        KAFKA + "models: {f: {explain: {model_file: '{version}.joblib'}}}\n",
        "4: models.f.explain.trust: is missing. Loading joblib runs",
    ),
    (
        KAFKA + "models: {f: {explain: {model_file: '{version}.pkl', trust: true}}}\n",
        "4: models.f.explain.sha256: is missing.",
    ),
    (KAFKA + "models: {f: {explain: {sha256: abc}}}\n", "4: models.f.explain.sha256.*: 'abc' is not a SHA-256."),
    (
        KAFKA + "models: {f: {explain: {model_file: /no/such}}}\n",
        "4: models.f.explain.model_file: '/no/such' does not exist.",
    ),
    (KAFKA + "models: {f: {reference: /no/such}}\n", "4: models.f.reference: '/no/such' does not exist."),
    (
        KAFKA + "detectors:\n  - {river: os.system, series: a}\n",
        "5: detectors[0].river: 'os.system' names nothing in River.",
    ),
    (
        KAFKA + "detectors:\n- {river: drift.ADWIN, series: a}\n- {river: drift.ADWIN, series: a}\n",
        "6: detectors[1]: there is another",
    ),
    (
        KAFKA + "alerts:\n  silences:\n    - match: {}\n      reason: a\n      who: b\n",
        "6: alerts.silences[0].match: would silence everything.",
    ),
    (
        KAFKA + "alerts:\n  silences:\n  - {match: {model: a}, reason: a, who: b, from: 2026-11-22T03:00:00}\n",
        "6: alerts.silences[0].from: '2026-11-22T03:00:00' has no time zone. Add it: 2026-11-22T03:00:00Z.",
    ),
    ("a: &a [*a]\n", "1: a[0]: refers to itself. Write out what is meant."),
    (
        "a: !!python/object:os.system {}\n",
        "1: a: the tag 'tag:yaml.org,2002:python/object:os.system' means nothing here.",
    ),
    ("? [a, b]\n: c\n", "1: has a key that is not text. Write `name: value`."),
    ("a: {<<: 3}\n", "1: a: merges something that is not a mapping."),
    ("[" * 5_000, "is nested too deeply."),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_a_mistake_is_named_with_its_line_its_place_and_its_remedy(text: str, expected: str) -> None:
    """An operator at night reads one line and knows what to change."""
    start = "vigil.yaml:" if expected[0].isdigit() else "vigil.yaml: "
    found = problems(text)
    assert any(line.startswith(start + expected) for line in found), "\n".join(found)


@pytest.mark.parametrize(
    ("text", "expected"), [case for case in BROKEN if case[0].startswith(KAFKA) and "---" not in case[0]]
)
def test_one_mistake_is_named_once(text: str, expected: str) -> None:
    """A value is refused where it stands; nothing else is reported because of it."""
    several = ("username",)
    assert len(problems(text)) == 1 or any(word in expected for word in several)


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file() -> None:
    """One run of validate is enough to mend a file."""
    text = KAFKA.replace("topics", "topic") + (
        "time: {pane: 0s}\n"
        "monitors: {drift: {}}\nmodels:\n  fraud:\n    task: binary\n    classes: [a, b, c]\n    x: 1\n"
    )
    assert [line.split(": ")[0:2] for line in problems(text)] == [
        ["vigil.yaml:3", "kafka.topic"],
        ["vigil.yaml:4", "time.pane"],
        ["vigil.yaml:5", "monitors.drift"],
        ["vigil.yaml:9", "models.fraud.classes"],
        ["vigil.yaml:10", "models.fraud.x"],
    ]


def test_a_mistake_of_one_section_does_not_hide_a_contradiction_in_another() -> None:
    """What is wrong is left out, and the rest checked further."""
    found = problems(KAFKA + "time: {pane: 0s}\nmodels:\n  fraud:\n    task: binary\n    classes: [a, b, c]\n")
    assert [line.split(": ")[1] for line in found] == ["time.pane", "models.fraud.classes"]


def test_a_mistake_in_settings_for_all_is_not_repeated_for_each_model() -> None:
    """A layer is answerable for what it says, not for what it lies over."""
    text = KAFKA + "monitors: {concept_drift: {min_effect: 0}}\nmodels: {a: {monitors: {concept_drift: {windw: 1}}}}\n"
    assert [line.split(": ")[1] for line in problems(text)] == [
        "monitors.concept_drift.min_effect",
        "models.a.monitors.concept_drift.windw",
    ]


def test_the_anchor_is_where_the_mistake_is() -> None:
    """The line to mend is the one that was written, not the one that refers to it."""
    found = problems(KAFKA + "models:\n  a: &a\n    lateness: 3\n  b: *a\n")
    assert found[0].startswith("vigil.yaml:6: models.a.lateness: 3 is not a duration.")


def test_a_small_text_cannot_expand_to_a_large_value() -> None:
    """Aliases of aliases are a known way to fill a memory."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert "expands to too much. Use fewer aliases." in problems(bomb)[0]


def test_merge_keys_lie_under_what_is_said() -> None:
    """`<<` gives what the mapping doesn't say itself."""
    text = KAFKA + "models:\n  a: &a {owner: ada, lateness: 1m}\n  b: {<<: *a, owner: bob}\n"
    config = parse(text, {})
    assert (config.models["b"].owner, str(config.models["b"].lateness)) == ("bob", "1m")


def test_plain_words_mean_what_yaml_1_2_says() -> None:
    """`no` is a country, `12:30` no number of minutes, `2026-11-22` no date."""
    text = KAFKA + "models: {no: {classes: [no, yes], owner: 12:30, routing: {on: off, day: 2026-11-22}}}\n"
    model = parse(text, {}).models["no"]
    assert (model.classes, model.owner) == (("no", "yes"), "12:30")
    assert model.routing == {"on": "off", "day": "2026-11-22"}


@pytest.mark.parametrize("name", ["missing.yaml", "", "\0", "x" * 5_000])
def test_a_file_that_cannot_be_read_is_a_clear_line(tmp_path: Path, name: str) -> None:
    """Whatever the path is, the error is ours and says what to do."""
    with pytest.raises(ConfigError, match=r"can't be read: .*Name a file with -c\."):
        load(tmp_path / name, {})


def test_a_file_that_is_not_utf_8_is_a_clear_line(tmp_path: Path) -> None:
    """The line is found even where the text is not."""
    file = tmp_path / "vigil.yaml"
    file.write_bytes(b"kafka:\n  brokers: \xff\n")
    with pytest.raises(ConfigError, match=r":2: is not UTF-8\. Save the file as UTF-8\."):
        load(file, {})


RIVER_MISTAKES = (
    ("- {river: drift.KSWINN, series: loss}", "5: detectors[0].river: river's drift has no KSWINN. Did you mean drift"),
    (
        "- river: drift.KSWIN\n  series: loss\n  params: {alfa: 0.1}",
        "7: detectors[0].params: river's drift.KSWIN has no parameter 'alfa'. Did you mean 'alpha'?",
    ),
    (
        "- river: drift.KSWIN\n  series: loss\n  params:\n    alpha: 7\n",
        "7: detectors[0].params: river's drift.KSWIN refuses its parameters: ",
    ),
    ("- {river: metrics.F1, series: loss}", "5: detectors[0].river: a metric compares labels with predictions"),
    ("- {river: linear_model.LogisticRegression, series: loss}", "5: detectors[0].river: 'linear_model.LogisticRegr"),
    ("- {river: drift.KSWIN, series: loss, calm: 0}", "5: detectors[0].calm: 0 must be more than 0."),
    ("- {river: drift.KSWIN, series: loss, beyond: over}", "5: detectors[0].beyond: 'over' is none of above, below."),
)


@pytest.mark.parametrize(("text", "expected"), RIVER_MISTAKES)
def test_what_river_does_not_take_is_said_with_its_line(text: str, expected: str) -> None:
    """A name or a parameter that River does not have is a mistake in the file, not an error at the first pane."""
    registry = Registry({"river": RiverSettings})
    with pytest.raises(ConfigError) as caught:
        parse(f"{KAFKA}detectors:\n{text}\n", {}, registry)
    assert str(caught.value).startswith(f"vigil.yaml:{expected}"), caught.value


def test_a_detector_has_all_settings_of_the_river_monitor() -> None:
    """What the monitor can be told, the file can say; and one that River takes is taken."""
    assert set(Detector.model_fields) == set(RiverSettings.model_fields)
    text = KAFKA + "detectors: [{river: anomaly.GaussianScorer, series: loss, threshold: 0.99, beyond: below, calm: 9}]"
    detector = parse(text, {}, Registry({"river": RiverSettings})).detectors[0]
    assert RiverSettings.model_validate(detector.model_dump()).threshold == 0.99
