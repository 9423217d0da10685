"""Example events, tables and streams, on which monitors are checked; nothing here runs in the daemon."""

from processors.examples.events import PANE_US, START_US, example_events, example_signals
from processors.examples.streams import Rows, Stream, example_rows
from processors.examples.tables import Event, explanations_of, outcomes_of, predictions_of, signals_of

__all__ = [
    "PANE_US",
    "START_US",
    "Event",
    "Rows",
    "Stream",
    "example_events",
    "example_rows",
    "example_signals",
    "explanations_of",
    "outcomes_of",
    "predictions_of",
    "signals_of",
]
