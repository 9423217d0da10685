"""`python -m tests.broker`: a broker in the foreground, for trying things by hand."""

import signal
import sys

from tests.broker import Broker, Unavailable


def main() -> int:
    """Start a broker that creates topics as they are named, print its address, wait for Ctrl-C."""
    waiting = signal.SIGINT, signal.SIGTERM
    signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        with Broker(auto_create_topics=True) as broker:
            print(broker.bootstrap, flush=True)
            print(f"log: {broker.log}; Ctrl-C ends it and forgets its data", file=sys.stderr)
            signal.sigwait(waiting)
    except Unavailable as unavailable:
        print(unavailable, file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
