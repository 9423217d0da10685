"""The explainer as the pipeline sees it: takes samples in, never waits, gives explanations back when there are any."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daemon.explain.asking import Asker
from daemon.explain.backgrounds import Backgrounds
from daemon.explain.budget import CpuBudget
from daemon.explain.features import FeatureRows
from daemon.explain.models import ModelFile, ModelFiles, check_at_start
from daemon.explain.request import Explained, Request
from daemon.explain.waiting import Waiting
from processors.rows import Ints, read_texts
from processors.sampling import Positions, bottom_k
from processors.slices import PredictionRows

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""How long the worker stays down after it died: twice as long each time in a row."""


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """As the configuration's section `explain`.

    Rows per pane and version; share of one core; requests that may wait; seconds that one request may take; rows to
    compare against; and the seed of samples and permutations.
    """

    sample: int = 8
    cpu_share: float = 0.1
    queue: int = 64
    timeout_s: float = 30.0
    background: int = 100
    seed: int = 0
    samples: Mapping[str, int] = field(default_factory=dict)
    """Rows per pane and version of models that differ in it."""

    @property
    def most(self) -> int:
        """Rows per pane and version of the model of which most are explained."""
        return max([self.sample, *self.samples.values()])


class Explainer:
    """Explains samples of the models that have a file, in one worker process.

    Live, a thread asks the worker one request after the other as the CPU budget allows; what cannot be had is dropped
    and counted by reason. With `blocking` (replays) `submit` waits for the answer: no budget, no bound and no time
    limit, so that the same rows give the same explanations.
    """

    def __init__(
        self,
        models: Mapping[str, ModelFile],
        settings: ExplainSettings | None = None,
        *,
        blocking: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check the files of `models`; starts no process. Raises `ModelRefused`."""
        self._models, self._settings, self._now = models, settings or ExplainSettings(), now
        others = [models.others] if isinstance(models, ModelFiles) and models.others else []
        for file in (*models.values(), *others):
            check_at_start(file)
        self.counters: Counter[str] = Counter()
        """Predictions `explained`, and those dropped by reason."""
        self._backgrounds = Backgrounds(self._settings.background, self._models)
        self._asker = Asker(self._models, self._backgrounds, self._settings.seed)
        self._explained: deque[Explained] = deque()
        self._waiting = Waiting(self._settings.queue)
        self._changed = threading.Condition()
        self._starved = self._closing = False
        self._blocking = blocking
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None while there is none."""
        return self._asker.worker.pid

    @property
    def problems(self) -> dict[tuple[str, str], str]:
        """Why versions that have a file are not explained: one line each, by (model, version)."""
        return self._asker.problems

    @property
    def restarts(self) -> int:
        """How often the worker was started again after it had ended."""
        return self._asker.restarts

    @property
    def cpu_s(self) -> float:
        """CPU seconds spent so far."""
        return self._asker.cpu_s

    def offer(self, rows: PredictionRows) -> None:
        """Sample a pane's predictions and submit a request for each version that has a model file.

        Predictions that carry attributions are left out: those are used as they are (`tables.from_events`).
        """
        table, settings = rows.table, self._settings
        group = np.where(table.attributions.size == 0, rows.base, -1).astype(np.int32)
        for every in _by_group(bottom_k(table.key, group, settings.most, settings.seed), group):
            model, version = table.names.text(table.model[every[0]]), table.names.text(table.version[every[0]])
            at = every[: settings.samples.get(model, settings.sample)]
            if len(at) and model in self._models:
                self._feed(rows, group == group[at[0]], (model, version))
                ids = tuple(read_texts(table.id[at]))
                features = _features(rows, at)
                self.submit(Request(rows.start, model, version, ids, table.key[at], table.time[at], features))

    def submit(self, request: Request) -> bool:
        """Ask for an explanation; says whether it was accepted. Waits for the answer only if `blocking`."""
        refusal = self._asker.refuses(request.version_key) if request.model in self._models else "no_model"
        if refusal is not None:
            return self._drop(request, refusal)
        if self._blocking:
            return self._ask(request, None)
        with self._changed:
            gone = self._waiting.put(request)
            self._start_thread()
            self._changed.notify()
        if gone is not None:
            self._drop(gone, "budget" if self._starved else "queue_full")
        return gone is not request

    def collect(self) -> list[Explained]:
        """The explanations that have come since the last call, in the order in which they came. Never waits."""
        found = []
        while self._explained:
            found.append(self._explained.popleft())
        return found

    def close(self) -> None:
        """End the worker and wait until it is gone. What still waits is dropped and counted as `closed`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._asker.worker.kill()
        if self._thread is not None:
            self._thread.join()
        self._asker.worker.end()
        while len(self._waiting):
            self._drop(self._waiting.take(), "closed")

    def forget(self, model: str, version: str) -> None:
        """Free what is held for a retired version."""
        self._asker.forget((model, version))

    @property
    def revision(self) -> int:
        """Grows with every change of what `to_state` describes."""
        return self._backgrounds.revision

    def to_state(self) -> dict[str, Any]:
        """What a restart must know to explain as before: the backgrounds. A tree that `packing.pack` takes."""
        return self._backgrounds.to_state()

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `to_state` described."""
        self._backgrounds.load(state)

    def _feed(self, rows: PredictionRows, mine: Any, key: tuple[str, str]) -> None:
        """Give the version's rows to its background if that is not full, drawn by another seed than the sample."""
        wanted = self._backgrounds.wanted(key)
        if wanted:
            group = np.where(mine, 0, -1).astype(np.int32)
            at = bottom_k(rows.table.key, group, wanted, self._settings.seed + 1)
            self._backgrounds.feed(key, _features(rows, at))

    def _start_thread(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._serve, name="explainer", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        """The thread: ask what waits, as the budget allows, until closed."""
        budget = CpuBudget(self._settings.cpu_share, self._now())
        pause_s = FIRST_PAUSE_S
        while (request := self._next(budget)) is not None:
            spent, begun = self.cpu_s, self._now()
            answered = self._ask(request, self._settings.timeout_s)
            if self.pid is not None:
                budget.charge(self.cpu_s - spent)
                pause_s = FIRST_PAUSE_S if answered else pause_s
            else:
                budget.charge(self._now() - begun)  # its CPU time died with it; one thread uses no more than this
                self._pause(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _next(self, budget: CpuBudget) -> Request | None:
        """Wait for a request and for the budget; None when closed."""
        with self._changed:
            while not self._closing:
                wait_s = budget.wait_s(self._now())
                self._starved = wait_s > 0
                if len(self._waiting) and not self._starved:
                    return self._waiting.take()
                self._changed.wait(wait_s if self._starved else None)
        return None

    def _pause(self, seconds: float) -> None:
        until = self._now() + seconds
        with self._changed:
            while not self._closing and self._now() < until:
                self._changed.wait(until - self._now())

    def _ask(self, request: Request, timeout_s: float | None) -> bool:
        answer = self._asker.ask(request, timeout_s, attempts=2 if self._blocking else 1)
        if isinstance(answer, str):
            return self._drop(request, "closed" if self._closing else answer)
        self.counters["explained"] += len(request.ids)
        self._explained.append(answer)
        return True

    def _drop(self, request: Request, reason: str) -> bool:
        self.counters[reason] += len(request.ids)
        return False


def _by_group(positions: Positions, group: Ints) -> Iterator[Positions]:
    """The positions, which are ordered by group, in one array for each."""
    if len(positions):
        yield from np.split(positions, np.flatnonzero(np.diff(group[positions])) + 1)


def _features(rows: PredictionRows, at: Positions) -> FeatureRows:
    return FeatureRows.of_cells(rows.table.features.take(at), rows.table.names)
