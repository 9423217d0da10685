"""Rows to compare against: a version's first sampled ones, or a file's. Once full, a background never changes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from daemon.explain.features import FeatureRows
from daemon.explain.models import ModelFile, ModelFiles, ModelRefused

Key = tuple[str, str]


class Backgrounds:
    """`size` rows of each (model, version). Depends only on the rows fed and their order."""

    def __init__(self, size: int, files: Mapping[str, ModelFile]) -> None:
        """Read the files that the configuration names. Raises `ModelRefused` on one that holds no events."""
        self._size = size
        self._files = files
        others = [files.others] if isinstance(files, ModelFiles) and files.others else []
        paths = {file.background_path for file in (*files.values(), *others) if file.background_path}
        self._fixed = {path: _from_file(path, size) for path in sorted(paths)}
        self._rows: dict[Key, FeatureRows] = {}
        self.revision = 0
        """Grows with every change: what is unchanged need not be saved again."""

    def wanted(self, key: Key) -> int:
        """How many more rows the version's background needs."""
        if self._of_file(key) is not None:
            return 0
        return self._size - len(self._rows[key]) if key in self._rows else self._size

    def feed(self, key: Key, rows: FeatureRows) -> None:
        """Add rows until the background is full."""
        lacking = self.wanted(key)
        if lacking and len(rows):
            parts = [self._rows[key]] if key in self._rows else []
            self._rows[key] = FeatureRows.concat([*parts, rows.head(lacking)])
            self.revision += 1

    def of(self, key: Key) -> FeatureRows | None:
        """The version's background; None before it is full."""
        return None if self.wanted(key) else self._of_file(key) or self._rows[key]

    def _of_file(self, key: Key) -> FeatureRows | None:
        file = self._files.get(key[0])
        return self._fixed.get(file.background_path) if file is not None and file.background_path else None

    def forget(self, key: Key) -> None:
        """Free a retired version's rows."""
        self.revision += self._rows.pop(key, None) is not None

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes; the files' rows are not part of it."""
        return {"rows": [[model, version, rows.to_state()] for (model, version), rows in sorted(self._rows.items())]}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `to_state` described, as far as the size still fits."""
        self._rows = {
            (model, version): FeatureRows.from_state(rows).head(self._size) for model, version, rows in state["rows"]
        }
        self.revision += 1


def _from_file(path: str, size: int) -> FeatureRows:
    try:
        mappings = list(_features(Path(path), size))
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelRefused(f"{path}: cannot be read as a background: {error}") from error
    if not mappings:
        raise ModelRefused(f"{path}: holds no event with features. A background is one prediction event a line.")
    return FeatureRows.of_mappings(mappings)


def _features(path: Path, size: int) -> Iterator[dict[str, Any]]:
    count = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            event = orjson.loads(line) if line.strip() else None
            if isinstance(event, dict) and isinstance(event.get("features"), dict):
                yield event["features"]
                count += 1
                if count == size:
                    return
