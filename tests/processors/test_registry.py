"""Registering monitors and listing them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from processors import registry
from processors.base import Monitor
from processors.drift.concept import ConceptDrift
from processors.registry import RegistryError, monitors, register


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points as another distribution would offer them."""
    offered: list[EntryPoint] = []
    registry._offered.cache_clear()
    monkeypatch.setattr(registry, "entry_points", lambda **_: offered)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    yield offered
    registry._offered.cache_clear()


def test_a_new_file_is_found_without_being_named_anywhere() -> None:
    """In a fresh interpreter `monitors` imports every room of `processors` by itself."""
    code = "from processors.registry import monitors; print(*monitors())"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"concept_drift", "feature_drift", "prediction_drift"} <= set(names)
    assert names == sorted(names)


def test_listing_monitors_does_not_import_what_start_up_can_do_without() -> None:
    """scipy.stats, scikit-learn and shap cost seconds; a monitor imports them where it uses them."""
    code = "import sys; from processors.registry import monitors; monitors(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"scipy.stats", "sklearn", "shap"}.isdisjoint(modules)


def test_a_registered_monitor_knows_its_name() -> None:
    """The name in the decorator is the name in readings and alerts."""
    assert monitors()["concept_drift"] is ConceptDrift
    assert ConceptDrift.name == "concept_drift"


def test_two_monitors_cannot_have_one_name(entry_points: list[EntryPoint]) -> None:
    """The second is refused, by both their addresses."""
    with pytest.raises(RegistryError, match=r"'concept_drift'.*ConceptDrift.*Impostor"):

        @register("concept_drift")
        class Impostor(ConceptDrift):
            pass


def test_what_is_no_monitor_is_refused(entry_points: list[EntryPoint]) -> None:
    """Only subclasses of Monitor can be listed."""
    with pytest.raises(RegistryError, match="not a subclass of Monitor"):
        register("thing")(int)  # type: ignore[type-var]


@pytest.mark.parametrize("name", ["", "two words", "a-b", "1st"])
def test_a_name_must_fit_configs_and_metrics(entry_points: list[EntryPoint], name: str) -> None:
    """Names become configuration keys and metric labels."""
    with pytest.raises(RegistryError, match="cannot name a monitor"):
        register(name)(ConceptDrift)


def test_other_distributions_offer_monitors_by_entry_point(entry_points: list[EntryPoint]) -> None:
    """The entry point's name is the monitor's."""
    entry_points.append(EntryPoint("theirs", "tests.processors.test_registry:Theirs", registry.ENTRY_POINTS))
    found = monitors()["theirs"]
    assert found.__name__ == "Theirs"
    assert found.name == "theirs"


def test_an_entry_point_cannot_replace_a_monitor(entry_points: list[EntryPoint]) -> None:
    """Installing a package must not silently change what is watched."""
    entry_points.append(EntryPoint("concept_drift", "tests.processors.test_registry:Theirs", registry.ENTRY_POINTS))
    with pytest.raises(RegistryError, match="Two monitors are called 'concept_drift'"):
        monitors()


class Theirs(Monitor[Any, Any]):
    """A third party's monitor."""
