"""Files that hold what came in: for their owner only, and whole or not there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which has its name, in place of what had it, once the block is left without an exception.

    Otherwise nothing stays of it. What the disk refuses says of which file.
    """
    half = path.with_name(path.name + ".part")
    try:
        with _made(half) as file:
            yield file
        half.rename(path)
    except BaseException as error:
        half.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _DISK and error.filename is None:
            error.filename = str(path)
        raise


def _made(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
