"""Is a new version found whose feature is wrong from its first prediction on? Real rows, the whole pipeline, no labels.

    python -m bench.born_wrong DATA [--splits N] [--most N] [--only PART]

Each trial is a model of its own. Version 1 answers 4,000 rows of adult, car_loan or electricity in random order; then
version 2 answers 3,000 rows, beside version 1 (every other row) or after it, of which one column is wrong, and 2,000
of which nothing is. It is found if an alert of version 2 names the column before it is mended, and named first if the
first alert does that names one. Whatever else is told of either version, and what fires once it is mended, is counted
beside it; of unchanged columns any alert is false. Of electricity's rows in the order of time, with
the versions far apart, much has changed; there it is false to say that no other version was sent the like.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import orjson

import config
from bench.events import BEGIN_US, Rows
from bench.tables import Frozen, tables, take
from daemon import app, telemetry
from daemon.alerts.notice import Notice

_SEED = 20_261_123
_STEP_US = 200_000
_FIRST, _WRONG, _MENDED = 4_000, 3_000, 2_000
_TOGETHER = 40
_CONFIG = "alerts: {fleet_false_alarms: 1 per 1h}\n"
"""Each trial stands for a fleet of one model, so that their number must not matter."""
_LEAST_CHANGED = 0.5

Column = npt.NDArray[Any]


def _renamed(column: Column) -> Column:
    return np.array([f"{name.lower()}_code" for name in column.tolist()], object)


OF_NUMBERS: dict[str, Callable[[Column], Column]] = {
    "x 1000": lambda column: column * 1_000,
    "x 0.001": lambda column: column / 1_000,
    "x 0.01": lambda column: column / 100,
    "negated": lambda column: -column,
    "+ 3 ranges": lambda column: column + 3 * float(np.nanmax(column) - np.nanmin(column)),
    "°C as °F": lambda column: 1.8 * column + 32,
}
OF_TEXTS: dict[str, Callable[[Column], Column]] = {"renamed": _renamed}


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows by version and event number; `feature` (None: nothing) is wrong in the first of version 2."""

    name: str
    data: str
    what: str
    feature: str | None
    rows: Rows
    version: npt.NDArray[np.int64]
    mended: int
    """Number of the first event from which nothing is wrong any more."""


@dataclass(slots=True)
class Heard:
    """What was told of a trial."""

    fired: list[tuple[int, str, str, str, bool]] = field(default_factory=list)
    """(event, version, feature, monitor, whether it pages)"""
    ended: set[tuple[str, str]] = field(default_factory=set)
    strange: bool = False
    """Did an alert say that no other version was ever sent the like?"""


def trials(data: str, rows: Rows, splits: int, only: str) -> Iterator[Trial]:
    """Each fault of each column that it changes, beside and after the version before; and what is as ever."""
    faults = [
        (feature, what, fault)
        for feature in sorted(rows)
        for what, fault in (OF_TEXTS if rows[feature].dtype == object else OF_NUMBERS).items()
        if _changed(rows[feature], fault(rows[feature])) >= _LEAST_CHANGED
    ]
    unchanged = [("", f"unchanged-{split}", None) for split in range(splits)]
    for feature, what, fault in [*faults, *unchanged]:
        for beside in (True, False):
            name = f"{data}-{what}-{feature}-{'beside' if beside else 'after'}"
            if only in name:
                yield _trial(name, data, rows, what.split("-")[0], feature or None, fault, beside)
    if data == "electricity":
        yield from (one for one in _by_time(data, rows) if only in one.name)


def _trial(  # noqa: PLR0917 - what a trial is
    name: str, data: str, rows: Rows, what: str, feature: str | None, fault: Any, beside: bool
) -> Trial:
    rng = np.random.default_rng([_SEED, crc32(name.encode())])
    later = _WRONG + _MENDED
    size = _FIRST + later * (2 if beside else 1)
    total = len(next(iter(rows.values())))
    drawn = take(rows, rng.choice(total, size, replace=total < size))
    version = np.where(np.arange(size) < _FIRST, 1, np.where(beside & (np.arange(size) % 2 == 0), 1, 2))
    mended = _FIRST + _WRONG * (2 if beside else 1)
    if feature is not None:
        wrong = (version == 2) & (np.arange(size) < mended)
        column = drawn[feature].copy()
        column[wrong] = fault(drawn[feature])[wrong]
        drawn[feature] = column
    return Trial(name, data, what, feature, drawn, version, mended)


def _by_time(data: str, rows: Rows) -> Iterator[Trial]:
    """Version 1 of one month, version 2 of another, each in the order of time: nothing is wrong."""
    for begin in range(10):
        first, second = 2_000 * begin, 2_000 * begin + 22_000
        order = np.concatenate([np.arange(first, first + _FIRST), np.arange(second, second + _WRONG)])
        version = np.where(np.arange(len(order)) < _FIRST, 1, 2)
        yield Trial(f"{data}-by-time-{begin}", data, "by time", None, take(rows, order), version, len(order))


def _changed(column: Column, bad: Column) -> float:
    return float(((column != bad) & (column == column)).mean())  # noqa: PLR0124 - NaN is not itself


