"""References from files: what is normal for a model, from events as they were served.

The file holds predictions, and labels if outcomes are to have a reference too; NDJSON or a dump, plain or gzipped. It
speaks for every version of its model, whatever versions its events name. It is read when a version appears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import structlog

from daemon.decode import Decoded
from daemon.sources.base import SourceError
from processors.rows import FIRST, Labels, Names, Outcomes, Predictions, Scalars, text_hash

log = structlog.get_logger()

FEWEST = 100
"""Predictions that a reference must hold; fewer say nothing of what is normal."""
MOST_RUNS = 100
"""Runs (of about 2,000 events) that are read of a file; what follows them would change nothing."""


class ReferenceRefused(Exception):
    """A file that cannot be a reference; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Predictions as of one version, in the order of the file, and the outcomes of those that have a label."""

    predictions: Predictions
    outcomes: Outcomes


class References:
    """The files by model, and what they hold."""

    def __init__(self, file_of: Callable[[str], Path | None], read: Callable[[Path], Iterator[Decoded]]) -> None:
        """`file_of` gives a model's file and `read` its events, run by run; `read` may raise `SourceError`."""
        self._file_of, self._read = file_of, read
        self._last: tuple[Path, Predictions, Labels] | None = None

    def name(self, model: str) -> str:
        """The name of a model's reference, empty if it has none: another name is another reference."""
        path = self._file_of(model)
        return "" if path is None else str(path)

    def of(self, model: str, version: str) -> Reference | None:
        """The reference of a version; None, which is logged, if there is none that can be used."""
        try:
            return self.load(model, version)
        except ReferenceRefused as refused:
            log.warning("reference refused, own panes are taken", model=model, version=version, why=str(refused))
            return None

    def load(self, model: str, version: str) -> Reference:
        """The reference of a version. Raises `ReferenceRefused`."""
        path = self._file_of(model)
        if path is None:
            raise ReferenceRefused(f"model {model} has no reference")
        predictions, labels = self._tables(path)
        predictions = _as_version(predictions.take(predictions.model == np.uint64(text_hash(model))), version)
        if len(predictions) < FEWEST:
            raise ReferenceRefused(
                f"{path}: holds {len(predictions)} predictions of model {model}, at least {FEWEST} are needed. "
                "Write there events as they are served."
            )
        return Reference(predictions, _matched(predictions, labels))

    def _tables(self, path: Path) -> tuple[Predictions, Labels]:
        """All predictions and labels of a file; those of the file that was read last are kept."""
        if self._last is None or self._last[0] != path:
            try:
                runs = list(islice(self._read(path), MOST_RUNS))
            except (OSError, SourceError) as error:
                raise ReferenceRefused(f"{path}: cannot be read as a reference: {error}") from error
            if not runs:
                raise ReferenceRefused(f"{path}: holds no events.")
            predictions = Predictions.concat([run.predictions for run in runs])
            self._last = path, predictions, Labels.concat([run.labels for run in runs])
        return self._last[1:]


def _as_version(table: Predictions, version: str) -> Predictions:
    """The rows as if of this version; of several with one id the first."""
    _, first = np.unique(table.key, return_index=True)
    table = table.take(np.sort(first))
    number = text_hash(version)
    names = table.names.merged([Names({number: version})])
    return replace(table, version=np.full(len(table), number, np.uint64), names=names)


def _matched(table: Predictions, labels: Labels) -> Outcomes:
    """The outcomes of predictions that have a label: the latest, and of equally late ones that which stands last."""
    order = np.lexsort((np.arange(len(labels)), labels.ts, labels.key))
    keys = labels.key[order]
    last = order[np.append(keys[1:] != keys[:-1], True)] if len(order) else order
    place = np.minimum(np.searchsorted(labels.key[last], table.key), max(len(last) - 1, 0))
    found = labels.key[last][place] == table.key if len(last) else np.zeros(len(table), np.bool_)
    rows = np.flatnonzero(found)
    mine, label = table.take(rows), labels.take(last[place[rows]]) if len(last) else labels
    count = len(rows)
    return Outcomes(
        time=mine.time,
        ts=mine.ts,
        label_ts=label.ts,
        how=np.full(count, FIRST, np.uint8),
        model=mine.model,
        version=mine.version,
        key=mine.key,
        id=mine.id,
        prediction=mine.prediction,
        score=mine.score,
        proba=mine.proba,
        segments=mine.segments,
        label=label.label,
        before=Scalars.missing(count),
        names=mine.names.merged([label.names]),
    )
