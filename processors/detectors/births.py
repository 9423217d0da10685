"""What is found of a feature that was wrong from its version's first prediction on, said as what it is."""

from __future__ import annotations

from dataclasses import replace

from processors.base import Finding
from processors.profile.lending import Loan

_REASON = "No other version was ever sent such values: repair this one's input, or go back to the version before."


def told(finding: Finding, loan: Loan | None) -> Finding:
    """The finding, with what the version sends, what all others had, and since when; if `loan` says that it is so.

    Something is found only once the feature has bins, which is later than it began; but what comes later than that is
    a fault like any other, and so is its end.
    """
    if loan is None or finding.kind == "recovered" or not loan.at_birth(finding.since):
        return finding
    return replace(
        finding,
        since=loan.since,
        onset=None,
        summary=f"{finding.summary.removesuffix('.')}; {loan.words()}.",
        action="fix_feature",
        reason=_REASON,
        evidence={**finding.evidence, "sends": loan.sends, "other_versions": loan.usual},
    )
