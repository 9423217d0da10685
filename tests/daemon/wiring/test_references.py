"""References from files: what is normal, before the first pane has closed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from config import Config
from daemon import app, reading
from daemon.commands.validate import mistakes
from daemon.references import ReferenceRefused
from tests.daemon.wiring.replays import START_S, configured, fleet, replayed, said, written

DAY_S = 86_400


def with_reference(path: Path, more: str = "") -> Config:
    """A configuration in which the model fraud has a reference."""
    return configured(f"window: {{events: 500}}\nmodels: {{fraud: {{reference: '{path}', task: binary}}}}\n{more}")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four thousand healthy events with their labels, as served a day before, gzipped, under another version."""
    events = fleet(4_000, version="0", seed=9, start_s=START_S - DAY_S)
    path = tmp_path_factory.mktemp("reference") / "reference.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(orjson.dumps(event) + b"\n" for event in events)))
    return path


def fired(alerts: list[dict[str, Any]]) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    """The first word on each alert, by version, monitor and feature."""
    first: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    for alert in alerts:
        if alert.get("change") == "fired":
            first.setdefault((alert["version"], alert["monitor"], alert["feature"]), alert)
    return first


def test_a_version_that_is_wrong_from_its_first_event_is_told_from_the_reference(
    reference: Path, tmp_path: Path
) -> None:
    """Without a reference a bad start is taken for normal; with one it alerts, and not provisionally."""
    events = fleet(2_000, wrong=lambda _: 0.4, amount=lambda _: 90.0)
    stream = written(tmp_path / "events.ndjson", events)
    told = fired(replayed(with_reference(reference), [stream], tmp_path / "with")["alerts"])
    assert {("1", "concept_drift", None), ("1", "feature_drift", "amount")} <= told.keys()
    assert {alert["provisional"] for alert in told.values()} == {False}
    assert told["1", "feature_drift", "amount"]["value"] > 0.5
    assert 0.05 < told["1", "concept_drift", None]["reference"] < 0.15
    without = fired(replayed(configured("window: {events: 500}\n"), [stream], tmp_path / "without")["alerts"])
    assert not {monitor for _, monitor, _ in without} & {"concept_drift", "feature_drift", "prediction_drift"}


def test_what_is_as_in_the_reference_alerts_nobody(reference: Path, tmp_path: Path) -> None:
    """The same world a day later is normal."""
    stream = written(tmp_path / "events.ndjson", fleet(3_000, seed=4))
    assert not fired(replayed(with_reference(reference), [stream], tmp_path)["alerts"])


def test_a_version_that_appears_later_is_held_to_the_same_reference(reference: Path, tmp_path: Path) -> None:
    """It speaks for the model, not for one version; another replay says the same, byte for byte.

    That it is worse than the version beside it is said, too.
    """
    events = fleet(1_500) + fleet(2_000, version="2", seed=1, start_s=START_S + 150, wrong=lambda _: 0.45)
    stream = written(tmp_path / "events.ndjson", sorted(events, key=lambda event: float(event["ts"])))
    first = replayed(with_reference(reference), [stream], tmp_path / "first")["alerts"]
    assert {(version, monitor) for version, monitor, _ in fired(first)} == {("2", "concept_drift"), ("2", "deployment")}
    replayed(with_reference(reference), [stream], tmp_path / "again")
    for name in ("alerts", "readings"):
        again = (tmp_path / "again" / f"{name}.ndjson").read_bytes()
        assert (tmp_path / "first" / f"{name}.ndjson").read_bytes() == again


def test_a_regression_gets_its_scale_of_errors_and_its_intervals_from_the_reference(tmp_path: Path) -> None:
    """Predictions that moved, and errors three times as large as in the reference, from the first event on."""

    def prices(count: int, scale: float, shift: float, seed: int) -> list[dict[str, Any]]:
        events = fleet(count, model="price", seed=seed)
        for number, event in enumerate(events):
            amount = (number * 7919 % 1000) / 10 + 0.05
            if event["type"] == "prediction":
                event["prediction"] = amount + shift
                del event["score"]
            else:
                event["label"] = amount + shift + scale * ((number * 104_729 % 1000) / 100 - 5)
        return events

    path = written(tmp_path / "reference.ndjson", prices(3_000, 1.0, 0.0, 3))
    settings = configured(f"window: {{events: 500}}\nmodels: {{price: {{reference: '{path}', task: regression}}}}\n")
    stream = written(tmp_path / "events.ndjson", prices(2_000, 40.0, 60.0, 5))
    told = fired(replayed(settings, [stream], tmp_path)["alerts"])
    assert {("1", "concept_drift", None), ("1", "prediction_drift", None)} <= told.keys()


def test_a_restart_neither_forgets_the_reference_nor_adopts_it_again(reference: Path, tmp_path: Path) -> None:
    """A live run in two halves says what one in a piece says, whatever the file holds by the second."""
    events = fleet(2_500, wrong=lambda n: 0.1 if n < 1_500 else 0.5)
    cut = next(at for at, event in enumerate(events) if event["ts"] > START_S + 120)
    told: dict[str, Any] = {}
    for name, parts in (("whole", [events]), ("halves", [events[:cut], events])):
        folder = tmp_path / name
        folder.mkdir()
        mine = folder / "reference.ndjson.gz"
        mine.write_bytes(reference.read_bytes())
        for part in parts:
            stream = written(folder / "events.ndjson", part)
            settings = with_reference(
                mine,
                f"files: {{paths: ['{stream}'], follow: true}}\nstate: {{path: '{folder / 'state'}'}}\n"
                f"sinks: {{alerts: {{file: '{folder / 'alerts.ndjson'}'}}, readings: []}}\n",
            )
            live = app.live(settings)
            try:
                wanted = len(part)
                live.run(lambda live=live, wanted=wanted: read(live) >= wanted)  # type: ignore[misc]
            finally:
                live.close()
            mine.write_bytes(gzip.compress(written(folder / "other", fleet(400, wrong=lambda _: 0.9)).read_bytes()))
        told[name] = [
            (alert["fingerprint"], alert["since"], alert["value"], alert["n"], alert["provisional"])
            for alert in said(folder / "alerts.ndjson")
            if alert.get("change") == "fired"
        ]
    assert told["whole"]
    assert told["halves"] == told["whole"]


def read(live: app.Live) -> int:
    """How many lines a live run has taken in."""
    return sum(live.status().get("positions", {}).values())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "holds no events"),
        (b'{"type":"label","id":"a","model":"fraud","label":1}\n', "holds 0 predictions of model fraud, at least 100"),
    ],
)
def test_a_file_that_says_nothing_of_the_model_is_refused_and_validate_says_where(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    """With the line of the configuration that names it."""
    path = tmp_path / "reference.ndjson"
    path.write_bytes(content)
    found = reading.references(with_reference(path))
    assert found is not None
    with pytest.raises(ReferenceRefused, match=expected):
        found.load("fraud", "1")
    file = tmp_path / "vigil.yaml"
    file.write_text(f"files: {{paths: ['.']}}\nmodels:\n  fraud:\n    reference: '{path}'\n")
    [line] = mistakes(configured(file.read_text()), file)
    assert line.startswith(f"{file}:4: models.fraud.reference: {path}: ")
    assert expected in line
