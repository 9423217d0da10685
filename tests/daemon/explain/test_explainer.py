"""The explainer with its real worker process: answers, drops that are counted, deaths that are survived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from daemon.explain.explainer import Explainer, ExplainSettings
from daemon.explain.models import ModelFile, load
from daemon.explain.request import Explained
from processors.packing import pack, unpack
from processors.profile import Profile
from processors.slices import PredictionRows
from tests.daemon.explain.trained import (
    NAMES,
    data,
    joblib_file,
    linear_file,
    renamed,
    request,
    rows_of,
    saved,
    tree_file,
)
from tests.processors.panes import NO_SIGNALS, PANE, cells, predictions

Start = Callable[..., Explainer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Explainers that are closed after the test."""
    started = []

    def begin(models: dict[str, ModelFile], *, blocking: bool = True, **settings: Any) -> Explainer:
        started.append(Explainer(models, ExplainSettings(**settings), blocking=blocking))
        return started[-1]

    yield begin
    for explainer in started:
        explainer.close()


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true answer. Fails the test if there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def pane(count: int, start: int = 0, *, attributed: bool = False) -> PredictionRows:
    """A pane of predictions of the data's rows."""
    matrix = data()[0][:count]
    table = predictions(count, {name: matrix[:, at].tolist() for at, name in enumerate(NAMES)}, start=start, model="m")
    if attributed:
        table = replace(table, attributions=cells({"amount": [1.0] * count}, count, table.names))
    profile = Profile()
    profile.admit(table, NO_SIGNALS)
    return profile.locate_predictions(table, start, start + PANE, np.zeros(0, np.int32))


def test_answers_are_those_of_the_model_and_in_the_order_asked(start: Start, tmp_path: Path) -> None:
    """With everything needed to place them: ids, keys, times, names, base values and outputs."""
    file = tree_file(tmp_path)
    explainer = start({"m": file})
    asked = [request(3, pane=1, first=0), request(2, pane=2, first=7)]
    assert all(explainer.submit(one) for one in asked)
    first, second = explainer.collect()
    assert explainer.collect() == []
    assert (first.pane_start, first.ids, second.pane_start, second.ids) == (1, asked[0].ids, 2, asked[1].ids)
    direct = load(file).explain(asked[1].rows, None, 0)
    np.testing.assert_array_equal(second.values, direct.values)
    np.testing.assert_allclose(second.base + second.values.sum(axis=1), second.output, atol=1e-9)
    assert second.features == NAMES
    assert second.cpu_s > 0
    assert explainer.counters == {"explained": 5}


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """Another process, the same permutations: replays are byte-equal."""
    from sklearn.naive_bayes import GaussianNB

    file = saved(GaussianNB().fit(*data()), tmp_path / "m.skops")

    def told() -> list[tuple[bytes, bytes]]:
        explainer = Explainer({"m": file}, ExplainSettings(background=20, sample=3), blocking=True)
        for number in range(3):
            explainer.offer(pane(15, number * PANE))
        found = [(answer.values.tobytes(), answer.base.tobytes()) for answer in explainer.collect()]
        explainer.close()
        return found

    first = told()
    assert len(first) == 2, "the first pane alone does not fill the background"
    assert told() == first


def test_live_nothing_waits_for_the_worker(start: Start, tmp_path: Path) -> None:
    """The answer comes later; until then the worker need not even have started."""
    explainer = start({"m": tree_file(tmp_path)}, blocking=False)
    assert explainer.submit(request())
    assert explainer.collect() == []
    assert until(explainer.collect)[0].ids == request().ids


