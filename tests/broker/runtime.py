"""What the broker runs on: a Java of 17 or newer, and Kafka's jars, which Maven fetches once per version."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


class Unavailable(RuntimeError):
    """The broker can't be had on this machine; the message is one line that says what to do."""


def java() -> str:
    """Return the path of a Java that is new enough, installing one where that is allowed."""
    found = _newest_java()
    if not found and _may_install():
        _apt_install("default-jre-headless")
        found = _newest_java()
        if not found:  # Debian 11 has an older default
            _apt_install(f"openjdk-{OLDEST_JAVA}-jre-headless")
            found = _newest_java()
    if not found:
        raise Unavailable(f"the test broker needs Java {OLDEST_JAVA} or newer: apt-get install default-jre-headless")
    return found


def jars() -> Path:
    """Return the folder with the broker's jars, fetched on first use; who asks meanwhile waits."""
    version = re.search("<kafka.version>(.+?)<", POM.read_text())
    assert version
    folder = ROOT / ".cache" / f"kafka-{version[1]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _fetch_jars(unfinished)
            unfinished.rename(folder)
    return folder


def _newest_java() -> str | None:
    versions = {path: _java_version(path) for path in _javas()}
    best = max(versions, key=lambda path: versions[path], default=None)
    return best if best and versions[best] >= OLDEST_JAVA else None


def _javas() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        yield on_path
    yield from map(str, Path("/usr/lib/jvm").glob("*/bin/java"))


def _java_version(path: str) -> int:
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _fetch_jars(folder: Path) -> None:
    maven = shutil.which("mvn")
    if not maven and _may_install():
        _apt_install("maven")
        maven = shutil.which("mvn")
    if not maven:
        raise Unavailable("the test broker's jars are fetched by Maven: apt-get install maven")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run(
        [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", POM, *goal],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["nothing was said"]
        raise Unavailable(f"Maven could not fetch the test broker's jars: {said[0]}")


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt_install(package: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        subprocess.run(
            ["apt-get", "-qq", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
