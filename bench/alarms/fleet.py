"""Models' pane summaries, drawn rather than measured, for the monitors that spend the false-alarm budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from scipy.special import expit, logit, ndtr

from bench.alarms.regimes import Weather
from daemon.clocks import Clocks
from daemon.codecs import codecs
from daemon.decode import Bounds, Decoded, Decoder
from daemon.records import Partition, Run
from processors.anomaly.latency import BINS
from processors.base import Summary
from processors.drift import labelled, samples
from processors.kernels.binning import ABSENT, REGULAR, WIDTH
from processors.kernels.hashing import WIDTH as BUCKETS
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import BINARY, Limits, ModelSpec, Profile
from processors.quality.counting import group_key, series_key
from processors.rows import Floats, Ints, Longs

ERROR = 0.12
MISSING = 0.01
REPEATED = 0.1
POSITIVE = 0.3
"""Share of labels and of answers."""
_RARE = 0.05
"""Share of labels that are of a third class."""
_LABELLED = 0.5
"""Share of predictions whose labels `label_silence` hears of."""
SLOW = 0.8
"""Standard deviation of the logarithm of a latency."""
_SEGMENTS = ("eu", "us")
_AWAY_DAYS = 5
"""The second segment value comes and goes in turns of so many days."""


class Fleet:
    """So many models of one numeric and one categorical feature, a score, a latency, and two segment values."""

    def __init__(self, models: int, rng: np.random.Generator) -> None:
        self.models, self._rng, self._apart = models, rng, rng.spawn(1)[0]
        self.profile = _profile(models)
        number = {(key.model, key.value): at for at, key in enumerate(self.profile.groups)}
        names = [f"m{at:05}" for at in range(models)]
        self.bases = np.array([number[name, ""] for name in names], np.int32)
        self._segments = [np.array([number[name, value] for name in names], np.int32) for value in _SEGMENTS]
        of = [self.profile.series_of(int(base)) for base in self.bases]
        self._series = np.array([[each["amount"], each["country"]] for each in of], np.int32)
        self._amount = _cuts(self.profile, int(self._series[0, 0]))
        kinds = int(self.profile.series_bins[self._series[0, 1]])
        self._country = np.linspace(-1.2, 1.2, kinds - 1)
        self._scores = np.linspace(-6.5, 6.5, WIDTH - REGULAR - 1) / 2
        self._latency = (np.log([BINS.edge(at) for at in range(1, BINS.size)]) - np.log(20)) / SLOW

    def draw(self, weather: Weather) -> dict[str, Summary]:
        """The pane's summary for each of the monitors, by name."""
        n = self._rng.poisson(weather.volume)
        numeric, category = (self._spread(n, weather.shift, cuts) for cuts in (self._amount, self._country))
        gone = self._rng.binomial(numeric.sum(axis=1), MISSING)
        numeric[:, ABSENT] = gone
        classes = np.zeros_like(numeric)
        scores = self._spread(n, weather.shift, self._scores)
        classes[:, REGULAR] = self._rng.binomial(n, ndtr(-0.5 - weather.shift))
        classes[:, REGULAR + 1] = n - classes[:, REGULAR]
        seen = n > 0
        return {
            "concept_drift": self._outcomes(n, weather),
            "feature_drift": self._features(n, seen, numeric, category),
            "prediction_drift": _summary(
                self.bases[seen], predicted=classes[seen], score=scores[seen], n=n[seen], **_unsampled(self.bases[seen])
            ),
            "label_drift": self._labels(n, classes[:, REGULAR : REGULAR + 2], weather),
            "data_quality": self._quality(n, seen, numeric, category),
            "repeated_values": self._repeated(numeric, weather),
            "latency": self._latencies(n, seen, weather),
            "volume": _summary(self.bases[seen], n=n[seen]),
            "silence": _summary(self.bases[seen], n=n[seen]),
            "label_silence": _summary(
                self.bases[seen], predictions=n[seen], labels=self._apart.binomial(n[seen], _LABELLED)
            ),
        }

    def _spread(self, n: Longs, shift: Floats, cuts: Floats) -> Longs:
        """Counts by bin of standard normal values that are shifted, shape (models, 32)."""
        below = ndtr(cuts - shift[:, None])
        edges = np.concatenate([np.zeros((len(n), 1)), below, np.ones((len(n), 1))], axis=1)
        counts = np.zeros((len(n), WIDTH), np.int64)
        counts[:, REGULAR : REGULAR + len(cuts) + 1] = self._rng.poisson(n[:, None] * np.diff(edges, axis=1))
        return counts

    def _outcomes(self, n: Longs, weather: Weather) -> Summary:
        error = expit(logit(ERROR) + weather.error)
        away = weather.start // (_AWAY_DAYS * 86_400_000_000) % 2 == 1
        parts = [np.zeros_like(n) if away and at else self._rng.binomial(n, 0.4) for at in range(len(_SEGMENTS))]
        hits = [self._rng.binomial(part, error) for part in parts]
        rest = n - np.sum(parts, axis=0)
        whole = np.sum(hits, axis=0) + self._rng.binomial(np.maximum(rest, 0), error)
        keys = np.concatenate([self.bases, *self._segments])
        columns = np.concatenate([whole, *hits]), np.concatenate([np.maximum(n, np.sum(parts, axis=0)), *parts])
        seen = columns[1] > 0
        order = np.argsort(keys[seen], kind="stable")
        kept = keys[seen][order]
        bad, judged = (column[seen][order] for column in columns)
        answers = {name: self._rng.binomial(judged, POSITIVE) for name in ("true", "said")}
        scores = dict.fromkeys(("scored", "scored_true", "score", "score_true"), np.zeros_like(judged))
        return _summary(kept, hits=bad, n=judged, binary=judged, **answers, **scores, **_unsampled(kept))

    def _labels(self, n: Longs, answers: Longs, weather: Weather) -> Summary:
        """Labels of three classes, each within its pane, which is then a slot; shares wander as error rates do."""
        rare = self._rng.binomial(n, expit(logit(_RARE) + weather.error))
        positive = self._rng.binomial(n - rare, expit(logit(POSITIVE) + weather.error))
        slot = cube.group_unit(self.bases) + weather.start // (weather.end - weather.start)
        parts = [
            Entries(unit, np.full(len(n), what, np.int32), np.full(len(n), code, np.int64), count)
            for number, of in enumerate((n - rare - positive, positive, rare))
            for unit, what, code, count in (
                (slot, labelled.LABEL, REGULAR + number, of),
                (slot, labelled.ANSWER, REGULAR + number, answers[:, min(number, 1)] * (number < 2)),
                (cube.group_unit(self.bases), labelled.LAG, (REGULAR + number) * WIDTH, of),
            )
        ]
        every = Entries.concat(parts)
        summary = cube.to_summary(cube.gathered(every.unit, every.what, every.code, every.value))
        return Summary(summary.keys, {**summary.columns, **_unsampled(summary.keys)})

    def _features(self, n: Longs, seen: Any, numeric: Longs, category: Longs) -> Summary:
        keys = self._series[seen].ravel()
        counts = np.stack([numeric[seen], category[seen]], axis=1).reshape(-1, WIDTH)
        size = counts.sum(axis=1)
        order = np.argsort(keys, kind="stable")
        return _summary(keys[order], counts=counts[order], n=size[order], numbers=size[order], total=size[order] * 0.0)

    def _quality(self, n: Longs, seen: Any, numeric: Longs, category: Longs) -> Summary:
        """Series (even keys) and groups (odd ones), as `processors.quality.counting` has them."""
        size = np.stack([numeric[seen].sum(axis=1), category[seen].sum(axis=1)], axis=1).ravel()
        missing = np.stack([numeric[seen, ABSENT], np.zeros(int(seen.sum()), np.int64)], axis=1).ravel()
        cells = size - missing
        trials = np.stack([size, cells, cells, np.zeros_like(size)], axis=1)
        bad = np.zeros_like(trials)
        bad[:, 0], bad[:, 2] = missing, self._rng.binomial(cells, 0.002)
        bins = np.stack([numeric[seen], category[seen]], axis=1).reshape(-1, WIDTH)
        low = np.tile([-5.0, REGULAR], int(seen.sum()))
        doubles = self._rng.binomial(n[seen], 0.001)
        of_groups = np.stack([0 * doubles, 0 * doubles, 0 * doubles, doubles], axis=1)
        tried = np.stack([0 * doubles, 0 * doubles, 0 * doubles, n[seen] + doubles], axis=1)
        keys = np.concatenate([series_key(self._series[seen].ravel()), group_key(self.bases[seen])])
        columns = {
            "n": np.concatenate([size, n[seen]]),
            "cells": np.concatenate([cells, 0 * doubles]),
            "bad": np.concatenate([bad, of_groups]),
            "trials": np.concatenate([trials, tried]),
            "bins": np.concatenate([bins, np.zeros((len(doubles), WIDTH), np.int64)]),
            "low": np.concatenate([low, np.full(len(doubles), np.inf)]),
            "high": np.concatenate([low + 8, np.full(len(doubles), -np.inf)]),
        }
        order = np.argsort(keys, kind="stable")
        return Summary(keys[order], {name: column[order] for name, column in columns.items()})

    def _repeated(self, numeric: Longs, weather: Weather) -> Summary:
        """One value makes up a tenth of the numeric feature, more or less as the weather is; the rest are all new."""
        present = numeric[:, REGULAR:].sum(axis=1)
        same = self._rng.binomial(present, expit(logit(REPEATED) + weather.error))
        counts = self._rng.multinomial(present - same, np.full(BUCKETS, 1 / BUCKETS))
        counts[:, 0] += same
        some = present > 0
        keys = self._series[some, 0]
        return _summary(keys, counts=counts[some], **_unsampled(keys))

    def _latencies(self, n: Longs, seen: Any, weather: Weather) -> Summary:
        shift = weather.shift[seen] / 4
        edges = ndtr(self._latency - shift[:, None])
        edges = np.concatenate([np.zeros((len(edges), 1)), edges, np.ones((len(edges), 1))], axis=1)
        share = np.diff(edges, axis=1)
        some = share > 1e-9
        counts = np.zeros(share.shape, np.int64)
        counts[some] = self._rng.poisson((n[seen][:, None] * share)[some])
        size = counts.sum(axis=1)
        kept = size > 0
        return _summary(self.bases[seen][kept], n=size[kept], total=size[kept], counts=counts[kept])


