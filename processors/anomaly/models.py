"""Numbers for models, over all their versions, where the profile numbers (model, version).

A model lives as long as one of its versions; then its number is given again.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.profile import Profile
from processors.rows import Ints


def initial() -> State:
    """No models."""
    return {"names": [], "of": {}}


def numbers(state: State, bases: Ints, profile: Profile) -> Ints:
    """The number of the model of each base group (ascending); new models get the lowest that is free."""
    known = state["of"]
    for base in bases.tolist():
        if base not in known:
            known[base] = _number(state["names"], profile.groups[base].model)
    return np.array([known[base] for base in bases.tolist()], np.int32)


def forget(state: State, groups: frozenset[int]) -> frozenset[int]:
    """Let base groups go; returns the numbers of models that have none left."""
    gone = {state["of"].pop(group) for group in groups & state["of"].keys()}
    freed = frozenset(gone - set(state["of"].values()))
    for number in freed:
        state["names"][number] = ""
    return freed


def _number(names: list[str], model: str) -> int:
    if model in names:
        return names.index(model)
    if "" in names:
        names[names.index("")] = model
        return names.index(model)
    names.append(model)
    return len(names) - 1
