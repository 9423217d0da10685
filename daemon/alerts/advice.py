"""Advice: what to do about an alert, and why.

A monitor proposes an action from what it sees; what else fires for the same version may know better. A broken input is
repaired before anything is retrained, and whoever is told to retrain is told what else has changed. Once an alert is
over there is nothing left to do about it; what was advised while it fired is kept in the words.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.alerts.alert import Alert
from daemon.alerts.inhibition import labels_are_lost
from daemon.alerts.notice import End
from processors.base import Action

ADVICE: dict[Action, str] = {
    "retrain": "What the model learnt no longer holds: train it on recent, labelled events.",
    "rollback": "The version before did better on the same traffic: go back to it while this one is looked into.",
    "recalibrate": "The ranking still holds but the probabilities are off: fit the calibration anew, keep the model.",
    "fix_feature": "An input changed at its source: repair the feature upstream; retraining would learn the fault.",
    "check_labels": "The labels changed, not the model: check where they come from before trusting any quality figure.",
    "reweigh": "Groups are treated unequally: reweigh the training data by group and outcome, then retrain.",
    "scale": "The service does not keep up: add capacity, or find what uses it up.",
    "none": "Nothing to do yet but to look: the change is real, whether it hurts is not known.",
}
"""One line of reason for each action, where there is nothing more particular to say."""

AFTERWARDS: dict[End, str] = {
    "resolved": "It is over: nothing is left to do.",
    "retired": "This version is no longer served: nothing is left to do.",
    "superseded": "It is no longer watched in that way: nobody looks whether it is over.",
    "accepted": "It was taken for the new normal: nothing is left to do.",
}
"""What there is to do about an alert that ended, by how it did."""

LEFT_BEHIND: dict[Action, str] = {
    "fix_feature": "Rows from that time hold the fault: leave them out when you train.",
    "check_labels": "Labels from that time may be wrong or missing: correct them, or leave them out when you train.",
}
"""What stays in the data of an alert's time, by what it called for."""

_MOST_NAMED = 3


def advise(alert: Alert, cause: Alert | None, firing: Iterable[Alert]) -> tuple[Action, str]:
    """What to do about an alert, and why.

    `cause` is the alert that explains it, if one does; `firing` are all alerts of its version that fire.
    """
    if alert.phase == "ended":
        return "none", afterwards(alert, cause)
    finding = alert.finding
    others = [other for other in firing if other is not alert]
    if cause is not None and cause.phase == "ended":
        return "none", "What explains it is over: it should recover by itself."
    if cause is not None and cause.finding.action == "fix_feature":
        return "fix_feature", f"Explained by another alert: {cause.finding.summary} Repair that first."
    if cause is not None and labels_are_lost(cause):
        return "check_labels", f"Explained by another alert: {cause.finding.summary} Find the labels first."
    reason = finding.reason or ADVICE[finding.action]
    if finding.action == "retrain" and finding.monitor != "feature_drift" and (moved := _moved(others)):
        reason += f" Inputs have moved, too: {moved}."
    return finding.action, reason


def afterwards(alert: Alert, cause: Alert | None) -> str:
    """What is left to do about an alert that ended, and what was advised while it fired."""
    finding, words = alert.finding, [AFTERWARDS[alert.end]]
    if cause is not None:
        feature = f" of {cause.finding.feature}" if cause.finding.feature else ""
        words.append(f"It was explained by another alert ({cause.finding.monitor}{feature}).")
    elif finding.action != "none":
        words.append(f"While it fired the advice was {finding.action}: {finding.reason or ADVICE[finding.action]}")
        if alert.end == "resolved":
            words.append(LEFT_BEHIND.get(finding.action, ""))
    return " ".join(filter(None, words))


def _moved(others: Iterable[Alert]) -> str:
    names = sorted({o.finding.feature for o in others if o.finding.monitor == "feature_drift" and o.finding.feature})
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
