"""Asking the worker about one request: what it needs to know, what its answer means, whom not to ask again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from daemon.explain.backgrounds import Backgrounds
from daemon.explain.models import ModelFile, ModelRefused
from daemon.explain.process import WorkerDied, WorkerProcess
from daemon.explain.request import Explained, Request

Reason = Literal["no_model", "warming", "failed", "worker_died", "timeout"]
"""Why there is no explanation: the file is missing or refused; its background is not full yet; the model raised on the
rows; the worker ended; the worker took too long."""

Key = tuple[str, str]

STRIKES = 3
"""A version that ends the worker, or its time, so often in a row is set aside until its file changes."""


class Asker:
    """Knows the models' files, their backgrounds and the worker. Waits for the answer; used by one thread at a time."""

    def __init__(self, models: Mapping[str, ModelFile], backgrounds: Backgrounds, seed: int) -> None:
        self.worker = WorkerProcess()
        self.cpu_s = 0.0
        """CPU seconds that answers have cost so far, the worker's start included."""
        self.restarts = 0
        """How often the worker was started again after it had ended."""
        self._models = models
        self._backgrounds = backgrounds
        self._seed = seed
        self._comparing: set[Key] = set()
        self._set_aside: dict[Key, tuple[str, object]] = {}
        self._failures: dict[Key, str] = {}
        self._strikes: Counter[Key] = Counter()
        self._lost = False

    @property
    def problems(self) -> dict[Key, str]:
        """Why versions that have a file are not explained, or were not the last time: one line each."""
        aside = {key: reason for key, (reason, _) in self._set_aside.copy().items()}
        return dict(sorted({**self._failures.copy(), **aside}.items()))

    def refuses(self, key: Key) -> Reason | None:
        """Is it already known that there will be no answer for this version?"""
        if key in self._set_aside:
            if self._set_aside[key][1] == self._signature(key):
                return "no_model"
            self._set_aside.pop(key, None)
        return "warming" if key in self._comparing and self._backgrounds.of(key) is None else None

    def ask(self, request: Request, timeout_s: float | None, attempts: int = 1) -> Explained | Reason:
        """The explanation of a request, or why there is none."""
        key = request.version_key
        try:
            file = self._models[request.model].of(request.version)
        except ModelRefused as refused:
            return self._put_aside(key, str(refused))
        try:
            answer = self._answer(request, file, timeout_s, attempts)
            if answer.get("error") == "warming":
                self._comparing.add(key)
                if self._backgrounds.of(key) is not None:
                    answer = self._answer(request, file, timeout_s, attempts)
        except TimeoutError:
            return self._strike(key, "timeout", f"takes longer than {timeout_s} s to explain one sample")
        except WorkerDied:
            return self._strike(key, "worker_died", "ends the process that explains it")
        del self._strikes[key]
        return self._explained(request, answer)

    def forget(self, key: Key) -> None:
        """Free what is held for a retired version."""
        self._backgrounds.forget(key)
        self._set_aside.pop(key, None)
        self._failures.pop(key, None)
        self._comparing.discard(key)
        del self._strikes[key]

    def _answer(self, request: Request, file: ModelFile, timeout_s: float | None, attempts: int) -> dict[str, Any]:
        background = self._backgrounds.of(request.version_key) if request.version_key in self._comparing else None
        question = {
            "model": request.model,
            "version": request.version,
            "file": file.to_state(),
            "rows": request.rows.to_state(),
            "background": None if background is None else background.to_state(),
            "seed": self._seed,
        }
        for attempt in range(attempts):
            self.restarts += self._lost
            self._lost = False
            try:
                answer = self.worker.ask(question, timeout_s)
            except (WorkerDied, TimeoutError) as error:
                self._lost = True
                if isinstance(error, TimeoutError) or attempt == attempts - 1:
                    raise
            else:
                self.cpu_s += answer["cpu_s"]
                return answer
        raise WorkerDied

    def _explained(self, request: Request, answer: dict[str, Any]) -> Explained | Reason:
        error = answer.get("error")
        if error == "no_model":
            return self._put_aside(request.version_key, answer["reason"])
        if error == "failed":
            self._failures[request.version_key] = f"{self._models[request.model].path}: {answer['reason']}"
            return "failed"
        if error is not None:
            return "warming"
        self._failures.pop(request.version_key, None)
        return Explained(
            pane_start=request.pane_start,
            model=request.model,
            version=request.version,
            ids=request.ids,
            keys=request.keys,
            time=request.time,
            features=tuple(answer["features"]),
            values=answer["values"],
            base=answer["base"],
            output=answer["output"],
            cpu_s=answer["cpu_s"],
        )

    def _strike(self, key: Key, reason: Reason, what: str) -> Reason:
        self._strikes[key] += 1
        if self._strikes[key] >= STRIKES:
            self._put_aside(key, f"{self._models[key[0]].path}: {what}.")
        return reason

    def _put_aside(self, key: Key, reason: str) -> Reason:
        self._set_aside[key] = reason, self._signature(key)
        return "no_model"

    def _signature(self, key: Key) -> object:
        """What changes when the version's file does: a version may be served before its file is there."""
        try:
            found = Path(self._models[key[0]].of(key[1]).path).stat()
        except (OSError, ValueError, ModelRefused):
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
