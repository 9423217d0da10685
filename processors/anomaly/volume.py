"""Does a model predict much less, or much more, than it did of late?

Events are counted per version; judged are models, all versions together, so that a rollout is no drop. Counts of a
model are gathered in blocks that hold about 30 events, from one minute to one hour. A block is low (high) if it holds
fewer (more) events than the level by `factor`; the level is a moving mean with a half-life of an hour, which follows
the hours of the day but not an incident. Low and high blocks are two rates, each judged by an e-detector against its
own reference (`detectors.rates`), so that bursty models are measured by their own burstiness. Measured only: that a
daily cycle of up to fourfold stays quiet. A model that stops altogether is told by `silence`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from processors.anomaly import models
from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.distinct import counted
from processors.durations import HOUR_US, MINUTE_US
from processors.profile import GroupKey, Profile
from processors.registry import register
from processors.rows import Floats, Longs
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import model_words, moment

_BLOCK_EVENTS = 30
_LEARN_EVENTS = 300
_HALF_LIFE_US = HOUR_US
_CAREFUL = 0.125
"""An odd block moves the level by this share of what a usual one does."""
_WARM_BLOCKS = 20
_MOST_EMPTY = 36
"""Of a long pause no more empty blocks than this are judged."""

_WINDOWS = Windows()
_LAYOUT: columns.Layout = {
    "first": (np.int64, (), -1),
    "events": (np.int64, (), 0),
    "block": (np.int64, (), 0),  # length; 0 while it is not chosen
    "start": (np.int64, (), 0),
    "count": (np.int64, (), 0),
    "level": (np.float64, (), 0),
    "blocks": (np.int64, (), 0),
    "latest": (np.float64, (), 0),
}


class VolumeSettings(MonitorSettings):
    """When a change of volume matters."""

    factor: float = Field(2.0, gt=1)
    """A block of events is odd below the usual level divided by this, or above it times this."""
    min_effect: float = Field(0.1, gt=0, lt=1)
    """Rises of the share of odd blocks by less than this are not worth an alert (absolute)."""


@register("volume")
class Volume(Monitor[VolumeSettings, PredictionRows]):
    """Predictions per pane → events and events per second of each version, and an alert when a model's level breaks."""

    consumes = "predictions"
    code_version = 3
    Settings = VolumeSettings

    def __init__(self, settings: VolumeSettings) -> None:
        super().__init__(settings)
        self._rates = Rates(min_effect=settings.min_effect, warmup=60)

    def initial(self) -> State:
        return {
            "models": models.initial(),
            "own": columns.empty(_LAYOUT),
            "low": self._rates.initial(),
            "high": self._rates.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "lags": {},  # of what fires, by side and model: from when its first block began to when it was judged
        }

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Predictions `n` by base group, int64."""
        keys, counts = counted(rows.base[rows.base >= 0])
        return Summary(keys.astype(np.int32), {"n": counts}) if len(keys) else self.empty()

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        verdict.findings.extend(self._close_blocks(state, context))
        if len(summary):
            numbers = models.numbers(state["models"], summary.keys, context.profile)
            self._count(state["own"], numbers, summary["n"], context)
        for due in _WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(due, context.profile))
        return verdict

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        gone = models.forget(state["models"], groups)
        columns.clear(state["own"], _LAYOUT, columns.numbers(gone))
        for side in ("low", "high"):
            self._rates.forget(state[side], gone)
        budget.forget(state["budget"], gone)
        for name in [f"{side}/{number}" for side in ("low", "high") for number in gone]:
            state["lags"].pop(name, None)
        _WINDOWS.forget(state["windows"], groups)
        return state

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Version 2 did not keep what passes between a change and its judgement."""
        return ({**state, "lags": {}}, sealed) if code_version == 2 else None

    def _close_blocks(self, state: State, context: Judging) -> list[Finding]:
        """Judge the blocks that ended before this pane, the empty ones among them."""
        own = state["own"]
        keys = np.flatnonzero((own["block"] > 0) & (own["start"] + own["block"] <= context.start)).astype(np.int32)
        if not len(keys):
            return []
        passed = (context.start - own["start"][keys]) // own["block"][keys]
        empty = np.minimum(passed - 1, _MOST_EMPTY)
        count, level = own["count"][keys].astype(np.float64), own["level"][keys]
        low, high = count < level / self.settings.factor, count > level * self.settings.factor
        warm = own["blocks"][keys] >= _WARM_BLOCKS
        hits = {"low": low + empty, "high": high.astype(np.int64)}
        own["latest"][keys] = np.where(passed > 1, 0.0, count)
        judged = {side: odd[warm] for side, odd in hits.items()}
        changes = self._judge(state, keys[warm], judged, (empty + 1)[warm], context)
        self._note_lags(state, changes, dict(zip(keys.tolist(), own["start"][keys].tolist(), strict=True)), context)
        self._follow(own, keys, count, (low | high) & warm, empty)
        own["start"][keys] += passed * own["block"][keys]
        own["count"][keys] = 0
        own["blocks"][keys] += passed
        findings = [self._finding(state, side, change) for side, change in changes]
        for side, change in changes:
            if change.kind == "recovered":
                state["lags"].pop(f"{side}/{change.key}", None)
        return findings

    def _judge(
        self, state: State, keys: Any, hits: dict[str, Any], trials: Any, context: Judging
    ) -> list[tuple[Literal["low", "high"], Change]]:
        weights = budget.weights(state["budget"], keys, keys, context) / 2
        sides: tuple[Literal["low", "high"], ...] = ("low", "high")
        return [
            (side, change)
            for side in sides
            for change in self._rates.step(state[side], keys, hits[side], trials, context.start, context.end, weights)
        ]

    @staticmethod
    def _note_lags(
        state: State, changes: list[tuple[Literal["low", "high"], Change]], begins: dict[int, int], context: Judging
    ) -> None:
        """What fires began with a block, which is judged only when it is over; a pause even later."""
        for side, change in changes:
            if change.kind == "fired":
                at_once = change.since >= context.start
                lag = change.since - begins[change.key] if at_once else int(state["own"]["block"][change.key])
                state["lags"][f"{side}/{change.key}"] = lag

    def _follow(self, own: State, keys: Any, count: Floats, odd: Any, empty: Longs) -> None:
        """Let the level follow the block, then the empty ones after it."""
        pull = 1 - 0.5 ** (own["block"][keys] / _HALF_LIFE_US)
        first = np.maximum(pull * np.where(odd, _CAREFUL, 1.0), 1 / (own["blocks"][keys] + 1.0) * ~odd)
        level = own["level"][keys] + (count - own["level"][keys]) * first
        own["level"][keys] = level * (1 - pull * _CAREFUL) ** empty

    def _count(self, own: State, numbers: npt.NDArray[Any], n: Longs, context: Judging) -> None:
        """Add the pane to each model's block; choose how long blocks are once enough was seen."""
        present = np.unique(numbers)
        columns.grow(own, _LAYOUT, present)
        total = np.bincount(np.searchsorted(present, numbers), n, len(present)).astype(np.int64)
        own["count"][present] += np.where(own["block"][present] > 0, total, 0)
        learning = present[own["block"][present] == 0]
        own["first"][learning] = np.where(own["first"][learning] < 0, context.start, own["first"][learning])
        own["events"][learning] += total[own["block"][present] == 0]
        span = context.end - own["first"][learning]
        ready = ((own["events"][learning] >= _LEARN_EVENTS) & (span >= 5 * MINUTE_US)) | (span >= HOUR_US)
        chosen = learning[ready]
        wanted = _BLOCK_EVENTS * span[ready] / own["events"][chosen]
        panes = np.ceil(np.clip(wanted, MINUTE_US, HOUR_US) / context.pane_us).astype(np.int64)
        own["block"][chosen], own["start"][chosen] = panes * context.pane_us, context.end

    def _readings(self, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            n, start, end = int(due.summary["n"][at]), int(due.start[at]), int(due.end[at])
            for series, value in (("events", float(n)), ("events_per_second", n / (end - start) * 1e6)):
                readings.append(Reading(self.name, series, profile.groups[key], value, n, start, end))
        return readings

    def _finding(self, state: State, side: Literal["low", "high"], change: Change) -> Finding:
        own, key = state["own"], change.key
        per_minute = MINUTE_US / float(own["block"][key])
        now, usual = float(own["latest"][key]) * per_minute, float(own["level"][key]) * per_minute
        group = GroupKey(state["models"]["names"][key], "")
        word = "fewer" if side == "low" else "more"
        lag, block = state["lags"].get(f"{side}/{key}", 0), int(own["block"][key])
        since = change.since - lag
        sentence = (
            f"far {word} predictions than usual since {moment(since)} (now {now:,.0f} a minute, lately {usual:,.0f})"
        )
        if change.kind == "recovered":
            sentence = f"no longer far {word} predictions than usual (now {now:,.0f} a minute)"
        return Finding(
            kind=change.kind,
            monitor=self.name,
            series="drop" if side == "low" else "surge",
            group=group,
            since=since,
            # It may have begun within the block before.
            onset=None if change.onset is None else (max(change.onset[0] - lag - block, 0), change.onset[1]),
            value=now / 60,
            n=change.n,
            summary=f"{model_words(group)}: {sentence}.",
            reference=usual / 60,
            action="scale" if side == "high" and change.kind != "recovered" else "none",
            provisional=change.provisional,
            evidence={"odd_share": change.value, "usual_odd_share": change.reference},
        )
