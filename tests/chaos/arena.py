"""Everything that a campaign needs, standing: broker, proxy, topics, a model file, the stream, the daemon."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka.errors import KafkaError

from daemon.state.errors import NotThere
from daemon.state.inspect import consumed_so_far, inspect
from tests.chaos.daemons import Daemon, Launch, fresh
from tests.chaos.faults import IDLE_AFTER_S, SESSION_S
from tests.chaos.moments import Moments
from tests.chaos.producing import Stream
from tests.chaos.proxied import ProxiedBroker
from tests.chaos.topics import Reader
from tests.chaos.workload import EXPLAINED, PARTITIONS
from tests.daemon.explain.trained import NAMES, tree_file
from tests.integration.polling import options

WITHIN_S = 400.0
"""Without any progress for so long the daemon is stuck."""
ENOUGH = 20
"""So many starts that lead to nothing are no bad luck."""

CONFIG = """\
kafka:
  brokers: ["127.0.0.1:{port}"]
  topics: [{events}]
  group: {group}
  alerts: {alerts}
  readings: {readings}
  dead_letters: {dead_letters}
  transport: {transport}
  consumer: {consumer}
state: {{path: {state}, commit_interval: {{min: {commit}, max: {commit_at_last}}}}}
time: {{idle_after: {idle_after}s, max_skew: 1h}}
window: {{events: 200, max_span: 2m}}
labels: {{wait: 15m}}
explain: {{cpu_share: 0.5}}
http: {{port: null}}
log: {{format: json}}
"""
EXPLAINING = """\
models:
  {model}: {{explain: {{model_file: {file}, features: [{features}], sample: 4}}}}
"""


class Arena:
    """See the module's docstring. `losses` collects what is wrong, one line each."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        broker: ProxiedBroker,
        *,
        per_s: float = 200.0,
        explained: bool = True,
        commits: tuple[str, str] = ("50ms", "500ms"),
        launch: Launch = fresh,
        transport: str = "kafka-python",
    ) -> None:
        self._stack = ExitStack()
        self._broker = broker
        self.folder, self.bootstrap, self.proxy = folder, broker.bootstrap, broker.proxy
        self.group = f"chaos-{uuid.uuid4().hex[:8]}"
        self.topics = {name: f"{self.group}-{name}" for name in ("events", "alerts", "readings", "dead_letters")}
        folder.mkdir(parents=True, exist_ok=True)
        self.losses: list[str] = []
        self.upcoming = ""
        """VIGIL_STOP_AT of the next start."""
        self.codes: Counter[int | None] = Counter()
        """How daemons ended."""
        try:
            for name, topic in self.topics.items():
                broker.create_topic(topic, PARTITIONS if name == "events" else 1, **{"retention.ms": "-1"})
            self.config, self.state = folder / "vigil.yaml", folder / "state"
            self.config.write_text(self._configuration(commits, transport, explained=explained))
            self.stream = Stream(self.bootstrap, self.topics["events"], seed, per_s)
            self._stack.callback(self.stream.close)
            self.daemon = Daemon(self.config, self.state, folder / "vigild.log", launch)
            self._stack.callback(self.daemon.close)
            self.moments = Moments(self.bootstrap, self.group, self.topics, PARTITIONS, self.state)
            self._stack.callback(self.moments.close)
        except BaseException:
            self._stack.close()
            raise

    def broker_away(self, seconds: float) -> None:
        """See `faults.Arena`."""
        self.stream.hold()
        self._broker.kill()
        time.sleep(seconds)
        self._broker.start()
        self.stream.go_on()

    def ended(self, code: int | None, *expected: int) -> None:
        """See `faults.Arena`."""
        self.codes[code] += 1
        if code is None:
            self.losses.append("the daemon did not end")
            self.daemon.kill()
        elif code not in expected:
            said = self.daemon.last_lines[-1] if self.daemon.last_lines else "nothing"
            self.losses.append(f"the daemon ended with {code}: it said {said}")
        self.look()
        self.daemon.start(self.upcoming)

    def restart(self, stop_at: str) -> None:
        """See `faults.Arena`."""
        self.daemon.kill()
        self.codes[-signal.SIGKILL] += 1
        self.look()
        self.daemon.start(stop_at)

    def reads(self, seconds: float) -> None:
        """See `faults.Arena`."""
        if not self.daemon.wait_until_it_commits(seconds) and self.daemon.pid is not None:
            self.losses.append(f"it read nothing for {seconds:.0f} s: it said {'; '.join(self.daemon.last_lines)}")

    def explanations(self) -> int:
        """See `faults.Arena`."""
        try:
            return sum(control["control"] == "explained" for control in consumed_so_far(self.state)[1])
        except NotThere:
            return 0

    def stream_on(self) -> None:
        """See `faults.Arena`."""
        self.stream.flow()

    def alive(self) -> None:
        """The daemon must not have ended by itself."""
        if self.daemon.pid is None:
            self.ended(self.daemon.wait(1.0))

    def look(self) -> None:
        """The rules of `moments`, while the daemon is dead."""
        try:
            self.losses += self.moments.look()
        except KafkaError as error:
            self.losses.append(f"harness: could not look at the topics: {error!r}")

    def finish(self) -> None:
        """End the stream, let everything be read, closed and sent, and stop the daemon."""
        self.stream.end()
        reader = Reader(self.bootstrap, {self.topics["events"]: PARTITIONS})
        ends = {each.partition: end for each, end in reader.ends().items()}
        reader.close()
        self.alive()
        for _ in range(3):
            if not self._wait_until_read(ends):
                return
            code = self.daemon.wait(0.0) if self.daemon.pid is None else self._stopped()
            self.codes[code] += 1
            if code != 0:
                self.losses.append(f"the daemon ended with {code} at last")
            self.look()
            if not inspect(self.state)["outbox"]:
                return
            self.daemon.start()
        self.losses.append("the outbox was never empty")

    def _stopped(self) -> int | None:
        self.daemon.wait_until_it_speaks(WITHIN_S)
        self.daemon.signal(signal.SIGTERM)
        return self.daemon.wait(WITHIN_S)

    def _wait_until_read(self, ends: dict[int, int]) -> bool:
        before, since, starts = None, time.monotonic(), self.daemon.starts
        while True:
            try:
                now = {each.number: at.next_offset for each, at in consumed_so_far(self.state)[0].items()}
            except OSError:
                now = {}
            if now == ends:
                return True
            self.alive()
            if now != before:
                before, since, starts = now, time.monotonic(), self.daemon.starts
            if self.daemon.starts - starts > ENOUGH:
                self.losses.append(f"it ended {ENOUGH} times in a row, having read nothing")
                return False
            if time.monotonic() - since > WITHIN_S:
                said = "; ".join(self.daemon.last_lines)
                self.losses.append(f"stuck for {WITHIN_S:.0f} s at {now} of {ends}: it said {said}")
                return False
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _configuration(self, commits: tuple[str, str], transport: str, *, explained: bool) -> str:
        consumer = options(transport, {"session_timeout_ms": int(SESSION_S * 1000), "heartbeat_interval_ms": 500})
        text = CONFIG.format(
            port=self.proxy.port,
            group=self.group,
            state=self.state,
            commit=commits[0],
            commit_at_last=commits[1],
            transport=transport,
            consumer=json.dumps(consumer),
            idle_after=int(IDLE_AFTER_S),
            **self.topics,
        )
        if explained:
            file = tree_file(self.folder).path
            text += EXPLAINING.format(model=EXPLAINED, file=file, features=", ".join(NAMES))
        return text
