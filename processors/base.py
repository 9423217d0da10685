"""The contract of a monitor, and the words that monitors answer in.

A monitor is a pure capability in two halves. `measure` turns the rows of one closed pane into a `Summary`; summaries
merge, so that a pane may be measured in pieces anywhere. `judge` takes merged summaries pane after pane, remembers
what it must in its state, and answers with readings (numbers to look at) and findings (what alerts are made of).

Neither half does I/O, reads a clock, draws unseeded random numbers, or raises on data. To add a monitor write one
file with a `Settings` class and a `@register`ed `Monitor`, and put it through `processors.checks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from processors.documented import Documented
from processors.durations import DAY_US
from processors.profile import GroupKey, Profile
from processors.rows import Ints, Longs

Consumes = Literal["predictions", "outcomes", "both", "signals", "explanations", "readings"]
Severity = Literal["info", "warning", "critical"]
Action = Literal["retrain", "rollback", "recalibrate", "fix_feature", "check_labels", "reweigh", "scale", "none"]

_A_WEEK_US = 7 * DAY_US

State = dict[str, Any]
"""What a monitor remembers: a tree that `packing.pack` takes."""


class MonitorSettings(Documented):
    """Settings of a monitor as they stand under `monitors:` in the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Summary:
    """What one pane (or several, merged) amounts to: columns with one entry per key.

    `keys` ascend and are group or series numbers of the profile. Each column has shape (len(keys), ...).
    """

    keys: Ints
    columns: Mapping[str, npt.NDArray[Any]]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Reading:
    """One named number with its window, sample size, interval, reference and coverage.

    `scope` says of what: a `window` of panes, a `cohort` (outcomes of predictions made in one hour), or the `total`
    since the version began. `value` is None where it is undefined, such as an AUC of one class.
    """

    monitor: str
    series: str
    group: GroupKey
    value: float | None
    n: int
    start: int
    end: int
    scope: Literal["window", "cohort", "total"] = "window"
    feature: str | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    reference_id: str | None = None
    coverage: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only some readings have: class, as_of, revision, final, keep_rate, provisional."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A change of mind about one series of one group: it went bad, got worse or better, or recovered.

    `fired` starts an alert, `updated` refreshes the numbers of one that fires, `recovered` ends it. `since` is the
    estimated onset, `onset` its bounds. `summary` is one plain sentence for a tired person. `evidence` is added to the
    alert's as it is.
    """

    kind: Literal["fired", "updated", "recovered"]
    monitor: str
    series: str
    group: GroupKey
    since: int
    value: float | None
    n: int
    summary: str
    feature: str | None = None
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    severity: Severity = "warning"
    action: Action = "none"
    provisional: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    onset: tuple[int, int] | None = None
    """Bounds of the onset, where they are known."""
    reason: str = ""
    """Why this action, in one sentence; empty for the usual reason."""
    lag: int = 0
    """By so much (microseconds) what others tell of the same onset may come later: `since` is of predictions, say, and
    they go by when labels come."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What `judge` may know beside its state and the summary.

    `start` and `end` bound the pane (microseconds). `alarms_per_us` is the share of the false-alarm budget that this
    monitor may spend on one model, in expected false alarms per microsecond; a monitor with several live series of a
    model divides it among them. `window_events`, `window_span` and `window_min_events` say when a reading leaves, see
    `processors.windows`. `last` is true at the end of a finite input: what is waiting in a window leaves now. `pane_us`
    is the pane's length.
    """

    start: int
    end: int
    profile: Profile
    alarms_per_us: float
    window_events: int
    window_span: int
    pane_us: int
    last: bool = False
    readings: tuple[Reading, ...] = ()
    """Readings of this pane from all other monitors, for those that consume readings."""
    coverage: Mapping[str, Any] = field(default_factory=dict)
    """What is known of labels by model, from the ledger: {model: {"coverage", "keep_rate", "wait_us"}}."""
    window_min_events: int = 1
    """A window that spans enough but holds fewer events than this waits for more."""
    window_min_span: int = 0
    """A window that holds enough but spans less than this waits, so that a fast key does not read out each pane."""

    def label_waits(self, groups: Ints) -> Longs:
        """How long labels are waited for (microseconds), by the models of these groups; a week where nobody said."""
        known = [self.coverage.get(self.profile.groups[group].model, {}) for group in groups.tolist()]
        return np.array([each.get("wait_us", _A_WEEK_US) for each in known], np.int64)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `judge` answers. `sealed` is handed to `measure` from the next pane on."""

    state: State
    readings: list[Reading] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    sealed: Any = None


