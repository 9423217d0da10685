"""Bytes for arrays and plain values, the same bytes for the same content.

States, ledger chunks and summaries are stored and sent in this form: a JSON head that says what is where, then the
arrays' raw bytes. Nothing is executed on reading, which is why it is not pickle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

_HEAD_BYTES = 8
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}

Part = bytes | memoryview


class PackingError(ValueError):
    """The bytes are not what `pack` wrote, or a value has no packed form."""


def pack(value: Any, *, brief: bool = False) -> bytes:
    """Bytes of a tree of dicts with string keys, lists, tuples, scalars, bytes and numpy arrays.

    `brief`: of an array in which one value repeats only that is written; so are columns of rows that have nothing in
    them. Tuples come back as lists. Object arrays may hold strings only. Raises `PackingError` on anything else.
    """
    return b"".join(parts(value, brief=brief))


def parts(value: Any, *, brief: bool = False) -> list[Part]:
    """What `pack` would join: the head, then the bytes of arrays, which are not copied and change with the arrays."""
    blobs: list[Part] = []
    try:
        head = orjson.dumps(_describe(value, blobs, brief))
    except orjson.JSONEncodeError as error:
        raise PackingError(f"no packed form: {error}") from error
    return [len(head).to_bytes(_HEAD_BYTES, "little") + head, *blobs]


def unpack(data: bytes) -> Any:
    """The value that `pack` was given. Arrays are writable copies. Raises `PackingError` on damaged bytes."""
    try:
        size = int.from_bytes(data[:_HEAD_BYTES], "little")
        start = _HEAD_BYTES + size
        return _Reader(memoryview(data)[start:]).build(orjson.loads(data[_HEAD_BYTES:start]))
    except (orjson.JSONDecodeError, ValueError, KeyError, IndexError, TypeError, MemoryError) as error:
        raise PackingError(f"damaged packed value: {error}") from error


def _describe(value: Any, blobs: list[Part], brief: bool) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else {"f": repr(float(value))}
    if isinstance(value, np.ndarray):
        return _describe_array(value, blobs, brief)
    if isinstance(value, np.generic):
        return _describe(value.item(), blobs, brief)
    if isinstance(value, bytes):
        blobs.append(value)
        return {"b": len(value)}
    if isinstance(value, dict):
        return {"d": [[_key(key), _describe(item, blobs, brief)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"l": [_describe(item, blobs, brief) for item in value]}
    raise PackingError(f"{type(value).__name__} has no packed form; use arrays, dicts, lists and scalars")


def _key(key: Any) -> str | int:
    if isinstance(key, str | int):
        return key
    raise PackingError(f"dict keys are strings or integers, not {type(key).__name__}")


def _describe_array(array: np.ndarray[Any, Any], blobs: list[Part], brief: bool) -> Any:
    if array.dtype == object:
        found = array.ravel().tolist()
        if not any(found):  # rows whose ids are not kept
            if brief:
                return {"s": list(array.shape), "e": 1}
            blobs += [bytes(4 * len(found)), b""]
            return {"s": list(array.shape), "z": 0}
        texts = [text if type(text) is bytes else text.encode("utf-8", "surrogatepass") for text in found]
        lengths = np.fromiter(map(len, texts), np.int32, len(texts))
        blobs += [lengths.tobytes(), b"".join(texts)]
        return {"s": list(array.shape), "z": sum(map(len, texts))}
    flat = np.ascontiguousarray(array).reshape(-1)
    if brief and _repeats(flat):
        blobs.append(flat[:1].tobytes())
        return {"r": array.dtype.str, "s": list(array.shape)}
    blobs.append(flat.view(np.uint8).data)
    return {"a": array.dtype.str, "s": list(array.shape)}


def _repeats(flat: np.ndarray[Any, Any]) -> bool:
    """Is it one value throughout, bit by bit? NaN too."""
    if len(flat) < 2 or flat.itemsize not in _UNSIGNED:
        return False
    bits = flat.view(_UNSIGNED[flat.itemsize])
    return bool(bits[0] == bits[-1] and bits[0] == bits[len(bits) // 2] and (bits == bits[0]).all())


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data

    def build(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "d" in node:
            return {key: self.build(item) for key, item in node["d"]}
        if "l" in node:
            return [self.build(item) for item in node["l"]]
        if "f" in node:
            return float(node["f"])
        if "b" in node:
            return bytes(self._take(node["b"]))
        if "a" in node:
            return self._array(np.dtype(node["a"]), node["s"])
        if "r" in node:
            return self._repeated(np.dtype(node["r"]), node["s"])
        if "e" in node:
            return np.full(node["s"], "", object)
        return self._texts(node["s"], node["z"])

    def _array(self, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray[Any, Any]:
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        kept = np.frombuffer(self._take(size), dtype).reshape(shape)
        # Of zeros the system gives memory only once they are written.
        return kept.copy() if np.frombuffer(kept, np.uint8).any() else np.zeros(shape, dtype)

    def _repeated(self, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray[Any, Any]:
        one = np.frombuffer(self._take(dtype.itemsize), dtype)
        if not any(one.tobytes()):
            return np.zeros(shape, dtype)
        return one.repeat(int(np.prod(shape, dtype=np.int64))).reshape(shape)

    def _texts(self, shape: list[int], size: int) -> np.ndarray[Any, Any]:
        count = int(np.prod(shape, dtype=np.int64))
        ends = np.cumsum(self._array(np.dtype(np.int32), [count])).tolist()
        text = bytes(self._take(size))
        array = np.empty(count, object)
        array[:] = [
            text[start:end].decode("utf-8", "surrogatepass") for start, end in zip([0, *ends], ends, strict=False)
        ]
        return array.reshape(shape)

    def _take(self, size: int) -> memoryview:
        if size > len(self._data):
            raise PackingError("damaged packed value: it ends too early")
        taken, self._data = self._data[:size], self._data[size:]
        return taken
