"""`vigild health`: asks a running daemon whether it is well; for a container's health check."""

from __future__ import annotations

import argparse
from typing import Any

from daemon import exits
from daemon.commands import configuration

USUAL_URL = "http://127.0.0.1:8642/healthz"
_LONGEST_WAIT_S = 4.0


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("health", help="ask a running daemon whether it is well")
    configuration.add_option(parser, default=None, otherwise=f"{USUAL_URL} is asked if not given")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the daemon says; 0 if it is well, else 1."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    url = USUAL_URL if arguments.config is None else _url_in(arguments)
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_LONGEST_WAIT_S) as answer:
            print(answer.read(100_000).decode("utf-8", "replace").strip())
            return exits.OK
    except HTTPError as error:
        print(error.read(100_000).decode("utf-8", "replace").strip())
    except (URLError, OSError, HTTPException) as error:
        print(f"{url}: nobody answers ({getattr(error, 'reason', error)})")
    return exits.UNHEALTHY


def _url_in(arguments: argparse.Namespace) -> str:
    http = configuration.load(arguments.config).http
    if not http.port:
        raise exits.Ended(exits.CONFIG, f"{arguments.config}: http.port is {http.port}: nobody can know where to ask.")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(http.host, http.host)  # noqa: S104 - not bound
    return f"http://[{host}]:{http.port}/healthz" if ":" in host else f"http://{host}:{http.port}/healthz"
