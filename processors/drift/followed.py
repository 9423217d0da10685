"""The labels moved: did what the model answers follow? And so, is it the world or the labels?

If only the classes' shares changed, and not what a member of a class looks like, then answers must have moved along: by
C (y' - y), with y and y' the labels' shares before and now and C the distribution of answers (scores, classes or
intervals of values) given the label, as it was while nothing happened [1]. *Followed* is which part r of that move the
answers of the same predictions made, labelled or not: 1 if they all followed, 0 if they stayed; estimated by weighted
least squares, which is the first step of maximum likelihood for a share of mixture,

    r = sum(e m / q) / sum(e e / q),   variance 1 / sum(e e / q) * (1 / n + 1 / n_before),

e being the expected move, m the one seen, q the answers' shares before. So a model whose answers tell little of the
class (e near 0) gives no verdict instead of a wrong one. What follows:

- r >= 1/2: `reweigh`. Classes have become more or less frequent; answers weighed by the ratio of shares hold again.
- else `check_labels`, with what else fits: fewer predictions than usual get their label (they are lost or late), a
  class has all but vanished (it is lost or recorded as another), or neither: labels are recorded otherwise than before,
  or the world has changed in a way that inputs do not show, which is concept drift. These two cannot be told apart
  without looking at labels, so that is said first.

[1] Z. C. Lipton, Y.-X. Wang & A. Smola (2018), "Detecting and correcting for label shift with black box predictors",
ICML (there C is inverted to estimate y' without labels; here both are known and it is the equation that is tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Action, State
from processors.detectors import columns
from processors.kernels.binning import WIDTH
from processors.rows import Bools, Floats, Ints, Longs
from processors.wording import percent

_HALF = 0.5
_SURE = 0.25
"""Standard error up to which r says something."""
_DOUBT = 5.0
"""Labels' worth of the answers' usual distribution in what is known of the answers to a class."""
_FEWER = 0.9
"""Labels are missing when so much or less of the usual coverage is left."""
_GONE, _EXPECTED = 0.2, 6.0
"""A class is all but gone below this much of its usual share, once so many labels of it were due."""

LAYOUT: columns.Layout = {
    f"{when}_{what}": (np.float64, shape, 0)
    for when in ("calm", "now")
    for what, shape in (("answers", (WIDTH,)), ("labels", ()))
}
JOINT: columns.Layout = {"joint": (np.float32, (WIDTH, WIDTH), 0)}
"""Of whole versions: answers (first axis) by label."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, why, and on what that rests. `lost` says that labels are missing: other figures follow from it."""

    action: Action
    reason: str
    evidence: Mapping[str, Any]


def initial() -> State:
    """Nothing was seen."""
    return {"shares": columns.empty(LAYOUT), "joint": columns.empty(JOINT)}


def remember(state: State, keys: Ints, labels: Longs, answers: Longs, calm: Bools) -> None:
    """Take in settled slots; `calm` says against whom there is no evidence: what came since the onset is then usual."""
    shares = state["shares"]
    columns.grow(shares, LAYOUT, keys)
    for name, column in (("answers", answers), ("labels", labels.sum(axis=1))):
        now = shares[f"now_{name}"][keys] + column
        mask = calm[:, None] if now.ndim > 1 else calm
        shares[f"calm_{name}"][keys] += np.where(mask, now, 0)
        shares[f"now_{name}"][keys] = np.where(mask, 0, now)


def pair(state: State, bases: Ints, code: Longs, n: Longs) -> None:
    """Count labels of (model, version)s by answer and label: `code` is answer * 32 + label."""
    if len(bases):
        columns.grow(state["joint"], JOINT, np.array([bases.max()]))
        np.add.at(state["joint"]["joint"], (bases, code // WIDTH, code % WIDTH), n.astype(np.float32))


def recovered(state: State, key: int) -> None:
    """What was seen since the onset is not usual, and over."""
    for name in ("now_answers", "now_labels"):
        state["shares"][name][key] = 0


def forget(state: State, keys: frozenset[int]) -> None:
    """Let these be as if never seen."""
    columns.clear(state["shares"], LAYOUT, columns.numbers(keys))
    columns.clear(state["joint"], JOINT, columns.numbers(keys))


def advise(  # noqa: PLR0917 - a group, and its labels before and now
    state: State, key: int, base: int, before: Floats, counts: Floats, names: list[str]
) -> Advice:
    """What to do about labels of a group that moved from the shares `before` to `counts` since the onset, and why."""
    shares, n = state["shares"], float(counts.sum())
    part, error = _followed(state, key, base, counts / max(n, 1) - before)
    coverage, usual = (
        float(shares[f"{when}_labels"][key] / max(shares[f"{when}_answers"][key].sum(), 1)) for when in ("now", "calm")
    )
    evidence: dict[str, Any] = {"label_coverage": coverage, "usual_label_coverage": usual}
    known = error <= _SURE
    if known:
        evidence["answers_followed"] = {"value": part, "low": part - 2 * error, "high": part + 2 * error}
    if known and part >= _HALF:
        return Advice(
            "reweigh",
            "Answers moved with the labels as far as their new shares make them: classes have become more or less "
            "frequent and look as before. Weigh classes by their new shares (scores or training rows); retraining is "
            "not needed for that.",
            evidence,
        )
    so_far = "while its answers are as before" if known else "and its answers cannot tell why yet"
    gone = _gone(before, counts, names)
    if coverage <= _FEWER * usual:
        lost = f" Hardly any say {gone}." if gone else ""
        reason = f"Only {percent(coverage)} of the predictions got a label in time, usually {percent(usual)}, {so_far}:"
        return Advice(
            "check_labels", f"{reason} labels are lost or late.{lost}", {**evidence, "lost": gone or "labels"}
        )
    if gone:
        reason = f"Hardly any label says {gone} any more, {so_far}, and as many labels come as usual:"
        return Advice("check_labels", f"{reason} it is recorded as something else.", {**evidence, "lost": gone})
    return Advice(
        "check_labels",
        f"The labels moved {so_far}, and as many come as usual: either they are recorded otherwise than before, or "
        "what makes the outcome has changed in a way that its inputs do not show. If the labels are right, retrain.",
        evidence,
    )


def _followed(state: State, key: int, base: int, moved: Floats) -> tuple[float, float]:
    """(r, its standard error); the error is infinite where nothing can be said."""
    shares, joint = state["shares"], state["joint"]["joint"]
    before, now = shares["calm_answers"][key], shares["now_answers"][key]
    if min(before.sum(), now.sum()) < 1 or base >= len(joint):
        return 0.0, float("inf")
    q = before / before.sum()
    given = joint[base].astype(np.float64) + _DOUBT * q[:, None]
    given /= given.sum(axis=0)
    expected, seen = given @ moved, now / now.sum() - q
    weight = 1 / (q + 1 / before.sum())
    information = float((weight * expected**2).sum())
    if information < 1e-12:
        return 0.0, float("inf")
    error = ((1 / before.sum() + 1 / now.sum()) / information) ** 0.5
    return float((weight * expected * seen).sum()) / information, float(error)


def _gone(before: Floats, counts: Floats, names: list[str]) -> str:
    """The most frequent of the classes that have all but vanished; empty: none has."""
    n = counts.sum()
    left = np.where((before * n >= _EXPECTED) & (counts < _GONE * before * n), before, 0)
    return names[int(left.argmax())] if left.any() else ""
