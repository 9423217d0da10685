"""The yardstick: a bare consumer with `orjson.loads`, its values dropped at once.

python -m bench.cost.bare BOOTSTRAP RECORDS RESULT TOPIC...
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from bench.cost.marks import Marks, Stages
from bench.cost.reading import batches


def main() -> None:
    """See the module."""
    bootstrap, records, place, *topics = sys.argv[1:]
    marks = Marks(int(records), Stages())
    load = marks.stages.timed("decode", _load)
    for batch in batches(bootstrap, topics, marks):
        load(batch)
    marks.end(Path(place))


def _load(batch: list[Any]) -> None:
    loads = orjson.loads
    for record in batch:
        loads(record.value)


if __name__ == "__main__":
    main()
