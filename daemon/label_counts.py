"""How many predictions and outcomes there were of each model, and what follows from it: the coverage of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from processors.distinct import counted
from processors.profile import Profile
from processors.slices import OutcomeRows, PredictionRows


class LabelCounts:
    """Counts by model since it appeared."""

    def __init__(self) -> None:
        self._of: dict[str, Counter[str]] = {}

    def __len__(self) -> int:
        """Models that there are."""
        return len(self._of)

    def add(self, profile: Profile, predictions: PredictionRows, outcomes: OutcomeRows) -> list[int]:
        """Count a pane. Returns the (model, version)s that predicted."""
        seen = self._add(profile, "predictions", predictions.base)
        self._add(profile, "outcomes", outcomes.base[outcomes.counted])
        return seen

    def _add(self, profile: Profile, kind: str, base: Any) -> list[int]:
        bases, counts = (column.tolist() for column in counted(base))
        for number, count in zip(bases, counts, strict=True):
            self._of.setdefault(profile.groups[number].model, Counter())[kind] += count
        return list(bases)

    def forget(self, model: str) -> None:
        """The model is gone."""
        self._of.pop(model, None)

    def coverage(self, keep_rate: float, wait: Callable[[str], int]) -> Mapping[str, Any]:
        """For `Judging.coverage`; `keep_rate` is the ledger's, `wait` says how long a model's labels are waited for."""
        return _Coverage(self._of, keep_rate, wait)

    def to_state(self) -> dict[str, dict[str, int]]:
        """As a tree."""
        return {model: dict(counts) for model, counts in self._of.items()}

    def load(self, tree: Mapping[str, Mapping[str, int]]) -> None:
        """Be what `to_state` gave."""
        self._of = {model: Counter(counts) for model, counts in tree.items()}


class _Coverage(Mapping[str, Any]):
    """Worked out for the models that are asked for."""

    def __init__(self, counts: Mapping[str, Counter[str]], keep_rate: float, wait: Callable[[str], int]) -> None:
        self._counts, self._keep_rate, self._wait = counts, keep_rate, wait

    def __getitem__(self, model: str) -> Any:
        counts = self._counts[model]
        return {
            "coverage": counts["outcomes"] / max(counts["predictions"], 1),
            "keep_rate": self._keep_rate,
            "wait_us": self._wait(model),
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)
