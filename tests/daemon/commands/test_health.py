"""`vigild health`: what a container's health check asks."""

from pathlib import Path

from daemon import exits
from daemon.web.pulse import Pulse
from daemon.web.server import serving
from tests.daemon.commands.vigild import vigild


def config(folder: Path, port: str) -> None:
    """Write a configuration that names a port."""
    (folder / "vigil.yaml").write_text(f"files: {{paths: ['.']}}\nhttp: {{port: {port}}}\n")


def test_a_daemon_that_is_well_is_exit_0_and_one_that_is_not_exit_1(tmp_path: Path) -> None:
    """Well is a loop that turns; what the daemon says is printed."""
    now = 0.0
    pulse = Pulse(lambda: now)
    with serving("127.0.0.1", 0, lambda: {"ready": True}, pulse) as url:
        assert url is not None
        config(tmp_path, url.rpartition(":")[2])
        well = vigild("health", "-c", "vigil.yaml", cwd=tmp_path)
        assert (well.returncode, '"ok":true' in well.stdout) == (exits.OK, True)
        pulse.with_each(lambda: False)()
        now = 61.0
        ill = vigild("health", "-c", "vigil.yaml", cwd=tmp_path)
        assert (ill.returncode, '"ok":false' in ill.stdout) == (exits.UNHEALTHY, True)
    gone = vigild("health", "-c", "vigil.yaml", cwd=tmp_path)
    assert gone.returncode == exits.UNHEALTHY
    assert "nobody answers" in gone.stdout


def test_a_port_that_nobody_can_know_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """Any free port, or none, can't be asked."""
    for port in ("0", "null"):
        config(tmp_path, port)
        told = vigild("health", "-c", "vigil.yaml", cwd=tmp_path)
        assert told.returncode == exits.CONFIG
        assert "nobody can know where to ask" in told.stderr
