"""What the audit of dependencies concludes from pip-audit's report."""

from __future__ import annotations

from typing import Any

import pytest

from tests.audit import verdict

FINE = {"name": "numpy", "version": "2.0", "vulns": []}
FLAWED = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "ours", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "required", "code"),
    [
        ([FINE], False, 0),
        ([FINE], True, 0),
        ([FINE, FLAWED], False, 1),
        ([FINE, UNKNOWN], False, 0),
        ([FINE, UNKNOWN], True, 1),
        ([UNKNOWN], False, 0),
        ([UNKNOWN], True, 1),
        (None, False, 0),
        (None, True, 1),
    ],
)
def test_a_vulnerability_fails_and_silence_fails_only_where_an_answer_is_required(
    dependencies: list[dict[str, Any]] | None, required: bool, code: int
) -> None:
    """Offline builds go on; a nightly job does not take no answer for a good one."""
    lines, found = verdict(None if dependencies is None else {"dependencies": dependencies}, required=required)
    assert found == code
    assert lines
    if dependencies is not None and FLAWED in dependencies:
        assert "old 1.0: PYSEC-1, fixed in 1.1" in lines
