"""Decode: runs of records to columnar rows; what is bad becomes a refusal with its reason.

Nothing after this folder loops over events in Python. Within it every field is handled as a column, and only a column
in which something is wrong is looked at value by value.

    record ─codec─► events (batch.py) ─by kind─► part.py: columns, checked ─► decoder.py: rows, with their times
                          │ refused                        │ refused
                          └────────────► results.Refusal ◄─┘
"""

from daemon.decode.batch import Bounds
from daemon.decode.decoder import Decoder
from daemon.decode.results import Decoded, Refusal

__all__ = ["Bounds", "Decoded", "Decoder", "Refusal"]