def _summary(keys: Ints, **columns: Any) -> Summary:
    return Summary(keys.astype(np.int32), columns)


def _unsampled(keys: Ints) -> dict[str, Any]:
    """The columns of samples, of no rows: nobody here is a regression."""
    return samples.columns(keys, np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0))


def _cuts(profile: Profile, series: int) -> Floats:
    """Edges between a numeric feature's intervals: the first and the last interval take in what lies beyond."""
    return np.asarray(profile.series_edges[series][1 : int(profile.series_bins[series])], np.float64)


def _profile(models: int) -> Profile:
    """Coordinates of all models, sealed by the same thousand predictions."""
    rng = np.random.default_rng(0)
    spec = ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1")
    profile = Profile({"*": spec}, Limits(models=models))
    names = [f"m{at:05}" for at in range(models)]
    begun = decoded([_event(rng, name, value) for name in names for value in _SEGMENTS])
    profile.admit(begun.predictions, begun.signals)
    template = decoded([_event(rng, "template", _SEGMENTS[0]) for _ in range(1_000)]).predictions
    for name in names:
        profile.adopt(name, "1", template)
    return profile


def _event(rng: np.random.Generator, model: str, segment: str) -> Mapping[str, Any]:
    country = ("CN", "DE", "FR", "IN", "US")[int(np.searchsorted((-1.2, -0.4, 0.4, 1.2), rng.normal()))]
    return {
        "type": "prediction", "id": str(rng.integers(2**62)), "model": model, "version": "1", "ts": 1_767_571_200_000,
        "features": {"amount": rng.normal(), "country": country}, "prediction": 1, "score": 0.5,
        "segment": {"region": segment},
    }  # fmt: skip


def decoded(events: list[Mapping[str, Any]]) -> Decoded:
    """What the pipeline makes of events."""
    values: list[bytes | None] = [orjson.dumps(event) for event in events]
    offsets = list(range(len(values)))
    nothing: list[bytes | None] = [None] * len(values)
    run = Run(Partition("bench", 0), offsets, [-1] * len(values), nothing, values, [()] * len(values))
    return Decoder({}, codecs()["native"](), Clocks(0, 0), Bounds(2**20, 10), event_clock=True).decode(run)
