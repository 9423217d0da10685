"""Counting what is wrong with the cells of a pane, by series, and how many events were duplicates, by version.

Keys of the summary are 2 × series number, and 2 × group number + 1: `series_key` and `group_key`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import Summary, add_summaries
from processors.distinct import counted
from processors.kernels import binning
from processors.kernels.binning import ABOVE, ABSENT, BELOW, CATEGORICAL, NUMERIC, UNSEALED, WIDTH, WRONG_TYPE
from processors.profile import Profile
from processors.rows import Bools, Floats, Ints
from processors.slices import PredictionRows

MISSING, WRONG, NOVEL, DUPLICATE = range(4)
"""What is counted in `bad`. NOVEL is an unseen category or a number out of range; DUPLICATE alone is of groups."""

KINDS = ("missing", "wrong_type", "novel", "duplicate")

_EXTREMES = {"low": np.minimum, "high": np.maximum}


def series_key(series: npt.NDArray[Any]) -> Ints:
    """Key of a series."""
    return (2 * series).astype(np.int32)


def group_key(group: npt.NDArray[Any]) -> Ints:
    """Key of a group."""
    return (2 * group + 1).astype(np.int32)


def place_of(number: Any, kind: Any) -> Any:
    """Where the rate of a kind of a series is kept; duplicates of a group are kept apart, under its number."""
    return number * DUPLICATE + kind


def of_series(keys: Ints) -> Bools:
    """Which keys are of series?"""
    return np.asarray(keys % 2 == 0)


def count(rows: PredictionRows, profile: Profile) -> Summary:
    """By series that has bins, or is new: events `n`, `cells`, `bad` and `trials` by kind, `bins`, and the extremes.

    `n`, `cells` int64; `bad` and `trials` int64 of shape (keys, 4); `bins` int64 of shape (keys, WIDTH). `low` and
    `high` are the least and the greatest value (of texts: bin) that is of its type and known, inf and -inf without any.
    """
    groups, events = counted(rows.base[rows.base >= 0])
    doubles = counted(rows.duplicates[rows.duplicates >= 0])
    owner, kind = profile.series_group, profile.series_type
    live = (kind == NUMERIC) | (kind == CATEGORICAL)
    live[rows.cells.series[kind[rows.cells.series] == UNSEALED]] = True
    series = np.flatnonzero(live & np.isin(owner, groups))
    seen = _of_series(rows, series, len(owner))
    of_rows = events[np.searchsorted(groups, owner[series])].astype(np.int64)
    seen |= _judged(seen, of_rows, kind[series], owner[series])
    of_groups = merge(_of_groups(groups, events, DUPLICATE, 0), _of_groups(*doubles, DUPLICATE, 1))
    return merge(Summary(series_key(series), seen), of_groups)


def merge(a: Summary, b: Summary) -> Summary:
    """Counts add, extremes stay."""
    if not len(a) or not len(b):
        return b if not len(a) else a
    total = add_summaries(_counts(a), _counts(b))
    columns = dict(total.columns)
    for name, extreme in _EXTREMES.items():
        column = np.full(len(total), np.inf if name == "low" else -np.inf)
        for part in (a, b):
            at = np.searchsorted(total.keys, part.keys)
            column[at] = extreme(column[at], part[name])
        columns[name] = column
    return Summary(total.keys, columns)


def _of_series(rows: PredictionRows, series: npt.NDArray[Any], size: int) -> dict[str, npt.NDArray[Any]]:
    cells, place = rows.cells, binning.places(series, size)
    counts = binning.counts(cells.series, cells.bin, place, len(series))
    low, high = binning.extremes(cells.series, cells.bin, cells.value, place, len(series))
    return {"cells": counts.sum(axis=1), "bins": counts, "low": low, "high": high}


def _judged(
    seen: dict[str, npt.NDArray[Any]], events: npt.NDArray[np.int64], kind: npt.NDArray[Any], owner: Ints
) -> dict[str, npt.NDArray[Any]]:
    """Hits and trials of each kind: an absent cell is missing, and only what is there can be wrong.

    A feature without any value has no bins; once others of its version (`owner`) have, it is missing all the same.
    """
    bins, cells = seen["bins"], seen["cells"]
    known = (kind != UNSEALED).astype(np.int64)
    there = cells - bins[:, ABSENT]
    void = (kind == UNSEALED) & (there == 0)
    if void.any():
        void &= np.isin(owner, owner[kind != UNSEALED])
    bad, trials = np.zeros((len(cells), 4), np.int64), np.zeros((len(cells), 4), np.int64)
    bad[:, MISSING], trials[:, MISSING] = (events - there) * (known | void), events * (known | void)
    bad[:, WRONG], trials[:, WRONG] = bins[:, WRONG_TYPE] * known, there * known
    novel = bins[:, BELOW] + np.where(kind == NUMERIC, bins[:, ABOVE], 0)
    bad[:, NOVEL], trials[:, NOVEL] = novel * known, (there - bins[:, WRONG_TYPE]) * known
    return {"n": events, "bad": bad, "trials": trials}


def _of_groups(groups: npt.NDArray[Any], counts: npt.NDArray[Any], kind: int, hits: int) -> Summary:
    """Events of groups as trials of a kind, all of them hits or none."""
    bad, trials = np.zeros((len(groups), 4), np.int64), np.zeros((len(groups), 4), np.int64)
    trials[:, kind], bad[:, kind] = counts, hits * counts
    columns = {
        "cells": np.zeros(len(groups), np.int64),
        "bins": np.zeros((len(groups), WIDTH), np.int64),
        "low": np.full(len(groups), np.inf),
        "high": np.full(len(groups), -np.inf),
        "n": counts.astype(np.int64),
        "bad": bad,
        "trials": trials,
    }
    return Summary(group_key(groups), columns)


def _counts(summary: Summary) -> Summary:
    return Summary(summary.keys, {name: column for name, column in summary.columns.items() if name not in _EXTREMES})


def take(summary: Summary, which: Bools) -> Summary:
    """The entries of some keys."""
    return Summary(summary.keys[which], {name: column[which] for name, column in summary.columns.items()})


def spread(summary: Summary) -> Floats:
    """Greatest less least value: 0 where all were the same, NaN without any."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(summary["low"] <= summary["high"], summary["high"] - summary["low"], np.nan)
