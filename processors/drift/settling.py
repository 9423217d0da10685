"""When have labels said what they will say? And what predictions of one stretch of time came to, once they have.

A class may be labelled later than another: a fraud weeks after the payment, what is fine at once. So labels as they
arrive are no fair sample of what is predicted: after a rise of traffic, or in a version's first days, the quick class
is too frequent. What is counted here is therefore a *slot*, a stretch of predictions, and of their labels those that
came within a fixed *age*; it is released when all of its predictions are older than that.

Exact: which labels a slot has depends on each prediction's own time and its label's lag alone, so as long as neither
the classes' shares nor their lags change, slots are alike in the mean: whatever the lags are, how the classes' lags
differ, how traffic goes, and whether the age is long enough for all labels to come. What is not told apart is a class
that becomes rarer from one that is labelled later than the age allows: both are labels that are missing.

The age is learnt: the least of a fixed list by which 95% of the labels of each class (of 20 labels or more) that ever
came had come. It only grows (as more lags are known, for a version's first labels are those of the quickest class, and
where more than one in twenty of a class comes later); then slots and references begin anew. So a class that is labelled
after three weeks is watched from its fourth week on, and a change is seen at the earliest when the age is over. Lags
beyond what labels are waited for (of events that were written down long after they happened) tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import State
from processors.detectors import columns
from processors.durations import DAY_US, HOUR_US, MINUTE_US
from processors.kernels.binning import WIDTH
from processors.rows import Bools, Floats, Ints, Longs

AGES_US = np.array(
    [
        *(MINUTE_US * minutes for minutes in (1, 3, 10, 30, 90)),
        *(HOUR_US * hours for hours in (5, 15)),
        *(DAY_US * days for days in (2, 4, 8, 16, 32, 64)),
    ],
    np.int64,
)
NEVER = 2**62

_SLOTS = 8
"""Slots that are open at once: five of an age, those at its ends, and the one of a pane that is as long."""
_PARTS = 5
"""Slots of an age."""
_FEWEST, _FEWEST_OF_CLASS = 100, 20
"""Labels from which an age is chosen, and of a class that has a say in it."""
_MOST = 20_000.0
"""Labels after which those before count half, so that lags can change."""
_COME = 0.95
_MORE = 1.1
"""So many times as many labels as at the last look are worth another."""

_AGES: columns.Layout = {
    "age": (np.int64, (), 0),  # 0: not known yet
    "width": (np.int64, (), 0),  # of a slot
    "lags": (np.float32, (WIDTH, len(AGES_US)), 0),  # labels by class and the least age that they are within
    "seen": (np.float64, (), 0),
    "looked": (np.float64, (), 0),
}
_OPEN: columns.Layout = {
    "slot": (np.int64, (_SLOTS,), -1),
    "due": (np.int64, (_SLOTS,), NEVER),
    "labels": (np.int32, (_SLOTS, WIDTH), 0),
    "answers": (np.int32, (_SLOTS, WIDTH), 0),
}


@dataclass(frozen=True, slots=True)
class Settled:
    """Slots of one stretch of predictions: groups ascending, counts of labels and answers of shape (groups, 32)."""

    keys: Ints
    start: int
    end: int
    labels: Longs
    answers: Longs


def initial() -> State:
    """No lag is known and no slot is open."""
    return {"ages": columns.empty(_AGES), "open": columns.empty(_OPEN), "next": NEVER}


def sealed(state: State) -> State:
    """What `slots` needs."""
    return {"age": state["ages"]["age"], "width": state["ages"]["width"]}


def slots(known: State | None, base: Ints, ts: Longs, time: Longs) -> Longs:
    """Slot of each prediction made at `ts` of which something is told at `time`; -1 where that is of no slot."""
    found = np.full(len(base), -1, np.int64)
    if known is None or not len(base):
        return found
    mine = np.flatnonzero((base >= 0) & (base < len(known["age"])))
    age, width = known["age"][base[mine]], known["width"][base[mine]]
    made = np.minimum(ts[mine], time[mine])
    inside = (age > 0) & (made >= 0) & (time[mine] - made <= age)
    found[mine[inside]] = made[inside] // width[inside]
    return found


def lag_of(ts: Longs, time: Longs) -> Longs:
    """The least age (an index of `AGES_US`) that each lag is within; as many as there are ages for longer ones."""
    return np.asarray(np.searchsorted(AGES_US, np.maximum(time - ts, 0)), np.int64)


def learn(  # noqa: PLR0917 - lags, and what bounds the age that follows
    state: State, bases: Ints, lags: Floats, waits: Longs, pane_us: int, fixed: Bools
) -> Ints:
    """Take in lags, shape (bases, 32, ages), and say of which (model, version)s the age has changed.

    Their slots are dropped. `waits` is how long labels of each are waited for; what is `fixed` stays as it is.
    """
    ages = state["ages"]
    columns.grow(ages, _AGES, bases)
    within = np.arange(len(AGES_US)) <= np.searchsorted(AGES_US, waits)[:, None]
    new = lags * within[:, None, :]
    ages["lags"][bases] += new
    ages["seen"][bases] += new.sum(axis=(1, 2))
    worth = ~fixed & (ages["seen"][bases] >= np.maximum(_MORE * ages["looked"][bases], _FEWEST))
    worth |= ~fixed & (ages["width"][bases] > 0) & (ages["width"][bases] < pane_us)
    if not worth.any():
        return bases[:0]
    looked = bases[worth]
    age, width = _chosen(ages, looked, pane_us)
    _fade(ages, looked)
    changed = (age != ages["age"][looked]) | (width != ages["width"][looked])
    if changed.any():
        for name, column in (("age", age), ("width", width)):
            ages[name] = ages[name].copy()  # what was sealed is not written to
            ages[name][looked] = column
    return np.asarray(looked[changed])


def _chosen(ages: State, bases: Ints, pane_us: int) -> tuple[Longs, Longs]:
    """Age and width of slots: never a lesser age than before, nor than a pane."""
    counts = ages["lags"][bases].astype(np.float64)
    total = counts.sum(axis=2)
    come = np.cumsum(counts, axis=2) >= _COME * total[:, :, None]
    needed = np.where(total >= _FEWEST_OF_CLASS, come.argmax(axis=2), 0).max(axis=1)
    age = np.maximum(np.maximum(AGES_US[needed], ages["age"][bases]), pane_us)
    return age, np.maximum(age // _PARTS, pane_us)


def _fade(ages: State, bases: Ints) -> None:
    many = bases[ages["seen"][bases] >= _MOST]
    ages["lags"][many] *= np.float32(0.5)
    ages["seen"][many] *= 0.5
    ages["looked"][bases] = ages["seen"][bases]


def add(  # noqa: PLR0917 - columns of the same entries
    state: State, kind: str, groups: Ints, slot: Longs, place: Longs, n: Longs, bases: Ints
) -> None:
    """Count `labels` or `answers`: `n` in a bin of a slot of each group, whose (model, version)s are `bases`.

    What is due before the pane must have been released.
    """
    if not len(groups):
        return
    ages, held = state["ages"], state["open"]
    columns.grow(held, _OPEN, np.array([groups.max()]))
    at = slot % _SLOTS
    held["slot"][groups, at] = slot
    held["due"][groups, at] = due = (slot + 1) * ages["width"][bases] + ages["age"][bases]
    np.add.at(held[kind], (groups, at, place), n.astype(np.int32))
    state["next"] = min(state["next"], int(due.min()))


def release(state: State, until: int, group_base: Ints) -> list[Settled]:
    """Take out the slots that are due by `until`, the oldest first."""
    if until < state["next"]:
        return []
    held = state["open"]
    group, at = np.nonzero(held["due"] <= until)
    slot = held["slot"][group, at]
    width = state["ages"]["width"][group_base[group]]
    start = slot * width
    order = np.lexsort((group, width, start + width))
    group, at, start, width = group[order], at[order], start[order], width[order]
    new = np.ones(len(group), np.bool_)
    new[1:] = (start[1:] != start[:-1]) | (width[1:] != width[:-1])
    found = [
        Settled(
            group[part].astype(np.int32),
            int(start[part[0]]),
            int(start[part[0]] + width[part[0]]),
            held["labels"][group[part], at[part]].astype(np.int64),
            held["answers"][group[part], at[part]].astype(np.int64),
        )
        for part in np.split(np.arange(len(group)), np.flatnonzero(new)[1:])
        if len(part)
    ]
    _empty(held, group, at)
    state["next"] = int(held["due"].min(initial=NEVER))
    return found


def drop(state: State, groups: Ints) -> None:
    """Let go of the open slots of these groups."""
    held = state["open"]
    columns.clear(held, _OPEN, groups)
    state["next"] = int(held["due"].min(initial=NEVER))


def forget(state: State, groups: frozenset[int]) -> None:
    """Let these groups be as if never seen."""
    columns.clear(state["ages"], _AGES, columns.numbers(groups))
    drop(state, columns.numbers(groups))


def _empty(held: State, group: Longs, at: Longs) -> None:
    for name, (_, _, fill) in _OPEN.items():
        held[name][group, at] = fill
