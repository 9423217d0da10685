"""Deployment: is a new version of a model worse than the one that served before it?

A version that is bad from its first prediction on is no drift: what is normal for it is learnt from its own bad
outcomes. Here its errors are set against those of the version before it (of those that began earlier the one that has
served most lately): of the same panes while both serve, else against that one's last 2,000 outcomes or more, whatever
its own reference was: a new version that is merely as bad as the old one lately is no regression. `comparison` says
what is proved. Outcomes are matched by how long their labels took, for a new version's first labels are the quick ones.

Each version is compared once, from its first outcome until it is surely not worse, or for a day and 2,000 outcomes
(seven days at most). Versions that were there from the beginning, or began together, are not compared; nor is one that
goes on serving when another is rolled back. Half of the model's purse (`stakes`) goes to each new version.

Across time only what the hours of the day do not explain is held against it: the old version's usual rise from then to
now (`detectors.seasons`) is allowed for; where that is not known yet, only predictions of the first three hours count,
and the alert is provisional.

A regression errs where it is further off than nine in ten of the old version's own first outcomes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, State, Summary, Verdict
from processors.deployment import comparison, served, stakes
from processors.deployment.findings import Known, finding
from processors.deployment.served import BINS
from processors.detectors import budget, columns
from processors.distinct import distinct
from processors.drift import errors, samples
from processors.durations import HOUR_US
from processors.profile import REGRESSION, Profile
from processors.registry import register
from processors.rows import Bools, Floats, Ints, Longs
from processors.slices import BothRows, OutcomeRows

_FEWEST = 50
"""Outcomes of a version from which a new one can be compared with it."""
_UPDATE_US = HOUR_US

_REPORTED: columns.Layout = {"at": (np.int64, (), 0), "n": (np.float64, (), 0)}


class DeploymentSettings(MonitorSettings):
    """When a new version is worse."""

    min_effect: float | None = Field(None, gt=0, lt=1)
    """Error rates that are higher by less than this are not worth an alert (absolute). null: by less than a twentieth
    of the old version's, but at least 0.005 and at most 0.02."""
    critical_effect: float = Field(0.1, gt=0, le=1)
    """From this difference of error rates on an alert is critical."""


