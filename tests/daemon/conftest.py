"""What tests of the daemon may ask for."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from daemon import telemetry


@pytest.fixture
def own_log() -> Iterator[io.StringIO]:
    """What Vigil logs where nobody watches (JSON); logging is put back as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    telemetry.configure("info", "auto", out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