def test_the_worker_is_another_process_of_lower_priority_without_our_secrets(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model files are others' code."""
    monkeypatch.setenv("VIGIL_KAFKA_PASSWORD", "hush")
    explainer = start({"m": tree_file(tmp_path)})
    explainer.submit(request())
    assert explainer.pid is not None
    worker = psutil.Process(explainer.pid)
    assert worker.ppid() == os.getpid()
    assert worker.nice() == os.nice(0) + 10
    assert "hush" not in worker.environ().values()


def test_no_process_is_left_after_closing(start: Start, tmp_path: Path) -> None:
    """Gone and waited for, though it was asked something just before."""
    explainer = start({"m": tree_file(tmp_path)}, blocking=False)
    explainer.submit(request())
    pid = until(lambda: explainer.pid)
    explainer.close()
    assert not psutil.pid_exists(pid)
    assert explainer.pid is None


def test_the_worker_ends_when_the_daemon_is_killed(tmp_path: Path) -> None:
    """Even by SIGKILL, which lets nobody tidy up."""
    file = tree_file(tmp_path)
    program = f"""
import time
from daemon.explain.explainer import Explainer
from daemon.explain.models import ModelFile
from tests.daemon.explain.trained import NAMES, request
explainer = Explainer({{"m": ModelFile({file.path!r}, features=NAMES)}}, blocking=True)
explainer.submit(request())
print(explainer.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_worker_that_was_killed_is_started_again_and_what_it_held_is_counted(start: Start, tmp_path: Path) -> None:
    """One request is lost, the next is answered by another process."""
    explainer = start({"m": tree_file(tmp_path)}, blocking=False, cpu_share=1.0)
    explainer.submit(request())
    first = until(lambda: explainer.pid)
    os.kill(first, signal.SIGKILL)
    until(lambda: explainer.counters["worker_died"] == 3)
    explainer.submit(request())
    until(explainer.collect)
    assert explainer.pid not in {None, first}
    assert explainer.restarts == 1
    assert explainer.counters == {"worker_died": 3, "explained": 3}


def test_blocking_asks_again_when_the_worker_was_killed(start: Start, tmp_path: Path) -> None:
    """A replay loses nothing to an accident."""
    explainer = start({"m": tree_file(tmp_path)})
    explainer.submit(request())
    assert explainer.pid is not None
    os.kill(explainer.pid, signal.SIGKILL)
    assert explainer.submit(request())
    first, second = explainer.collect()
    assert first.values.tobytes() == second.values.tobytes()


class Reached:
    """Calls a function of the system where it is unpickled."""

    def __init__(self, function: Any, argument: Any) -> None:
        self.called = function, (argument,)

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize(
    ("trap", "reason", "says"),
    [
        (Reached(time.sleep, 600), "timeout", "takes longer than 0.2 s to explain one sample"),
        (Reached(os._exit, 3), "worker_died", "ends the process that explains it"),
    ],
    ids=["hangs", "dies"],
)
def test_a_model_that_hangs_or_kills_the_worker_is_given_up(
    start: Start, tmp_path: Path, trap: Reached, reason: str, says: str
) -> None:
    """Each time it is counted and the worker ended; the third time in a row the version is set aside and named."""
    file = joblib_file(trap, tmp_path / "m.joblib")
    # A worker that dies is given time to: on a busy machine that may take longer than the other's limit.
    limit_s = 0.2 if reason == "timeout" else 20.0
    explainer = start({"m": file}, blocking=False, timeout_s=limit_s, cpu_share=1.0)
    for _ in range(3):
        explainer.submit(request())
    until(lambda: explainer.problems)
    assert says in explainer.problems["m", "1"]
    assert explainer.pid is None
    assert not explainer.submit(request())
    assert explainer.counters == {reason: 9, "no_model": 3}


def test_a_full_queue_drops_and_counts(start: Start, tmp_path: Path) -> None:
    """Every sample is explained or counted, no more wait than the bound."""
    explainer = start({"m": tree_file(tmp_path)}, blocking=False, queue=2, cpu_share=1.0)
    for number in range(40):
        explainer.submit(request(1, pane=number))
    until(lambda: sum(explainer.counters.values()) == 40)
    assert set(explainer.counters) == {"explained", "queue_full"}
    assert explainer.counters["queue_full"] >= 37


def test_what_the_budget_does_not_allow_is_counted_as_that(start: Start, tmp_path: Path) -> None:
    """The worker's own start uses up the minute's share; from then on it is the budget that is lacking."""
    explainer = start({"m": tree_file(tmp_path)}, blocking=False, queue=1, cpu_share=0.001)
    explainer.submit(request(1))
    until(explainer.collect)
    until(lambda: explainer.submit(request(1)) and explainer.counters["budget"])
    assert explainer.counters["explained"] == 1
    explainer.close()
    assert explainer.counters["closed"] == 1


def test_a_linear_model_waits_for_its_background_from_the_stream(start: Start, tmp_path: Path) -> None:
    """Its first sampled rows; then the background never changes, across a restart either."""
    file = linear_file(tmp_path)
    explainer = start({"m": file}, background=20, sample=4)
    explainer.offer(pane(15))
    assert explainer.counters == {"warming": 4}
    explainer.offer(pane(15, PANE))
    assert explainer.counters == {"warming": 4, "explained": 4}
    revision = explainer.revision
    explainer.offer(pane(15, 2 * PANE))
    assert explainer.revision == revision

    again = start({"m": file}, background=20, sample=4)
    again.load(unpack(pack(explainer.to_state())))
    again.offer(pane(15, 2 * PANE))
    assert again.collect()[0].values.tobytes() == explainer.collect()[-1].values.tobytes()


def test_a_background_from_a_file_is_there_at_once(start: Start, tmp_path: Path) -> None:
    """The features of prediction events, one a line."""
    import orjson

    matrix = data()[0][100:150]
    events = [{"type": "prediction", "features": dict(zip(NAMES, row, strict=True))} for row in matrix.tolist()]
    (tmp_path / "background.ndjson").write_bytes(b"\n".join(map(orjson.dumps, events)))
    file = renamed(linear_file(tmp_path), background_path=str(tmp_path / "background.ndjson"))
    explainer = start({"m": file})
    explainer.offer(pane(10))
    found = explainer.collect()[0]
    direct = load(file).explain(rows_of(data()[0][[int(i) for i in _numbers(found)]]), rows_of(matrix), 0)
    np.testing.assert_allclose(found.values, direct.values)


def _numbers(found: Explained) -> list[int]:
    """Which rows of the pane were drawn."""
    ids = pane(10).table.id.tolist()
    return [ids.index(identity) for identity in found.ids]


def test_the_sample_is_drawn_per_version_and_spares_events_that_bring_attributions(
    start: Start, tmp_path: Path
) -> None:
    """Those are used as they are; models without a file are no loss and are not counted."""
    explainer = start({"m": tree_file(tmp_path)}, sample=4)
    explainer.offer(pane(20))
    explainer.offer(pane(20, attributed=True))
    assert explainer.counters == {"explained": 4}
    other = start({"other": tree_file(tmp_path)}, sample=4)
    other.offer(pane(20))
    assert other.counters == {}


def test_a_version_whose_file_comes_later_is_explained_from_then_on(start: Start, tmp_path: Path) -> None:
    """Until then it is counted, and named with the reason."""
    explainer = start({"m": ModelFile(str(tmp_path / "{version}.skops"), features=NAMES)})
    assert not explainer.submit(request())
    assert "1.skops: cannot be read: No such file" in explainer.problems["m", "1"]
    assert not explainer.submit(request(version="../1"))
    tree_file(tmp_path)
    (tmp_path / "tree.skops").rename(tmp_path / "1.skops")
    assert explainer.submit(request())
    assert explainer.counters == {"no_model": 6, "explained": 3}


def test_rows_that_the_model_cannot_take_are_counted_and_said(start: Start, tmp_path: Path) -> None:
    """Events whose features have other names than the model's; others of the version are still explained."""
    explainer = start({"m": tree_file(tmp_path)})
    assert not explainer.submit(replace(request(), rows=rows_of(data()[0][:3], ("a", "b", "c", "d", "e"))))
    assert "none of the model's features (amount, age, hour, rate, count)" in explainer.problems["m", "1"]
    assert explainer.submit(request())
    assert explainer.problems == {}
    assert explainer.counters == {"failed": 3, "explained": 3}
