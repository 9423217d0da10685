"""kafka-python's record batches, read as columns.

kafka-python makes an object of each record by some two hundred lines of Python: half of what reading costs. Here a
compiled loop finds where the keys and values of a whole batch stand; values are cut out where somebody looks at them.
All else stays kafka-python's own: fetches, checksums, decompression, transactions; so does whatever looks unusual, old
message formats and batches that are damaged included. `columnar` is the one place that knows how it is built inside
(3.0.12); where it is built otherwise, its own reading stands.

The format: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint
from numba import njit

from daemon.pieces import Pieces
from daemon.records import Headers, Partition, Run

log = structlog.get_logger(__name__)

_NEEDED = (
    (Fetcher, ("PartitionRecords", "_parse_fetched_data")),
    (Fetcher.PartitionRecords, ("take", "_unpack_records", "_maybe_skip_record")),
    (DefaultRecordBatch, ("_maybe_uncompress", "_buffer", "_pos", "records_count", "is_control_batch")),
)
_NO_HEADERS: Headers = ()


def columnar(consumer: Any) -> None:
    """Have a `KafkaConsumer` hand out one `ConsumerRecord` a batch, whose value is a `Records`; see `run_of`."""
    fetcher = getattr(consumer, "_fetcher", None)
    if isinstance(fetcher, Fetcher) and all(hasattr(owner, name) for owner, names in _NEEDED for name in names):
        fetcher.PartitionRecords = _PartitionRecords
        locate(np.frombuffer(b"", np.uint8), 0, 0)  # compiled or loaded now, not when the first batch has come
    else:
        log.warning("an unknown release of kafka-python: records are read one by one")


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a batch from some offset on, in columns."""

    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: Pieces
    headers: list[Headers]

    def __len__(self) -> int:
        return 1  # kafka-python asks how large a record's value is, for a field that nobody reads


def run_of(partition: Partition, found: Sequence[Any]) -> Run:
    """What a poll brought of a partition as one run."""
    run, values = Run(partition, [], [], [], [], []), []
    for record in found:
        columns = record.value
        if type(columns) is not Records:
            value = Pieces.of([columns])
            columns = Records([record.offset], [record.timestamp], [record.key], value, [record.headers])
        run.offsets += columns.offsets
        run.timestamps += columns.timestamps
        run.keys += columns.keys
        values.append(columns.values)
        run.headers += columns.headers
    run.values = Pieces.together(values)
    return run


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """A fetch of a partition, batch by batch instead of record by record."""

    def __init__(self, fetch_offset: int, tp: Any, records: Any, **options: Any) -> None:
        super().__init__(fetch_offset, tp, _Batches(records, fetch_offset), **options)


class _Batches:
    """kafka-python's batches, each in the guise of one that holds a single record."""

    def __init__(self, records: Any, first: int) -> None:
        self._records, self._first = records, first

    def next_batch(self) -> Any:
        try:
            batch = self._records.next_batch()
        except KafkaError:
            raise
        except Exception as error:  # a length that is wrong, which no checksum covers
            raise CorruptRecordError(f"a batch can't be told from the next: {error}") from error
        if type(batch) is not DefaultRecordBatch or batch.is_control_batch:
            return batch
        return _Batch(batch, self._first)


class _Batch:
    """A batch that yields all of its records at once; everything else is the batch's own."""

    def __init__(self, batch: Any, first: int) -> None:
        self._batch, self._first = batch, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            self._batch._maybe_uncompress()  # noqa: SLF001 - see the module's docstring
        except Exception as error:  # each codec has errors of its own, and kafka-python lets them through
            raise CorruptRecordError(f"a batch can't be decompressed: {error}") from error
        found = _read(self._batch, self._first)
        if found is None:
            return iter(self._batch)
        return iter([_Together(found, self._batch)] if found.offsets else [])


class _Together:
    """What kafka-python reads of a record, for all records of a batch; its offset is the last one's."""

    key = None
    headers = _NO_HEADERS
    checksum = None
    timestamp = -1

    def __init__(self, records: Records, batch: Any) -> None:
        self.value = records
        self.offset = records.offsets[-1]
        self.timestamp_type = batch.timestamp_type
        self.size_in_bytes = batch.size_in_bytes

    def validate_crc(self) -> bool:
        return True  # that of the batch was looked at


