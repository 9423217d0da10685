"""`make audit`: whether what is locked has known vulnerabilities, by pip-audit.

A known vulnerability fails it. What can't be asked, since there is no network, does not: builds from the lock work
offline, and the lock is checked by hash anyway. It is said, and `AUDIT=required` makes it fail too, for a nightly job.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements" / "runtime.lock"
LONGEST_S = 120


def verdict(report: dict[str, Any] | None, *, required: bool) -> tuple[list[str], int]:
    """What to say of pip-audit's report (None: there is none), a line each, and the exit code."""
    found = report["dependencies"] if report else []
    bad = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no release'}"
        for each in found
        for flaw in each.get("vulns", ())
    ]
    unknown = sum("skip_reason" in each for each in found)
    asked = len(found) - unknown
    if not asked:
        return [*bad, "audit: nobody who knows of vulnerabilities can be reached; nothing was audited"], int(required)
    said = f"audit: {asked} packages looked up, {unknown} unknown, {len(bad)} known vulnerabilities"
    return [*bad, said], int(bool(bad) or (required and unknown > 0))


def main() -> int:
    """Audit the lock of what is shipped."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    command += ["--format", "json", "--requirement", str(LOCK)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        report = json.loads(told.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        report = None
    lines, code = verdict(report, required=os.environ.get("AUDIT") == "required")
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
