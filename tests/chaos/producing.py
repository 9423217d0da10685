"""The stream as it is produced: at a steady pace, to all partitions, whatever happens to whoever reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from daemon.kafka_client import opened
from tests.chaos.workload import Entry, ends, entries

PAUSE_S = 0.05
TRICKLE = 0.1
"""Share of the pace at which it goes on once the allowance is used up: no partition may ever fall silent."""


class Stream:
    """Produces the workload of a seed on a thread of its own, until told to end it.

    What counts in the end is what the log holds: if a broker's death made a record come twice, it is there twice.
    """

    def __init__(self, bootstrap: str, topic: str, seed: int, per_s: float) -> None:
        self._bootstrap, self._topic, self._per_s = bootstrap, topic, per_s
        self._entries = entries(seed)
        self._allowance = 0
        self._stopping = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._producer: Any = None
        self._abandoned = False
        self.by_key: dict[bytes, Entry] = {}
        """Every entry that was produced, by its key."""
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)

    def produce(self, count: int) -> None:
        """So many records at once, before or instead of the thread."""
        self._send(next(self._entries) for _ in range(count))
        self._flush()

    def start(self) -> None:
        """Let it flow."""
        self._thread.start()

    def allow(self, count: int) -> None:
        """So many records more at full pace: a machine that is slow at everything need not read all the more."""
        self._allowance = max(self._allowance, 0) + count

    def flow(self) -> None:
        """Full pace for the next second."""
        self._allowance = max(self._allowance, int(self._per_s))

    def hold(self) -> None:
        """The broker is about to be away."""
        self._flowing.clear()

    def go_on(self) -> None:
        """The broker is back."""
        self._flowing.set()

    def end(self) -> None:
        """Stop, then close everything by a late record in each partition."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(60.0)
        self._flush()
        self._send(ends(max(entry.ms for entry in self.by_key.values())))
        self._flush()
        self._producer.close(timeout=30)
        self._producer = None

    def close(self) -> None:
        """Let go of the connection, whatever has not left yet: of no use after `end`."""
        self._abandoned = True
        self._stopping.set()
        self._flowing.set()
        if self._thread.is_alive():
            self._thread.join(60.0)
        self._drop()

    def _run(self) -> None:
        last, owed = time.monotonic(), 0.0
        while not self._stopping.is_set():
            flowing, now = self._flowing.wait(0.2), time.monotonic()
            pace = self._per_s if self._allowance > 0 else TRICKLE * self._per_s
            owed = min(owed + (now - last) * pace, self._per_s) if flowing else 0.0
            last = now
            self._send(next(self._entries) for _ in range(int(owed)))
            self._allowance -= int(owed)
            owed -= int(owed)
            time.sleep(PAUSE_S)

    def _send(self, some: Iterable[Entry]) -> None:
        for entry in some:
            self.by_key[entry.key] = entry
            while not self._abandoned:
                try:
                    self._opened().send(
                        self._topic, entry.value, entry.key, partition=entry.partition, timestamp_ms=entry.ms
                    )
                    break
                except KafkaError:
                    self._reopen()

    def _flush(self) -> None:
        try:
            self._opened().flush(timeout=60)
        except KafkaError:
            self._reopen()

    def _opened(self) -> Any:
        if self._producer is None:
            self._producer = opened(
                KafkaProducer,
                bootstrap_servers=self._bootstrap,
                linger_ms=10,
                reconnect_backoff_max_ms=300,
                delivery_timeout_ms=600_000,
                max_block_ms=20_000,
            )
        return self._producer

    def _reopen(self) -> None:
        """A producer that gave up is replaced; what it held may be missing from the log: then for all."""
        self._drop()
        time.sleep(0.2)

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:
            producer._sender.force_close()
