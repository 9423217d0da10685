"""The process that explains: `python -m daemon.explain.worker <descriptor>`, started and ended by the daemon.

It alone imports shap and model libraries. Requests come in and answers go out over one socket, one at a time. It ends
when that socket closes, so it never outlives the daemon, and it ends itself if one request takes twice the time that
the daemon waits, should the daemon have died while compiled code holds the interpreter.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from daemon.explain import wire
from daemon.explain.features import FeatureRows
from daemon.explain.models import Model, ModelFile, ModelRefused, load

MODELS_HELD = 32
NICENESS = 10


def main(descriptor: int) -> None:
    """Answer requests until the daemon closes its end."""
    os.nice(NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides when this one ends
    connection = socket.socket(fileno=descriptor)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, requests), daemon=True).start()
    importlib.import_module("daemon.explain.methods")  # shap: seconds that are no request's
    wire.send(connection, {"ready": True})
    worker = Worker()
    while True:
        request = requests.get()
        if request["timeout_s"] is not None:
            faulthandler.dump_traceback_later(2 * request["timeout_s"] + 1, exit=True)
        answer = worker.answer(request)
        faulthandler.cancel_dump_traceback_later()
        wire.send(connection, {**answer, "number": request["number"]})


def _listen(connection: socket.socket, requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Take requests in beside the work, so as to notice at once that the daemon is gone."""
    try:
        while True:
            requests.put(wire.receive(connection))
    except (EOFError, OSError):
        os._exit(0)


class Worker:
    """Holds the models that were asked for last and explains with them."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, str], Model] = OrderedDict()
        self._charged_s = 0.0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The attributions, or why there are none; with the CPU seconds spent since the last answer.

        `error` is `no_model` (the file is refused), `warming` (a background is needed first) or `failed`.
        """
        try:
            answer = self._explained(request)
        except ModelRefused as refused:
            answer = {"error": "no_model", "reason": str(refused)}
        except Exception as error:  # noqa: BLE001 - a model may raise anything on rows that it does not like
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            answer = {"error": "failed", "reason": reason}
        spent, self._charged_s = time.process_time() - self._charged_s, time.process_time()
        return {**answer, "cpu_s": spent}

    def _explained(self, request: dict[str, Any]) -> dict[str, Any]:
        model = self._model(request)
        rows = FeatureRows.from_state(request["rows"])
        if not set(model.features) & set(rows.names):
            raise LookupError(
                f"none of the model's features ({_few(model.features)}) is in the events ({_few(rows.names)}); "
                "name them in order under explain.features"
            )
        background = request["background"] and FeatureRows.from_state(request["background"])
        if model.needs_background and background is None:
            return {"error": "warming", "reason": "waits for its background"}
        found = model.explain(rows, background, request["seed"])
        return {
            "features": list(model.features),
            "values": found.values,
            "base": found.base,
            "output": found.output,
        }

    def _model(self, request: dict[str, Any]) -> Model:
        key = request["model"], request["version"]
        if key not in self._models:
            self._models[key] = load(ModelFile.from_state(request["file"]))
            if len(self._models) > MODELS_HELD:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


if __name__ == "__main__":
    main(int(sys.argv[1]))
