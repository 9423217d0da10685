"""What survives a restart: positions, state and what has yet to be sent, in one file and one transaction."""

from daemon.state.commit import Commit, Queued
from daemon.state.errors import Damaged, Locked, NotThere, StateError, TooNew
from daemon.state.outbox import QUEUES, Bound, Outbox
from daemon.state.steps import Step, reached
from daemon.state.store import Chunk, Loaded, Store

__all__ = [
    "QUEUES",
    "Bound",
    "Chunk",
    "Commit",
    "Damaged",
    "Loaded",
    "Locked",
    "NotThere",
    "Outbox",
    "Queued",
    "StateError",
    "Step",
    "Store",
    "TooNew",
    "reached",
]
