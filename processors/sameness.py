"""Are two values the same, in structure, in integers, and in floats up to rounding?"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def tree(value: Any) -> Any:
    """A value with its dataclasses as dicts, for `packing.pack`."""
    if is_dataclass(value):
        return {field.name: tree(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: tree(item) for key, item in value.items()}
    return [tree(item) for item in value] if isinstance(value, list | tuple) else value


def assert_same(got: Any, wanted: Any, what: str, tolerance: float = 0.0) -> None:
    """Equal in structure, types and integers, and in floats up to the tolerance. Raises `AssertionError`."""
    if is_dataclass(wanted):
        assert type(got) is type(wanted), f"{what}: {type(got).__name__} instead of {type(wanted).__name__}"
        for field in fields(wanted):
            assert_same(getattr(got, field.name), getattr(wanted, field.name), f"{what}, {field.name}", tolerance)
    elif isinstance(wanted, np.ndarray):
        _assert_same_array(np.asarray(got), wanted, what, tolerance)
    elif isinstance(wanted, dict):
        assert set(got) == set(wanted), f"{what}: has {sorted(map(str, got))} instead of {sorted(map(str, wanted))}"
        for key in wanted:
            assert_same(got[key], wanted[key], f"{what}[{key!r}]", tolerance)
    elif isinstance(wanted, list | tuple):
        assert len(got) == len(wanted), f"{what}: {len(got)} instead of {len(wanted)}"
        for at, (mine, its) in enumerate(zip(got, wanted, strict=True)):
            assert_same(mine, its, f"{what}[{at}]", tolerance)
    elif isinstance(wanted, float):
        _assert_same_array(np.asarray(got), np.asarray(wanted), what, tolerance)
    else:
        assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def _assert_same_array(got: Any, wanted: Any, what: str, tolerance: float) -> None:
    assert got.dtype == wanted.dtype, f"{what}: dtype {got.dtype} instead of {wanted.dtype}"
    assert got.shape == wanted.shape, f"{what}: shape {got.shape} instead of {wanted.shape}"
    if wanted.dtype.kind != "f":
        assert np.array_equal(got, wanted), f"{what} differs: {got} instead of {wanted}"
        return
    finite = np.abs(wanted[np.isfinite(wanted)])
    near = tolerance * float(finite.max(initial=0.0))
    assert np.allclose(got, wanted, rtol=tolerance, atol=near, equal_nan=True), f"{what} differs: {got}, not {wanted}"
