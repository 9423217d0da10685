"""The plug-in surface of Vigil: what a third party's monitor is made of and checked with, under one unambiguous name.

    from vigild import Monitor, MonitorSettings, Summary, Verdict, register

A distribution offers its monitors through the entry point group `vigil.processors`:

    [project.entry-points."vigil.processors"]
    my_monitor = "my_package:MyMonitor"
"""

from processors.base import (
    Action,
    Consumes,
    Finding,
    Judging,
    Monitor,
    MonitorSettings,
    Reading,
    Severity,
    State,
    Summary,
    Verdict,
    add_summaries,
)
from processors.checks import check_monitor, example_rows
from processors.detectors import budget
from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.detectors.rates import Rates
from processors.profile import BINARY, MULTICLASS, REGRESSION, UNDECIDED, GroupKey, Profile
from processors.registry import register
from processors.rows import read_texts
from processors.slices import BothRows, ExplanationRows, OutcomeRows, PredictionRows, SignalRows
from processors.windows import Windows

__all__ = [
    "BINARY",
    "MULTICLASS",
    "REGRESSION",
    "UNDECIDED",
    "Action",
    "BothRows",
    "Change",
    "Consumes",
    "ExplanationRows",
    "Finding",
    "GroupKey",
    "Histograms",
    "Judging",
    "Monitor",
    "MonitorSettings",
    "OutcomeRows",
    "PredictionRows",
    "Profile",
    "Rates",
    "Reading",
    "Severity",
    "SignalRows",
    "State",
    "Summary",
    "Verdict",
    "Windows",
    "add_summaries",
    "budget",
    "check_monitor",
    "example_rows",
    "read_texts",
    "register",
]
