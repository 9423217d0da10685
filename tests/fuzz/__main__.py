"""`make fuzz`: so many inputs for all targets together, guided by coverage where atheris is installed.

Each target runs in a process of its own, which ends at the first input that breaks a rule, takes 20 seconds or grows
beyond bounds; that input is kept and named. What reached new code is kept as well, and is where the next run begins.
In the end new inputs, made of all that was kept, must leave nothing behind in memory (`tests.fuzz.growth`).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.growth import MOST, ROUNDS, growth
from tests.fuzz.mutation import inputs

SHARES = {"decoding": 0.4, "loading": 0.2, "telling_time": 0.4}
"""Of all inputs."""
SLICE = 20_000
"""Inputs of one process: atheris itself grows by about 8 KiB an input; without it the same inputs grow nothing."""
MOST_GROWTH_MB = 256
"""From the first input of a process to its last, atheris's own growth included: what no count of Python's shows."""
A_ROUND = 200
"""Inputs that are asked together what they left behind."""
INSTRUMENTED = ["config", "daemon.clocks", "daemon.codecs", "daemon.decode", "daemon.scalars", "daemon.stamps"]
SCANNING = Path(__file__).parents[2] / "daemon/decode/scanning"
COMPILED = [
    f"daemon.decode.scanning.{path.stem}"
    for path in sorted(SCANNING.glob("*.py"))
    if re.search(r"^@(compiled|inlined)\b", path.read_text(), re.MULTILINE)
]
"""By numba, which can read no bytecode but Python's own."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One target's run; sizes in MB."""

    target: str
    inputs: int
    seconds: float
    before_mb: int
    after_mb: int
    failed: bool

    def __str__(self) -> str:
        rate = self.inputs / max(self.seconds, 1e-9)
        grown = f"RSS {self.before_mb} MB at the start, {self.after_mb} MB at the end"
        return f"{self.target:14} {self.inputs:>9,} inputs  {rate:>8,.0f}/s  {grown}{'  FAILED' if self.failed else ''}"


def main() -> int:
    """Fuzz all targets, or be the process of one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--target", choices=sorted(SHARES), help=argparse.SUPPRESS)
    parser.add_argument("--growth", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.growth:
        return _grows(given.target, given.corpus)
    if given.target:
        return _one(given.target, given.runs, given.seed, given.corpus)
    if find_spec("atheris") is None:
        print("atheris is not installed (pip install 'vigild[fuzz]'): inputs are made by chance, unguided", flush=True)
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as side_by_side:
        ran = list(
            side_by_side.map(
                lambda name: _target(name, round(given.runs * SHARES[name]), given.seed, given.corpus), SHARES
            )
        )
    print(f"{sum(each.inputs for each in ran):,} inputs in {time.monotonic() - began:,.0f} s")
    return int(any(each.failed for each in ran))


def _target(name: str, runs: int, seed: int, corpus: Path) -> Ran:
    """Fuzz a target, process after process, each from the corpus that the one before it left; to the first failure."""
    slices: list[Ran] = []
    for number, first in enumerate(range(0, runs, SLICE)):
        slices.append(_slice(name, min(SLICE, runs - first), seed * 1_000 + number, corpus))
        if slices[-1].failed:
            break
    largest = max(slices, key=lambda ran: ran.after_mb)
    counts = sum(ran.inputs for ran in slices), sum(ran.seconds for ran in slices)
    ran = Ran(name, *counts, largest.before_mb, largest.after_mb, slices[-1].failed or _leaks(name, runs, corpus))
    print(ran, flush=True)
    return ran


def _leaks(name: str, runs: int, corpus: Path) -> bool:
    """Ask a process of its own, without atheris, what inputs leave behind; says so if it is too much.

    A run of fewer inputs than that takes is over sooner.
    """
    if runs < ROUNDS * A_ROUND:
        return False
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--growth", "--corpus", str(corpus)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        print((said.stdout + said.stderr)[-4_000:])
    return said.returncode != 0


def _grows(name: str, corpus: Path) -> int:
    """Whether inputs made of the seeds and of what was kept leave too much behind."""
    from tests.fuzz.targets import SEEDS, TARGETS

    kept = tuple(path.read_bytes() for path in sorted((corpus / name).iterdir()))
    left = growth(TARGETS[name], SEEDS[name] + kept, A_ROUND)
    print(f"{name}: an input leaves {left:.1f} bytes behind, at most {MOST:.0f} may be")
    return int(left >= MOST)


def _slice(name: str, runs: int, seed: int, corpus: Path) -> Ran:
    """One process, and what it says."""
    command = [sys.executable, "-m", "tests.fuzz", "--target", name]
    command += ["--runs", str(runs), "--seed", str(seed), "--corpus", str(corpus)]
    began = time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    output = said.stdout + said.stderr
    sizes = [int(size) for size in re.findall(r"rss: (\d+)Mb", output)] or [0]
    counts = re.findall(r"#(\d+)\s", output)
    ran = Ran(name, int(counts[-1]) if counts else 0, seconds, sizes[0], sizes[-1], said.returncode != 0)
    if ran.after_mb - ran.before_mb > MOST_GROWTH_MB:
        ran = Ran(name, ran.inputs, seconds, ran.before_mb, ran.after_mb, failed=True)
    if ran.failed:
        print(output[-4_000:])
    return ran


def _one(name: str, runs: int, seed: int, corpus: Path) -> int:
    kept = corpus / name
    kept.mkdir(parents=True, exist_ok=True)
    try:
        import atheris
    except ImportError:
        return _unguided(name, runs, seed, kept)
    with atheris.instrument_imports(include=INSTRUMENTED, exclude=COMPILED):
        from tests.fuzz.targets import SEEDS, TARGETS
    for number, data in enumerate(SEEDS[name]):
        (kept / f"seed-{number}").write_bytes(data)
        TARGETS[name](data)  # what the first call imports and compiles may take longer than any input
    options = [f"-runs={runs}", f"-seed={seed}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=1500"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/{name}-", str(kept)], TARGETS[name])
    atheris.Fuzz()
    return 0


def _unguided(name: str, runs: int, seed: int, kept: Path) -> int:
    """The same without guidance, in the words of libFuzzer's log."""
    from tests.fuzz.targets import SEEDS, TARGETS

    for number, data in enumerate(inputs(SEEDS[name], runs, first=seed * 10**6), 1):
        try:
            TARGETS[name](data)
        except Exception:
            (kept.parent / f"{name}-crash").write_bytes(data)
            raise
        if number in (1, runs) or number % 10_000 == 0:
            print(f"#{number} rss: {_resident_mb()}Mb", flush=True)
    return 0


def _resident_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
