"""Prints what Vigil says: each alert as a sentence; the heartbeats between them with --all.

python examples/consume.py --brokers localhost:9092
"""

import argparse
import json

from kafka import KafkaConsumer


def main() -> None:
    """Read the topic from its beginning, for ever, or until it was quiet for a while."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="localhost:9092", help="addresses, separated by commas")
    parser.add_argument("--topic", default="vigil.alerts")
    parser.add_argument("--quiet-after", type=float, metavar="SECONDS", help="end when nothing came for so long")
    parser.add_argument("--all", action="store_true", help="print every message as it is")
    arguments = parser.parse_args()

    quiet_ms = float("inf") if arguments.quiet_after is None else arguments.quiet_after * 1000
    brokers = arguments.brokers.split(",")
    for message in KafkaConsumer(
        arguments.topic, bootstrap_servers=brokers, auto_offset_reset="earliest", consumer_timeout_ms=quiet_ms
    ):
        if message.value is None:
            continue
        event = json.loads(message.value)
        if arguments.all:
            print(json.dumps(event))
        elif event["type"] == "vigil.alert":
            alert = event["data"]
            print(f"{event['time']}  {alert['state']:<9} {alert['severity']:<9} {alert['summary']}")


if __name__ == "__main__":
    main()
