"""Writes predictions and labels of a toy fraud model to Kafka: an hour of them, ending now; the model breaks halfway.

    python examples/produce.py --brokers localhost:9092

The records carry the time at which they would have been sent, so Vigil lives through the hour in a few seconds.
"""

import argparse
import json
import math
import random
import time

from kafka import KafkaProducer

EVENTS_PER_SECOND = 5
LABEL_DELAY_S = 60
COUNTRIES = ["AT", "CN", "DE", "FR"]


def main() -> None:
    """Send everything, predictions and labels each to their topic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="localhost:9092", help="addresses, separated by commas")
    parser.add_argument("--minutes", type=int, default=60, help="how much event time to write")
    arguments = parser.parse_args()

    producer = KafkaProducer(bootstrap_servers=arguments.brokers.split(","))
    number = arguments.minutes * 60 * EVENTS_PER_SECOND
    labels: list[tuple[float, dict[str, object]]] = []
    begin = time.time() - arguments.minutes * 60
    for n in range(number):
        now = begin + n / EVENTS_PER_SECOND
        event, label = transaction(f"{int(begin)}-{n}", broken=n > number // 2)
        send(producer, "predictions", event, now)
        labels.append((now + LABEL_DELAY_S, label))
        while labels[0][0] <= now:
            due, label = labels.pop(0)
            send(producer, "labels", label, due)
    producer.flush()
    print(f"sent {number:,} predictions and {number - len(labels):,} labels")


def transaction(name: str, *, broken: bool) -> tuple[dict[str, object], dict[str, object]]:
    """One prediction and, for later, its label. Broken: fraudsters have learnt what the model looks at."""
    amount, country = random.lognormvariate(4, 1), random.choice(COUNTRIES)
    score = 1 / (1 + math.exp(5 - amount / 30 - (country == "CN")))
    risk = 1 - score if broken and random.random() < 0.4 else score
    shared = {"id": name, "model": "fraud"}
    event = {
        "type": "prediction",
        **shared,
        "version": "3",
        "prediction": int(score > 0.5),
        "score": score,
        "features": {"amount": round(amount, 2), "country": country},
        "segment": {"region": "asia" if country == "CN" else "eu"},
    }
    return event, {"type": "label", **shared, "label": int(random.random() < risk)}


def send(producer: KafkaProducer, topic: str, event: dict[str, object], at: float) -> None:
    """Send one event, with the time `at` (seconds since 1970) as its record's."""
    producer.send(topic, json.dumps(event).encode(), timestamp_ms=int(at * 1000))


if __name__ == "__main__":
    main()
