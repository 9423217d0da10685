"""One Kafka broker of our own, in KRaft mode, as a child process."""

import atexit
import base64
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka.errors import KafkaError

from tests.broker.cluster import Cluster
from tests.broker.runtime import Unavailable, jars, java
from tests.broker.secured import Secured

READY_WITHIN = 180.0
STOPPED_WITHIN = 30.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{secured}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{secured}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL
log.dirs={folder}/data
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=500
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable={auto_create}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
"""


class Broker(Cluster):
    """A broker on free ports of the loopback, with its data and log in `folder` (default: a temporary one).

    `stop` asks it to end, `kill` doesn't ask; after either, `start` goes on with the same data on the same port. It
    never outlives this process: it is ended at exit, and by the kernel should this process be killed. (The kernel
    watches the thread that started it, so start it from one that lasts.)
    """

    def __init__(
        self, folder: Path | None = None, *, auto_create_topics: bool = False, heap: str = "512M", secured: bool = False
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="vigil-broker-"))
        self.log = self.folder / "broker.log"
        self._auto_create_topics = auto_create_topics
        self._heap = heap
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._controller_port, sasl, tls = _free_ports(4)
        self.secured = Secured(self.folder, sasl, tls) if secured else None
        """Listeners that ask who is there, and who may come in."""
        super().__init__(f"127.0.0.1:{self._port}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id while it is alive."""
        return self._process.pid if self._process and self.running else None

    def start(self) -> None:
        """Start it and return once it answers. Raises `Unavailable` where that can't be."""
        if self.running:
            return
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        atexit.register(self.close)
        self._process = self._java("kafka.Kafka", str(self._properties))
        self._wait_until_ready()

    def stop(self) -> None:
        """End it as an administrator would, and by force if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, nothing flushed, nothing said."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it (unless it was killed already) and start it with the same data on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it for good; a temporary folder goes with it."""
        atexit.unregister(self.close)
        self.kill()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = PROPERTIES.format(
            port=self._port,
            controller_port=self._controller_port,
            folder=self.folder,
            auto_create=str(self._auto_create_topics).lower(),
            secured=self.secured.listeners if self.secured else "",
        )
        self._properties.write_text(properties + (self.secured.properties() if self.secured else ""))
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatted = self._java(
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            f"--cluster-id={cluster_id}",
            f"--config={self._properties}",
        )
        if formatted.wait():
            raise Unavailable(f"the test broker's storage could not be formatted: {self._last_words()}")

    def _java(self, *program: str) -> subprocess.Popen[bytes]:
        command = [
            java(),
            f"-Xmx{self._heap}",
            "-XX:+UseSerialGC",  # a small heap needs no threads to clean it,
            "-XX:TieredStopAtLevel=1",  # and a short life no second compiler
            "-Dlog4j2.level=WARN",
            "-cp",
            f"{jars()}/*",
            *program,
        ]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + READY_WITHIN
        while self.running and time.monotonic() < give_up:
            if _answers(self._port) and _has_leader(self.bootstrap):
                return
            time.sleep(0.1)
        self.kill()
        raise Unavailable(f"the test broker did not become ready: {self._last_words()}")

    def _end(self, how: signal.Signals) -> None:
        if not self._process:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _has_leader(bootstrap: str) -> bool:
    try:
        with Cluster(bootstrap).admin() as admin:
            return bool(admin.describe_cluster()["brokers"])
    except (KafkaError, OSError):
        return False
