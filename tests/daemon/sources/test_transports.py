"""The choice of a client library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from daemon import exits
from tests.daemon.commands.vigild import environment

CONFIG = """
kafka: {brokers: ["127.0.0.1:1"], topics: [events], transport: confluent}
http: {port: null}
"""
WITHOUT = "import sys; sys.modules['confluent_kafka'] = None; from daemon.__main__ import main; sys.exit(main())"
"""vigild where confluent-kafka is not installed, as far as `import` can tell."""


def vigild_without(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a vigild that lacks the extra."""
    (folder / "vigil.yaml").write_text(CONFIG)
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, command],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def test_a_transport_that_is_not_installed_is_one_clear_line(tmp_path: Path) -> None:
    """It says which extra to install; exit code 69: something that is needed is not there."""
    told = vigild_without("run", tmp_path)
    assert told.returncode == exits.UNAVAILABLE
    last = told.stderr.splitlines()[-1]
    assert "vigild[confluent]" in last
    assert "Traceback" not in told.stderr


def test_validate_says_it_with_its_line(tmp_path: Path) -> None:
    """As any other mistake of a configuration."""
    told = vigild_without("validate", tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr.startswith("vigil.yaml:2: kafka.transport: ")
    assert "vigild[confluent]" in told.stderr
