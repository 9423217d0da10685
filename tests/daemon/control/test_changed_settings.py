"""Changed configurations: alerts of what is judged otherwise are void, all others go on."""

from __future__ import annotations

from pathlib import Path

from daemon.kept import Assignment, reassigned
from tests.daemon.control.living import SETTINGS, Living
from tests.integration.running import configured

A, B = "monitor/drift/1/aa", "monitor/drift/1/bb"
MODELS = ["churn", "fraud"]


def test_settings_of_one_model_do_not_touch_the_alerts_of_others() -> None:
    """Whose state goes on under another monitor, or not at all, is void; a monitor that is gone is, for all."""
    others = Assignment("drift", A, lambda model: model != "fraud")
    apart = Assignment("drift", None, lambda model: model == "fraud")
    assert reassigned({A: None}, [others, apart], MODELS) == [("drift", "fraud")]
    together = Assignment("drift", A, None)
    assert reassigned({A: ["churn"], B: ["fraud"]}, [together], MODELS) == [("drift", "fraud")]
    assert reassigned({A: None}, [together], MODELS) == []
    assert reassigned({A: None}, [], MODELS) == [("drift", "churn"), ("drift", "fraud")]


def test_an_alert_whose_model_is_judged_by_other_settings_is_superseded(tmp_path: Path) -> None:
    """It would never recover, for nobody watches by the old ones; nothing else is said of the change."""
    living = Living(tmp_path)
    living.go(0, 420)
    assert [alert["change"] for alert in living.alerts()] == ["fired"]
    living.config = configured(
        SETTINGS.format(tmp_path) + "models: {m0: {monitors: {concept_drift: {min_effect: 0.6}}}}\n"
    )
    living.restart()
    living.go(420, 480)
    assert [alert["change"] for alert in living.alerts()] == ["fired", "superseded"]
    living.close()


def test_a_model_of_its_own_settings_leaves_the_others_alone(tmp_path: Path) -> None:
    """Settings for a model that is somebody else's change nothing for this one."""
    living = Living(tmp_path)
    living.go(0, 420)
    living.config = configured(
        SETTINGS.format(tmp_path) + "models: {other: {monitors: {concept_drift: {min_effect: 0.6}}}}\n"
    )
    living.restart()
    living.go(420, 480)
    assert [alert["change"] for alert in living.alerts()] == ["fired"]
    assert living.pipeline.parts.life.firing_count > 0
    living.close()
