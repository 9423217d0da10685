"""What is behind a rise of errors: the model, its version, or the labels? And what to do about it.

Kept by group: how often it erred lately (halved every 200 outcomes, and every 100); and, for binary models, what share
of labels and of answers is positive, apart while calm and since the onset. From these the advice follows, most certain
first:

- `check_labels`: answers and labels have become opposites, or one class has all but vanished from the labels while
  the answers are as before: models don't do that, label pipelines do.
- `recalibrate`: nearly all additional errors go one way, answers are as before, and scores still tell the classes apart
  as well as they did: a class has become more frequent at every score.
- `rollback`: an earlier version still serves, has labels from after the onset, and errs clearly less on them.
- `retrain`: the model answers as before, and it is less often right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import Action, State, Summary
from processors.detectors import columns
from processors.detectors.bounds import shown
from processors.detectors.change import Change
from processors.profile import Profile
from processors.rows import Bools
from processors.wording import model_words, percent

HALF_LIFE = 200.0
_FRESH = 100.0
"""Outcomes by which what opposites are told by is halved: an onset that seems too early would hide them for hours."""
_SCORES = ("scored", "scored_true", "score", "score_true")
_FEWEST = 50
_FEW = 30
"""Outcomes from which errors can be told from opposites."""
_OPPOSITE = 0.85
"""Errors that reach so much of what right answers were."""
_EXPECTED = 6.0
"""So many labels of a class have to be due before their absence says something."""
_GONE = 0.2
"""A class is all but gone from the labels when its share is below this much of what it was."""
_SAME = 0.5
"""Answers are as before when their share moved by less than this much of what the labels' did."""

_MOVED = 0.05
"""By so much the share of a class has to move before its scores are called off."""
_ONE_WAY = 0.8
"""Of the additional errors this much has to be of one kind."""
_APART = 0.7
"""Scores tell the classes apart as before while their means are this much as far from each other as they were."""

