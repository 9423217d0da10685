"""Decoding: runs of records to columnar rows with their times, and to refusals of what is bad."""

from daemon.decode.batch import Bounds
from daemon.decode.decoder import Decoder
from daemon.decode.results import Decoded, Refusal

__all__ = ["Bounds", "Decoded", "Decoder", "Refusal"]
