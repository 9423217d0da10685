"""The wheel as the image runs it: not as root, without capabilities, on a file system that can't be written.

No container engine is needed: Linux's own namespaces do what the compose file asks an engine for.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.daemon.commands.vigild import environment, events, write

ROOT = Path(__file__).parents[2]
AS_IN_THE_IMAGE = """set -eu
mount -t tmpfs tmpfs {state}
mount -t tmpfs tmpfs {scratch}
mount -o remount,bind,ro /
mount -o remount,bind,ro {top} 2>/dev/null || true
exec unshare --user --map-user=10001 --map-group=10001 setpriv --no-new-privs --inh-caps=-all sh -euc {inner}
"""
INNER = """test "$(id -u)" = 10001
if touch {folder}/elsewhere 2>/dev/null; then exit 91; fi
if touch {root}/elsewhere 2>/dev/null; then exit 92; fi
touch {state}/here
{python} -m daemon validate -c {folder}/vigil.yaml
{python} -m daemon run -c {folder}/vigil.yaml
ls {state} {state}/numba
code=0
NUMBA_CACHE_DIR={root}/numba {python} -m daemon run -c {folder}/refused.yaml || code=$?
test $code = 74
"""


def _namespaces() -> bool:
    """Whether this machine lets its users make mount and user namespaces."""
    nested = ["unshare", "-rm", "unshare", "--user", "--map-user=10001", "--map-group=10001", "true"]
    try:
        return subprocess.run(nested, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _namespaces(), reason="needs Linux with namespaces for users (unshare -rm)")
def test_the_wheel_runs_without_root_on_a_read_only_root(tmp_path: Path) -> None:
    """It watches a stream to its end; all that it writes, compiled kernels included, is in its own directory.

    With a directory that it may not write it ends with 74 and a line that says so.
    """
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*built, "--wheel-dir", tmp_path, ROOT], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    state, scratch = tmp_path / "state", tmp_path / "scratch"
    for folder in (state, scratch):
        folder.mkdir()
    write(tmp_path / "events.ndjson", events(400))
    (tmp_path / "vigil.yaml").write_text(
        f"files: {{paths: [{tmp_path}/events.ndjson]}}\nstate: {{path: {state}}}\nhttp: {{port: null}}\n"
    )
    (tmp_path / "refused.yaml").write_text(
        f"files: {{paths: [{tmp_path}/events.ndjson]}}\nstate: {{path: {ROOT}/state}}\nlog: {{format: json}}\n"
    )
    inner = INNER.format(folder=tmp_path, root=ROOT, state=state, python=sys.executable)
    top = f"/{tmp_path.parts[1]}"
    script = AS_IN_THE_IMAGE.format(state=state, scratch=scratch, top=top, inner=shlex.quote(inner))
    settings = {
        "PYTHONPATH": str(tmp_path / "site"), "NUMBA_CACHE_DIR": f"{state}/numba", "TMPDIR": str(scratch),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    told = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=environment(settings), cwd="/", capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert "state.sqlite" in told.stdout
    assert "readings.ndjson" in told.stdout
    assert "Traceback" not in told.stderr
    assert f"{ROOT}/state: Read-only file system: make state.path readable and writable" in told.stderr
    assert not list(state.iterdir()), "what it wrote went away with its own file system"