def heard(some: Sequence[Trial], models: Mapping[str, Frozen]) -> dict[str, Heard]:
    """Replay trials together."""
    told = {trial.name: Heard() for trial in some}

    def hear(notice: Notice) -> None:
        finding, of = notice.finding, told[notice.finding.group.model]
        event = round((notice.time - BEGIN_US) / _STEP_US)
        if notice.change == "fired" and not notice.held:
            one = (event, finding.group.version, finding.feature or "", finding.monitor, notice.page)
            of.fired.append(one)
            of.strange |= "other_versions" in finding.evidence
        elif notice.change == "resolved":
            of.ended.add((finding.feature or "", finding.monitor))

    telemetry.configure("error", "json")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.ndjson")
        with path.open("wb") as out:
            out.writelines(_events(some, models))
        settings = config.parse(_CONFIG, {}, app.registry(), source_required=False)
        with closing(app.replaying(settings, [path], alerts=Path(folder, "alerts"), on_notice=hear)) as pipeline:
            pipeline.run(lambda: False)
    return told


def _events(some: Sequence[Trial], models: Mapping[str, Frozen]) -> Iterator[bytes]:
    answers = [models[t.data].serve("", t.rows, np.zeros(len(t.version), np.int64)).score for t in some]
    columns = [[trial.rows[name].tolist() for name in sorted(trial.rows)] for trial in some]
    for number in range(len(some[0].version)):
        for trial, score, values in zip(some, answers, columns, strict=True):
            known = zip(sorted(trial.rows), (column[number] for column in values), strict=True)
            event = {
                "type": "prediction",
                "id": f"e{number}",
                "model": trial.name,
                "version": str(trial.version[number]),
                "ts": BEGIN_US + number * _STEP_US,
                "features": {name: _plain(value) for name, value in known},
                "prediction": int(score[number] > 0.5),
                "score": float(score[number]),
            }
            yield orjson.dumps(event) + b"\n"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class Result:
    """What was said of a trial, as the table counts it."""

    trial: Trial
    told: Heard

    @property
    def named(self) -> list[str]:
        """Features that alerts of version 2 named before it was mended."""
        return [f for event, v, f, _, _ in self.told.fired if v == "2" and f and event <= self.trial.mended]

    @property
    def pages(self) -> tuple[int, int]:
        """Before it was mended, and from then on."""
        early = [event <= self.trial.mended for event, _, _, _, page in self.told.fired if page]
        return sum(early), len(early) - sum(early)

    @property
    def over(self) -> bool:
        """Did all that named the feature end?"""
        mine = {(f, m) for _, _, f, m, _ in self.told.fired if f == self.trial.feature}
        return bool(mine) and mine <= self.told.ended


def _row(what: str, mine: Sequence[Result]) -> str:
    found = [one for one in mine if one.trial.feature in one.named]
    first = sum(one.named[0] == one.trial.feature for one in found)
    others = sum(any(name != one.trial.feature for name in one.named) for one in mine)
    early, late = (sum(one.pages[at] for one in mine) for at in (0, 1))
    strange = sum(one.told.strange for one in mine)
    counts = [len(mine), len(found), first, strange, others, early, sum(one.over for one in found), late]
    return f"| {what} | {' | '.join(map(str, counts))} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=20, help="trials of each table in which nothing is wrong")
    parser.add_argument("--most", type=int, help="so many trials of each table at most, drawn evenly")
    parser.add_argument("--only", default="", help="only trials with this in their name")
    chosen = parser.parse_args(arguments)
    rng = np.random.default_rng(_SEED)
    results: list[Result] = []
    for data, (rows, truth) in tables(chosen.data).items():
        models = {data: Frozen(take(rows, (sample := rng.permutation(len(truth))[:5_000])), truth[sample])}
        every = sorted(trials(data, rows, chosen.splits, chosen.only), key=lambda trial: len(trial.version))
        if chosen.most and len(every) > chosen.most:
            every = [every[at] for at in sorted(rng.choice(len(every), chosen.most, replace=False))]
        for _, alike in groupby(every, key=lambda trial: len(trial.version)):  # who ends first is silent, rightly
            trials_alike = list(alike)
            for low in range(0, len(trials_alike), _TOGETHER):
                some = trials_alike[low : low + _TOGETHER]
                told = heard(some, models)
                results += [Result(trial, told[trial.name]) for trial in some]
                for one in results[-len(some) :]:
                    _show(one)
    print(
        "| wrong in version 2 | trials | found | named first | strange | others named | pages | mended: over | pages |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for what in dict.fromkeys(one.trial.what for one in results):
        print(_row(what, [one for one in results if one.trial.what == what]))
    return 0


def _show(one: Result) -> None:
    if one.trial.feature is None:
        if one.told.strange or (one.told.fired and one.trial.what != "by time"):
            print(f"  FALSE {one.trial.name}: {one.told.fired[:4]}", flush=True)
    elif one.trial.feature not in one.named:
        print(f"  MISSED {one.trial.name}", flush=True)
    elif one.named[0] != one.trial.feature or one.pages[1] or not one.over:
        print(f"  ODD {one.trial.name}: {one.told.fired[:6]} over={one.over}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
