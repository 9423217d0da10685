"""Objects of River as bytes, and back, without the dangers of pickle.

River's objects have no other form than pickle. A state file is not a place to execute things from, so reading resolves
classes of River's numeric packages, arrays, and harmless containers, and refuses everything else: no function can be
called that is not one of these.
"""

from __future__ import annotations

import io
import pickle
from types import FunctionType
from typing import Any

_RIVER = frozenset({
    "_river_rust", "anomaly", "base", "compose", "drift", "linear_model", "metrics", "neighbors", "optim",
    "preprocessing", "proba", "sketch", "stats", "time_series", "tree", "utils",
})  # fmt: skip
"""Packages of River whose classes may be made anew."""

_OTHERS = {
    "builtins": {
        "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set",
        "slice", "str", "tuple",
    },
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "datetime": {"date", "datetime", "timedelta", "timezone"},
    "functools": {"partial"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "random": {"Random"},
    "river._river_rust.vectordict": {"euclidean_distance_tuple"},
}  # fmt: skip
"""What else may be made or called, by module."""


class UnsafeStateError(ValueError):
    """Saved bytes name something that an object of River has no use for, or are damaged."""


def save(value: Any) -> bytes:
    """The object's bytes."""
    return pickle.dumps(value, protocol=5)


def load(data: bytes) -> Any:
    """The object that `save` was given. Raises `UnsafeStateError` before it makes or calls what no object needs."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except UnsafeStateError:
        raise
    except Exception as error:  # damaged bytes may raise anything
        raise UnsafeStateError(f"a saved object of River is damaged: {error}") from error


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _own_method
        if "." not in name:
            if name in _OTHERS.get(module, ()):
                return super().find_class(module, name)
            if module.startswith("river.") and module.split(".")[1] in _RIVER:
                found = super().find_class(module, name)
                if _is_rivers(found, name):
                    return found
        raise UnsafeStateError(f"a saved object of River names {module}.{name}, which none may")


def _is_rivers(found: Any, name: str) -> bool:
    """A class defined in River, or the function with which Cython makes one of its own."""
    defined = getattr(found, "__module__", None) or ""
    return defined.startswith("river.") and (isinstance(found, type) or name.startswith("__pyx_unpickle_"))


def _own_method(owner: Any, name: str) -> Any:
    """A method that one of River's objects keeps of itself, which pickle writes as a call of `getattr`."""
    written = getattr(type(owner), name, None)
    if name.startswith("__") or not isinstance(written, FunctionType) or not written.__module__.startswith("river."):
        raise UnsafeStateError(f"a saved object of River asks for {name} of {type(owner).__name__}, which none may")
    return getattr(owner, name)