SettingsT = TypeVar("SettingsT", bound=MonitorSettings)
RowsT = TypeVar("RowsT")


class Monitor(ABC, Generic[SettingsT, RowsT]):
    """One thing that Vigil watches. See the module's docstring for what its methods may and may not do.

    `RowsT` follows from `consumes`: PredictionRows, OutcomeRows, BothRows (those two, for `both`), SignalRows or
    ExplanationRows of `processors.slices`; a monitor that consumes readings has nothing to measure and finds them in
    `Judging.readings`.
    """

    name: str
    """Given by `register`; an instance may have one of its own, as each of River's detectors has."""
    Settings: ClassVar[type[MonitorSettings]]
    code_version: ClassVar[int] = 1
    """Raise it when the state's shape or meaning, the results, or the default of a setting change: the monitor then
    starts anew, unless it can `upgrade` what was kept."""
    alarm_share: ClassVar[float] = 1.0
    """Weight in sharing what concept drift leaves of the false-alarm budget; 0 for one that never raises an alert."""

    consumes: Consumes

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @abstractmethod
    def measure(self, rows: RowsT, profile: Profile, sealed: Any) -> Summary:
        """The summary of one pane's rows. Pure and vectorised; keys are the groups or series that occur."""

    @abstractmethod
    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Take in one more pane. May change `state` in place; returns it with what was found.

        Also called with an empty summary: at `deadline`, and at the end of a finite input.
        """

    def empty(self) -> Summary:
        """The summary of no rows. `merge` with it changes nothing."""
        return Summary(np.zeros(0, np.int32), {})

    def merge(self, a: Summary, b: Summary) -> Summary:
        """Both together: associative and commutative. By default columns add up, aligned by key."""
        return add_summaries(a, b)

    def initial(self) -> State:
        """The state before the first pane."""
        return {}

    def adopt(self, state: State, rows: RowsT, context: Judging) -> Verdict:
        """Take the rows of a reference for what is normal of the groups and series in them, from now on.

        They are of one version, located in its sealed coordinates, and not of this pane; called before the pane is
        measured. What is too little to judge by is left alone, so that own panes can fill it. Whatever fired of what is
        adopted fires no more: the alerts are withdrawn by whoever calls this. By default there is nothing to adopt.
        """
        return Verdict(state)

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """What an older code version kept, as this one would have; None: it is of no use, start anew.

        `sealed` is a tree as `dump_sealed` made it.
        """
        return None

    accepts: ClassVar[bool] = True
    """Whether what it finds can be taken for normal: false for limits that somebody set by hand."""

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        """Take what is now for what is normal of these groups and series. By default they are learnt anew."""
        return self.forget(state, groups, series)

    def examples(self, finding: Finding, rows: RowsT, profile: Profile, sealed: Any) -> npt.NDArray[np.bool_] | None:
        """Which rows of the pane that fired show what was found? None: that can't be told by single rows."""
        return None

    def evidence(self, state: State, base: int, profile: Profile) -> dict[str, Any]:
        """What it has to say to any alert of a version, such as `top_features`; empty: nothing."""
        return {}

    def deadline(self, state: State) -> int | None:
        """When (event time) it wants to be judged next even if nothing arrives; None: never."""
        return None

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        """Free what it holds for retired groups and series; their numbers will be given to others."""
        return state

    def dump_sealed(self, sealed: Any) -> Any:
        """`sealed` as a tree that can be packed."""
        return sealed

    def load_sealed(self, tree: Any) -> Any:
        """What `dump_sealed` was given."""
        return tree


def add_summaries(a: Summary, b: Summary) -> Summary:
    """The columns of both added up, aligned by key; the merge of everything that counts."""
    if not len(a):
        return b
    if not len(b):
        return a
    keys = np.union1d(a.keys, b.keys).astype(np.int32)
    at_a, at_b = np.searchsorted(keys, a.keys), np.searchsorted(keys, b.keys)
    columns = {}
    for name, column in a.columns.items():
        total = np.zeros((len(keys), *column.shape[1:]), column.dtype)
        total[at_a] += column
        total[at_b] += b.columns[name]
        columns[name] = total
    return Summary(keys, columns)
