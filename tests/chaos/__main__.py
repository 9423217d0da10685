"""`python -m tests.chaos [--seed N] [--kills N] [--broker-kills N] [--transport T]`: exit 0 without a loss, else 1."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.broker import Unavailable
from tests.chaos.campaign import campaign
from tests.chaos.faults import schedule
from tests.chaos.proxied import ProxiedBroker


def main() -> int:
    """Run a campaign and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill Vigil and what is around it.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: any")
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs of the daemon (100)")
    parser.add_argument("--broker-kills", type=int, help="SIGKILLs of the broker (a tenth of that)")
    parser.add_argument("--transport", choices=["kafka-python", "confluent"], default="kafka-python")
    parser.add_argument("--folder", type=Path, help="where logs, topics and the state go, and stay")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="vigil-chaos-"))
    if (folder / "broker").exists():
        parser.error(f"--folder: {folder} has files of another campaign")
    broker_kills = -(-chosen.kills // 10) if chosen.broker_kills is None else chosen.broker_kills
    print(f"seed {chosen.seed}, {chosen.kills} kills, {broker_kills} of the broker; files in {folder}", flush=True)
    faults = schedule(chosen.seed, chosen.kills, broker_kills)
    try:
        with ProxiedBroker(folder / "broker") as broker:
            outcome = campaign(
                folder,
                chosen.seed,
                faults,
                broker,
                transport=chosen.transport,
                say=lambda line: print(line, flush=True),
            )
    except Unavailable as unavailable:
        print(unavailable, file=sys.stderr)
        return 69
    print(outcome.table())
    if outcome.verdict.losses:
        other = f" --transport {chosen.transport}" if chosen.transport != "kafka-python" else ""
        print(f"again: python -m tests.chaos --seed {chosen.seed} --kills {chosen.kills}{other}; files in {folder}")
        return 1
    if chosen.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
