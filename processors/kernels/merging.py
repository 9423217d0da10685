"""Two sorted cubes of counts as one (`performance.entries`): a single pass over both, where sorting would take many."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def merge(
    a_unit: Any, a_what: Any, a_code: Any, a_value: Any, b_unit: Any, b_what: Any, b_code: Any, b_value: Any
) -> Any:
    """(unit, what, code, value) of both, ascending by (unit, what, code) as each of them must; each key occurs once.

    Values of equal keys add up; what comes to nothing is left out.
    """
    most = len(a_unit) + len(b_unit)
    unit, what = np.empty(most, np.int64), np.empty(most, np.int32)
    code, value = np.empty(most, np.int64), np.empty(most, np.int64)
    i = j = size = 0
    while i < len(a_unit) or j < len(b_unit):
        if i == len(a_unit):
            order = 1
        elif j == len(b_unit):
            order = -1
        elif a_unit[i] != b_unit[j]:
            order = -1 if a_unit[i] < b_unit[j] else 1
        elif a_what[i] != b_what[j]:
            order = -1 if a_what[i] < b_what[j] else 1
        elif a_code[i] != b_code[j]:
            order = -1 if a_code[i] < b_code[j] else 1
        else:
            order = 0
        if order <= 0:
            unit[size], what[size], code[size], value[size] = a_unit[i], a_what[i], a_code[i], a_value[i]
            i += 1
        else:
            unit[size], what[size], code[size], value[size] = b_unit[j], b_what[j], b_code[j], b_value[j]
        if order == 0:
            value[size] += b_value[j]
        if order >= 0:
            j += 1
        size += value[size] != 0
    return unit[:size].copy(), what[:size].copy(), code[:size].copy(), value[:size].copy()