def _read(batch: Any, first: int) -> Records | None:
    """The records from the offset `first` on; None if it is better to leave the batch to kafka-python."""
    count, begin = batch.records_count, batch._pos  # noqa: SLF001 - see the module's docstring
    data = bytes(batch._buffer)  # noqa: SLF001
    if not 0 < count <= len(data):
        return None
    places = locate(np.frombuffer(data, np.uint8), begin, count)
    if not len(places):
        return None
    offsets = places[:, 0] + batch.base_offset
    stamped = batch.timestamp_type == batch.CREATE_TIME
    times = places[:, 1] + batch.first_timestamp if stamped else np.full(count, batch.max_timestamp)
    if offsets[0] < first:
        chosen = offsets >= first
        offsets, times, places = offsets[chosen], times[chosen], places[chosen]
    keys, values = _cut(data, places[:, 2], places[:, 3]), Pieces([(data, places[:, 4].copy(), places[:, 5].copy())])
    headers = [_NO_HEADERS] * len(offsets)
    for row in np.flatnonzero(places[:, 7]).tolist():
        headers[row] = _headers(data, int(places[row, 6]), int(places[row, 7]))
    return Records(offsets.tolist(), times.tolist(), keys, values, headers)


def _cut(data: bytes, begin: Any, end: Any) -> list[bytes | None]:
    """The pieces from `begin` to `end`; None where that is before it."""
    if (end < begin).all():
        return [None] * len(begin)
    return [data[a:b] if a <= b else None for a, b in zip(begin.tolist(), end.tolist(), strict=True)]


def _headers(data: bytes, at: int, count: int) -> Headers:
    """The headers that begin there; `locate` has seen that they are whole, and that their keys are ASCII."""
    found = []
    for _ in range(count):
        size, at = decode_varint(data, at)
        key, at = data[at : at + size].decode("ascii"), at + size
        size, at = decode_varint(data, at)
        found.append((key, data[at : at + size] if size >= 0 else None))
        at += max(size, 0)
    return found


@njit(cache=True)
def locate(data: Any, at: int, count: int) -> Any:
    """Where the records of a batch stand: int64 of shape (count, 8), of (0, 8) if anything about them is unusual.

    Columns: offset and timestamp after the batch's own; where key and value begin and end (before it: there is none);
    where the headers begin, and how many there are.
    """
    found = np.empty((count, 8), np.int64)
    nothing = np.empty((0, 8), np.int64)
    for row in range(count):
        size, at = _varint(data, at)
        end = at + size
        if at < 0 or size <= 0 or end > len(data) or data[at] > 127:
            return nothing
        found[row, 1], at = _varint(data, at + 1)  # after the attributes, of which there are none yet
        found[row, 0], at = _varint(data, at)
        for column in (2, 4):
            found[row, column], found[row, column + 1], at = _piece(data, at, end)
        headers, at = _varint(data, at)
        found[row, 6], found[row, 7] = at, headers
        if headers < 0 or _after_headers(data, at, end, headers) != end:
            return nothing
        if row and found[row, 0] <= found[row - 1, 0]:
            return nothing
        at = end
    return found if at == len(data) else nothing


@njit(cache=True)
def _after_headers(data: Any, at: int, end: int, count: int) -> int:
    """Where so many headers end; -1 if they don't before `end`, or if a key is not ASCII."""
    for _ in range(count):
        begin, after, at = _piece(data, at, end)
        if at < 0 or after < begin:
            return -1
        for place in range(begin, after):
            if data[place] > 127:
                return -1
        _, _, at = _piece(data, at, end)
        if at < 0:
            return -1
    return at


@njit(cache=True)
def _piece(data: Any, at: int, end: int) -> Any:
    """(begin, end, place after it) of bytes with their length before them; an end before the begin for null."""
    size, at = _varint(data, at)
    if at < 0 or size > end - at:
        return 0, 0, -1
    return at, at + size, at + max(size, 0)


@njit(cache=True)
def _varint(data: Any, at: int) -> Any:
    """(number, place after it) of a zigzag varint; a place of -1 if it has no end."""
    raw = np.uint64(0)
    for shift in range(0, 70, 7):
        if at < 0 or at >= len(data):
            return np.int64(0), -1
        byte = np.uint64(data[at])
        at += 1
        raw |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        if byte < 128:
            return np.int64(raw >> np.uint64(1)) ^ -np.int64(raw & np.uint64(1)), at
    return np.int64(0), -1
