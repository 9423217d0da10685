"""Advice: why an alert's `action` is what it is, in one line. Monitors choose the action; nothing here does."""

from __future__ import annotations

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
"""One line of reason for each action."""


def advice_for(action: Action) -> str:
    """The reason behind an action."""
    return ADVICE[action]
