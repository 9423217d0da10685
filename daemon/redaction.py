"""Redaction: values of features that must not leave, taken out of what is said about those features.

What a monitor of ours says in rates and distances stays; names of bins (`CN`, `[1, 5)`), averages and whatever a
monitor that we do not know puts into its sentence or its evidence do not. Names of features are no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from processors.base import Finding, Reading
from processors.wording import model_words

REDACTED = "[redacted]"

_RESERVED = frozenset({"missing", "wrong type", "below range", "above range", "unseen category"})
"""Bins that say what is wrong with a value, and not what it is."""
_OF_RATES = frozenset({"data_quality"})
"""Monitors that say nothing of a feature but how often something is wrong with it ..."""
_VALUES = "sends"
"""... unless they say what a new version is sent, where others had something else."""
_OF_DISTANCES = _OF_RATES | {"feature_drift", "attribution", "repeated_values"}
"""Monitors whose findings have numbers about a feature, and not of it."""
_OF_VALUES = frozenset({"mean"})
"""Series of readings that are values of a feature, added up."""
_SERIES = "feature:"
"""What begins the name of a series that is a feature's values."""


def redacts(feature: str | None, series: str, patterns: Sequence[str]) -> bool:
    """Is this about a feature whose values must not leave?"""
    names = [feature] if feature is not None else []
    names += [series.removeprefix(_SERIES)] if series.startswith(_SERIES) else []
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def redacted_finding(finding: Finding, patterns: Sequence[str]) -> Finding:
    """The finding as it may leave."""
    if not redacts(finding.feature, finding.series, patterns):
        return finding
    source, series = finding.evidence.get("monitor", finding.monitor), finding.evidence.get("series", finding.series)
    if source in _OF_RATES and _VALUES not in finding.evidence:
        return finding
    feature = finding.feature or finding.series.removeprefix(_SERIES)
    state = "is as usual again" if finding.kind == "recovered" else "is not as usual"
    said = replace(
        finding,
        summary=f"{model_words(finding.group)}: feature {feature} {state} ({finding.monitor}, {finding.series}; "
        f"{finding.n:,} values, which are redacted).",
        evidence=_hidden(finding.evidence),
    )
    if source in _OF_DISTANCES and series not in _OF_VALUES:
        return said
    return replace(said, value=None, reference=None, low=None, high=None)


def redacted_reading(reading: Reading, patterns: Sequence[str]) -> Reading:
    """The reading as it may leave."""
    if reading.series not in _OF_VALUES and not reading.series.startswith(_SERIES):
        return reading
    if not redacts(reading.feature, reading.series, patterns):
        return reading
    details = {**reading.details, "redacted": True}
    return replace(reading, value=None, reference=None, low=None, high=None, details=details)


def _hidden(tree: Any) -> Any:
    """The same tree without its texts, but for those that say what is wrong."""
    if isinstance(tree, dict):
        return {key: _hidden(item) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return [_hidden(item) for item in tree]
    return REDACTED if isinstance(tree, str) and tree not in _RESERVED else tree
