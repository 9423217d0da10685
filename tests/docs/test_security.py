"""The threat list: what it cites as holding an answer exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_everything_that_is_cited_exists() -> None:
    """Files, folders and tests by name, so that a test that goes takes its claim with it."""
    cited = re.findall(r"`([^`\s]+)`", PAGE)
    paths = [name for name in cited if name.startswith(("tests/", "docs/", "daemon/"))]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
    defined = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = [name for name in cited if name.startswith("test_")]
    assert tests
    assert [name for name in tests if f"def {name}(" not in defined] == []


def test_every_threat_has_an_answer_a_test_and_what_is_left() -> None:
    """Four columns a row; who has no answer says so, and no row is without its test or another page."""
    rows = [
        line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat")
    ]
    assert len(rows) > 15
    for row in rows:
        assert len(row) == 4, row[0]
        assert "tests/" in row[2] or "test_" in row[2] or "docs/" in row[2], row[0]