@register("deployment")
class Deployment(Monitor[DeploymentSettings, BothRows]):
    """Predictions, outcomes and errors per version → an alert where a new version is worse than the one before."""

    consumes = "both"
    Settings = DeploymentSettings

    def __init__(self, settings: DeploymentSettings) -> None:
        super().__init__(settings)
        given = settings.min_effect
        self._effect = comparison.Effect(given or errors.LEAST_EFFECT, given or errors.EFFECT)

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """By (model, version): `predicted`, and `counts` of shape (versions, lags, 4), int64.

        These are errors and outcomes by the version's own scale of errors, and by that of the version before it, by
        bins of the labels' lags; the scales (`own` and `before` of `sealed`) matter to regressions only, whose errors
        are sampled until there is one.
        """
        outcomes = rows.outcomes
        own, before = (None, None) if sealed is None else (sealed["own"], sealed["before"])
        wrong, judged, error = errors.of(outcomes, own)
        against = (wrong, judged)
        if (outcomes.task == REGRESSION).any():
            against = errors.of(outcomes, before)[:2]
        regression = outcomes.counted & (outcomes.task == REGRESSION) & (outcomes.base >= 0)
        waiting = regression & ~judged & ~np.isnan(error)
        used = judged | against[1] | waiting
        predicted = rows.predictions.base[rows.predictions.base >= 0]
        keys, place = distinct(np.concatenate([predicted, outcomes.base[used]]))
        if not len(keys):
            return self.empty()
        counts = _counts(outcomes, used, place[len(predicted) :], len(keys), (wrong, judged), against)
        made = np.bincount(place[: len(predicted)], minlength=len(keys)).astype(np.int64)
        keys = keys.astype(np.int32)
        sample = samples.columns(keys, np.where(waiting, outcomes.base, -1), outcomes.table.key, error)
        return Summary(keys, {"predicted": made, "counts": counts, **sample})

    def merge(self, a: Summary, b: Summary) -> Summary:
        return samples.merge(a, b)

    def initial(self) -> State:
        return {
            "served": columns.empty(served.LAYOUT),
            "compared": columns.empty(comparison.LAYOUT),
            "stakes": columns.empty(stakes.LAYOUT),
            "reported": columns.empty(_REPORTED),
            "names": {},
            "own": np.zeros(0),
            "before": np.zeros(0),
            "waiting": {},
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        if not len(summary):
            return Verdict(state, sealed=_sealed(state))
        state["own"] = errors.with_scales(state["own"], samples.collect(state["waiting"], summary))
        keys, counts = summary.keys, summary["counts"].astype(np.float64)
        made = summary["predicted"] > 0
        for layout, name in ((served.LAYOUT, "served"), (comparison.LAYOUT, "compared"), (_REPORTED, "reported")):
            columns.grow(state[name], layout, keys)
        served.predicted(state["served"], keys[made], summary["predicted"][made], context.start, context.end)
        self._begin(state, keys, counts, context)
        found = self._compare(state, keys, counts, context)
        told = counts[:, :, 1].sum(axis=1) > 0
        served.answered(state["served"], keys[told], counts[told, :, :2], context.start, context.end)
        return Verdict(state, findings=found, sealed=_sealed(state))

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        comparison.stop(state["compared"], columns.numbers(groups))
        return state

    def examples(self, finding: Finding, rows: BothRows, profile: Profile, sealed: Any) -> Bools | None:
        """Nothing: they would be of predictions, and what is wrong is known of outcomes."""
        return None

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        gone = columns.numbers(groups)
        columns.clear(state["served"], served.LAYOUT, gone)
        columns.clear(state["stakes"], stakes.LAYOUT, gone)
        columns.clear(state["reported"], _REPORTED, gone)
        comparison.retire(state["compared"], gone)
        state["own"], state["before"] = (errors.without(state[name], groups) for name in ("own", "before"))
        for group in groups:
            state["waiting"].pop(group, None)
            state["names"].pop(group, None)
        return state

    # Steps.

    def _begin(self, state: State, keys: Ints, counts: Floats, context: Judging) -> None:
        """Find the version before for those that got their first outcomes; half of the model's purse is theirs."""
        unknown = np.flatnonzero(state["compared"]["began"][keys] < 0)
        waits = np.array([key in state["waiting"] for key in keys[unknown].tolist()], np.bool_)
        new = unknown[counts[unknown].any(axis=(1, 2)) | waits]  # regressions get outcomes that do not count yet
        if not len(new):
            return
        owners = budget.models_of(context.profile, keys)
        for key, owner in zip(keys[new].tolist(), owners[new].tolist(), strict=True):
            mates = np.flatnonzero(context.profile.model_base == owner)
            mates = mates[(context.profile.group_base[mates] == mates) & (mates != key)].astype(np.int32)
            before = _version_before(state["served"], key, mates, context.end)
            state["compared"]["began"][key] = context.start
            if before >= 0:
                self._begin_one(state, key, before, mates, context)

    def _begin_one(self, state: State, key: int, before: int, mates: Ints, context: Judging) -> None:
        of = state["served"]
        stake = stakes.take(state["stakes"], key, mates, context.alarms_per_us, context.end)
        rises = served.rises(of, before, context.start)
        lately = served.lately(of, np.array([before]))[0]
        comparison.begin(state["compared"], key, before, lately, rises, stake, context.start)
        state["names"][key] = context.profile.groups[before].version
        if before < len(state["own"]):
            state["before"] = errors.put(state["before"], {key: state["own"][before]})

    def _compare(self, state: State, keys: Ints, counts: Floats, context: Judging) -> list[Finding]:
        compared = state["compared"]
        versions = comparison.active(compared)
        before = compared["before"][versions]
        own, of_before = _at(keys, counts, versions)[:, :, 2:], _at(keys, counts, before)[:, :, :2]
        told = own.any(axis=(1, 2)) | of_before.any(axis=(1, 2))
        if not told.any():
            return []
        versions, before = versions[told], before[told]
        spread = np.where(before >= 0, served.spread(state["served"], np.maximum(before, 0)), np.nan)
        served_at = np.where(before >= 0, state["served"]["last_at"][np.maximum(before, 0)], -1)
        comparison.gather(compared, versions, of_before[told], own[told], spread, served_at)
        worse, well = comparison.step(compared, versions, self._effect, context.start, context.end)
        found = [self._found(state, key, "fired", context) for key in worse.tolist()]
        found += [self._found(state, key, "recovered", context) for key in well.tolist()]
        due = [key for key in self._due(state, versions, context.end) if key not in worse]
        return found + [self._found(state, key, "updated", context) for key in due]

    def _due(self, state: State, versions: Ints, end: int) -> list[int]:
        """Those that fire and have news: time has passed, or twice as many outcomes are known."""
        firing = versions[state["compared"]["phase"][versions] == comparison.FIRING]
        n = state["compared"]["used"][firing, :, 3].sum(axis=1)
        waited = end - state["reported"]["at"][firing] >= _UPDATE_US
        return [int(key) for key in firing[waited | (n >= 2 * state["reported"]["n"][firing])]]

    def _found(self, state: State, key: int, kind: Any, context: Judging) -> Finding:
        of, compared = state["served"], state["compared"]
        before = int(compared["before"][key])
        state["reported"]["at"][key] = context.end
        state["reported"]["n"][key] = compared["used"][key, :, 3].sum()
        first = comparison.from_the_first(compared, key)
        value, reference, n, n_before = comparison.rates(compared, key)
        known = Known(
            group=context.profile.groups[key],
            regression=context.profile.task(key) == REGRESSION,
            before=state["names"][key],
            since=int(of["born"][key] if first else compared["least_at"][key]),
            first=first,
            value=value,
            reference=reference,
            n=n,
            n_before=n_before,
            same_traffic=comparison.same_traffic(compared, key),
            days_known=comparison.days_known(compared, key),
            served_until=int(of["last_at"][before]) if before >= 0 else None,
            spread=float(compared["spread"][key]),
            start=context.start,
            now=context.end,
        )
        made = finding(self.name, kind, known, self.settings.critical_effect)
        return made if kind != "recovered" else replace(made, evidence={})


def _sealed(state: State) -> dict[str, Floats]:
    return {"own": state["own"], "before": state["before"]}


def _counts(  # noqa: PLR0917 - columns of the same rows
    rows: OutcomeRows, used: Bools, place: Any, keys: int, own: tuple[Bools, Bools], against: tuple[Bools, Bools]
) -> Longs:
    cell = place * BINS + served.lag_bin(rows.table.time[used] - rows.table.ts[used])
    columns_ = (own[0] & own[1], own[1], against[0] & against[1], against[1])
    found = [np.bincount(cell, column[used], keys * BINS) for column in columns_]
    return np.stack(found, axis=1).reshape(keys, BINS, 4).astype(np.int64)


def _at(keys: Ints, counts: Floats, wanted: Ints) -> Floats:
    """The counts of the versions that are `wanted`; zeros where the pane has none (or the number is -1)."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[place] == wanted)[:, None, None], counts[place], 0)


def _version_before(of: State, key: int, mates: Ints, time: int) -> int:
    """Of the versions that began before `key` and have outcomes, the one that has served most lately; -1: none."""
    mates = mates[mates < len(of["born"])]
    born = of["born"][mates]
    earlier = mates[(born >= 0) & (born < of["born"][key])]
    earlier = earlier[served.lately(of, earlier)[:, :, 1].sum(axis=1) >= _FEWEST]
    return int(earlier[np.argmax(served.busy_at(of, earlier, time))]) if len(earlier) else -1