_KEPT = ("n", "true", "said", *_SCORES)
LAYOUT: columns.Layout = {
    "last": (np.int64, (), -1),
    "recent_n": (np.float64, (), 0),
    "recent_hits": (np.float64, (), 0),
    "fresh_n": (np.float64, (), 0),
    "fresh_hits": (np.float64, (), 0),
    **{f"{when}_{what}": (np.float64, (), 0) for when in ("calm", "now") for what in _KEPT},
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and why, in one sentence."""

    action: Action
    reason: str


def remember(state: State, pane: Summary, calm: Bools, end: int) -> None:
    """Take in a pane: `n`, `hits`, `binary` (outcomes with a positive class), `true` and `said` of each group; and of
    those with a score how many they are and how many came true (`scored`, `scored_true`), and the sums of their scores.

    `calm` says whose errors are at the floor: what it has seen since the onset is then part of what is usual.
    """
    keys = pane.keys
    columns.grow(state, LAYOUT, keys)
    for how, half_life in (("recent", HALF_LIFE), ("fresh", _FRESH)):
        fade = 0.5 ** (pane["n"] / half_life)
        for name in ("n", "hits"):
            state[f"{how}_{name}"][keys] = state[f"{how}_{name}"][keys] * fade + pane[name]
    state["last"][keys] = end
    for name, column in (("n", "binary"), ("true", "true"), ("said", "said"), *zip(_SCORES, _SCORES, strict=True)):
        now = state[f"now_{name}"][keys] + pane[column]
        state[f"calm_{name}"][keys] += np.where(calm, now, 0)
        state[f"now_{name}"][keys] = np.where(calm, 0, now)


def advise(state: State, change: Change, profile: Profile) -> Advice:
    """What to do about a rise of errors of a group, and why."""
    return (
        _labels_broke(state, change)
        or _earlier_was_better(state, change, profile)
        or _scores_are_off(state, change)
        or Advice("retrain", "It answers as before and is less often right: what it learnt no longer holds.")
    )


def _labels_broke(state: State, change: Change) -> Advice | None:
    key = change.key
    calm_n, now_n = float(state["calm_n"][key]), float(state["now_n"][key])
    if calm_n < _FEWEST or not now_n:
        return None
    if _opposites(state, change):
        return Advice("check_labels", "Answers and labels have become opposites: the labels are probably inverted.")
    usual, now = float(state["calm_true"][key]) / calm_n, float(state["now_true"][key]) / now_n
    said = abs(float(state["now_said"][key]) / now_n - float(state["calm_said"][key]) / calm_n)
    rare, name = (min(usual, 1 - usual), "positive" if usual <= 0.5 else "negative")
    left = now if usual <= 0.5 else 1 - now
    if rare * now_n >= _EXPECTED and left < _GONE * rare and said < _SAME * abs(now - usual):
        return Advice(
            "check_labels",
            f"Only {percent(left)} of the labels are {name}, usually {percent(rare)}, while its answers are as before: "
            "labels are missing or wrong.",
        )
    return None


def _opposites(state: State, change: Change) -> bool:
    """Is nearly everything wrong that used to be right: since the onset, or at least of late?"""
    n = max(float(state["fresh_n"][change.key]), 1.0)
    lately = float(state["fresh_hits"][change.key]) / n
    low, _ = shown(lately * n, n)
    told = [(change.value, change.low, change.n), (lately, low, n)]
    enough = _OPPOSITE * (1 - change.reference)
    return change.reference < 0.5 and any(share >= enough and low > 0.5 and n >= _FEW for share, low, n in told)


def _earlier_was_better(state: State, change: Change, profile: Profile) -> Advice | None:
    """The best of the earlier versions that still get labels, if it is clearly better."""
    own = profile.groups[change.key]
    for base in _others(profile, change.key):
        n = float(state["recent_n"][base]) if base < len(state["recent_n"]) else 0.0
        if n < _FEWEST or int(state["last"][base]) <= change.since:
            continue
        hits = float(state["recent_hits"][base])
        _, high = shown(hits, n)
        if high < change.low:
            other = model_words(profile.groups[base]).removeprefix(f"Model {own.model} ")
            return Advice(
                "rollback", f"{other} still serves and errs in {percent(hits / n)} of its outcomes on the same days."
            )
    return None


def _scores_are_off(state: State, change: Change) -> Advice | None:
    """Is the ranking as good as ever, and what a score means not?"""
    calm, now = ({name: float(state[f"{when}_{name}"][change.key]) for name in _KEPT} for when in ("calm", "now"))
    if min(calm["n"], now["n"]) < 2 * _FEWEST:
        return None
    true, said = (now[name] / now["n"] - calm[name] / calm["n"] for name in ("true", "said"))
    if abs(true) < _MOVED or abs(said) >= _SAME * abs(true):
        return None
    errors = change.value - change.reference
    missed, mistaken = (errors + true - said) / 2, (errors - true + said) / 2
    before, after = _apart(calm), _apart(now)
    if max(missed, mistaken) < _ONE_WAY * errors or before <= 0 or after < _APART * before:
        return None
    what = "positives that it misses" if missed > mistaken else "positives that are none"
    share, usual = percent(now["true"] / now["n"]), percent(calm["true"] / calm["n"])
    return Advice(
        "recalibrate",
        f"The additional errors are {what}: {share} of the labels are positive, usually {usual}, while its answers are "
        "as before and its scores still tell the classes apart. Fit calibration or threshold anew; retrain if that "
        "does not do.",
    )


def _apart(seen: dict[str, float]) -> float:
    """How far the mean score of positives is above that of negatives; 0 where one of them is not known."""
    true, false = seen["scored_true"], seen["scored"] - seen["scored_true"]
    if min(true, false) < 1:
        return 0.0
    return seen["score_true"] / true - (seen["score"] - seen["score_true"]) / false


def _others(profile: Profile, key: int) -> list[int]:
    """Earlier versions of the group's model, the latest first."""
    own = profile.groups[key]
    mine = int(profile.group_base[key])
    return [base for base in reversed(profile.bases()) if base < mine and profile.groups[base].model == own.model]
