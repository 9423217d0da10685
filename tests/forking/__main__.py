"""`python -m tests.forking <descriptor>`: imports Vigil, then forks for each request on that socket.

For each request two processes are forked: that of `python -m <command>`, and its keeper, which tells the one who asked
how it ended, and kills it when nobody is there any more to be told. The nursery itself has no thread, so a fork of it
is whole.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from typing import NoReturn

import daemon.commands
import daemon.sinks
import daemon.sources
import daemon.state
import daemon.web

PR_SET_PDEATHSIG = 1
LONGEST = 1 << 20
"""Bytes of a request."""


def serve(requests: socket.socket) -> list[str]:
    """Fork until nobody can ask any more. Returns in each forked process with its command, and nowhere else."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, LONGEST, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            break
        for descriptor in descriptors:
            os.close(descriptor)
    stdout, stderr, answers = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    own = os.getpid()
    if (pid := os.fork()) != 0:
        keep(pid, socket.socket(fileno=answers))
    _die_with(own)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = json.loads(request)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, stdout, stderr)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *descriptors):
        os.close(descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[0] = asked["cwd"]  # as `python -m daemon` has it
    command: list[str] = asked["command"]
    return command


def keep(pid: int, answers: socket.socket) -> NoReturn:
    """Tell how a process ended; end it when nobody listens any more."""
    answers.sendall(b"%d\n" % pid)
    watched = select.poll()
    watched.register(answers, select.POLLIN)
    watched.register(ended := os.pidfd_open(pid), select.POLLIN)
    if ended not in dict(watched.poll()):
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        answers.sendall(b"%d\n" % code)
    finally:
        os._exit(0)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prepare() -> None:
    """Import what `vigild run` would, and load its kernels, in silence."""
    import confluent_kafka  # noqa: F401 - imported for those to come, as the rest is
    import kafka  # noqa: F401
    import structlog

    from daemon import kernel_cache

    kernel_cache.ensure()
    for package in (daemon.commands, daemon.sources, daemon.sinks, daemon.web, daemon.state):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    from daemon.app import warm_up

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    warm_up()
    structlog.reset_defaults()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _prepare()
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
