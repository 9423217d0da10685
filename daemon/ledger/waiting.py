"""Labels that wait for their predictions: early ones, and orphans until it is clear that they are."""

from __future__ import annotations

import numpy as np

from daemon.ledger.blocks import Blocks, positions
from daemon.ledger.due import Expiry, Waits
from daemon.ledger.keyed import KeyedRows
from daemon.ledger.offers import Offer
from daemon.ledger.retained import LABEL, RANK, standing, texts_in, versions
from processors.rows import TEXT, Labels, Longs, Names, Refs, Scalars, Strings, read_texts

LONGEST_ID, LONGEST_TEXT = 64, 256
"""Bytes of an id that are kept, and of a label that is a text; a longer label is known by its hash alone."""
_WORD = 8


class WaitingLabels:
    """At most one a key. Its id, and what it says if that is a text, are kept as bytes."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        texts = {"start": "u4", "id_bytes": "u1", "text_bytes": "u2"}
        self.rows = KeyedRows({"time": "i8", "version": "i4"} | LABEL | texts)
        self.texts = Blocks({})
        self.models = versions()
        self.expiring = Expiry(self.rows, lambda: self.models["wait_us"])
        self.met: list[Longs] | None = None
        """Serial numbers of labels that stopped waiting since the last save; None: nobody saves."""

    def __len__(self) -> int:
        return len(self.rows)

    def nbytes(self) -> int:
        """Bytes of all columns."""
        return self.rows.nbytes() + self.texts.nbytes()

    def keep(self, labels: Labels, serials: Longs | None = None) -> None:
        """Let labels wait."""
        if not len(labels):
            return
        rows, ref = self.rows, labels.ref

        def describe(row: int) -> tuple[object, ...]:
            model = labels.names.text(labels.model[row])
            return (model, ""), labels.model[row], 0, self._waits.wait(model)

        slots = rows.take_slots(len(labels))
        rows.enter(slots, labels.key, serials)
        rows["version"][slots] = self.models.take(labels.model, describe)
        columns = (labels.time, labels.label.kind, labels.label.bits, labels.ts)
        for name, column in zip(("time", "kind", "bits", "label_ts"), columns, strict=True):
            rows[name][slots] = column
        rows["partition"][slots], rows["offset"][slots], rows["index"][slots] = ref.partition, ref.offset, ref.index
        self._keep_texts(labels, slots)
        self.expiring.note(labels.time, self.models["wait_us"][rows["version"][slots]])

    def labels_of(self, slots: Longs) -> Offer:
        """Waiting labels as an offer."""
        return standing(self.rows, slots, self.rows.key[slots], self._texts(slots)[0])

    def words_of(self, slots: Longs) -> dict[int, str]:
        """What labels say that are texts, by hash."""
        said = slots[self.rows["text_bytes"][slots] > 0]
        return dict(zip(self.rows["bits"][said].tolist(), self._texts(said)[1], strict=True)) if len(said) else {}

    def rank(self, slot: int) -> tuple[int, ...]:
        """What decides which of two labels stands."""
        return tuple(self.rows[name][slot] for name in RANK)

    def table(self, slots: Longs) -> Labels:
        """Waiting labels as they came."""
        rows = self.rows
        number = rows["version"][slots]
        models = {int(self.models["model"][one]): self.models.words[one][0] for one in np.unique(number).tolist()}
        return Labels(
            Refs(rows["partition"][slots], rows["offset"][slots], rows["index"][slots]),
            rows["time"][slots],
            rows["label_ts"][slots],
            np.zeros(len(slots), np.uint8),
            self.models["model"][number],
            rows.key[slots],
            self._texts(slots)[0],
            Scalars(rows["kind"][slots], rows["bits"][slots]),
            Names(models | self.words_of(slots)),
        )

    def drop(self, slots: Longs) -> None:
        """These labels wait no longer."""
        if not len(slots):
            return
        rows = self.rows
        if self.met is not None:
            self.met.append(rows.serial[slots])
        self.texts.give_back(rows["start"][slots].astype(np.int64), self._sizes(slots))
        self.models.release(rows["version"][slots])
        rows.remove(slots)

    # Texts.

    def _keep_texts(self, labels: Labels, slots: Longs) -> None:
        rows = self.rows
        ids = [each.encode("utf-8", "surrogatepass")[:LONGEST_ID] for each in read_texts(labels.id)]
        said = [b""] * len(ids)
        texts = labels.label.kind == TEXT
        if texts.any():
            words = {
                text: labels.names.text(text).encode("utf-8", "surrogatepass")
                for text in set(texts_in(labels.label).tolist())
            }
            for row in np.flatnonzero(texts).tolist():
                word = words[int(labels.label.bits[row])]
                said[row] = word if len(word) <= LONGEST_TEXT else b""
        rows["id_bytes"][slots] = list(map(len, ids))
        rows["text_bytes"][slots] = list(map(len, said))
        starts, sizes = self.texts.take_for(rows, slots, self._sizes), self._sizes(slots)
        whole = [(a + b).ljust(_WORD * size, b"\0") for a, b, size in zip(ids, said, sizes.tolist(), strict=True)]
        self.texts.columns["bits"][positions(starts, sizes)] = np.frombuffer(b"".join(whole), np.uint64)

    def _texts(self, slots: Longs) -> tuple[Strings, list[str]]:
        """Ids, and what labels say."""
        rows, sizes = self.rows, self._sizes(slots)
        data = self.texts.columns["bits"][positions(rows["start"][slots].astype(np.int64), sizes)].tobytes()
        begin = (_WORD * (np.cumsum(sizes) - sizes)).tolist()
        ids, said = np.empty(len(slots), object), []
        lengths = zip(begin, rows["id_bytes"][slots].tolist(), rows["text_bytes"][slots].tolist(), strict=True)
        for place, (start, of_id, of_text) in enumerate(lengths):
            ids[place] = data[start : start + of_id].decode(errors="ignore")
            said.append(data[start + of_id : start + of_id + of_text].decode("utf-8", "surrogatepass"))
        return ids, said

    def _sizes(self, slots: Longs) -> Longs:
        """Words that the texts of labels take."""
        length = self.rows["id_bytes"][slots].astype(np.int64) + self.rows["text_bytes"][slots]
        return np.asarray(-(-length // _WORD))
