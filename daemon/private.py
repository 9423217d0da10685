"""Files that hold what came in: for their owner only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def made(path: Path) -> IO[bytes]:
    """A new file to write to, in place of one that is there; nobody but its owner may read it."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
