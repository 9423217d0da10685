"""Coordinates: which groups, classes and series exist, and where the bins of each series lie."""

from processors.profile.groups import OTHER_VALUE, GroupKey
from processors.profile.limits import BINARY, MULTICLASS, REGRESSION, TASKS, UNDECIDED, Limits, ModelSpec
from processors.profile.profile import Profile

__all__ = [
    "BINARY",
    "MULTICLASS",
    "OTHER_VALUE",
    "REGRESSION",
    "TASKS",
    "UNDECIDED",
    "GroupKey",
    "Limits",
    "ModelSpec",
    "Profile",
]
