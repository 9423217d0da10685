"""The way a user would write it: one loop of kafka-python, orjson, a dict for the join and River, by model.

python -m bench.cost.naive BOOTSTRAP RECORDS RESULT TOPIC...
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
from river import anomaly, drift, metrics

from bench.cost.marks import Marks, Stages
from bench.cost.reading import batches


class Watched:
    """What is kept of one model."""

    def __init__(self) -> None:
        river: Any = metrics  # has no types
        self.accuracy, self.f1 = river.Accuracy(), river.F1()
        self.log_loss, self.auc = river.LogLoss(), river.ROCAUC()
        self.trees: Any = anomaly.HalfSpaceTrees(n_trees=10, height=8)
        detectors: Any = drift
        self.error = detectors.ADWIN()
        self.features: dict[str, Any] = defaultdict(detectors.PageHinkley)

    def predicted(self, features: dict[str, Any]) -> None:
        """A prediction's features."""
        numbers = {name: value for name, value in features.items() if isinstance(value, float)}
        self.trees.score_one(numbers)
        self.trees.learn_one(numbers)
        for name, value in numbers.items():
            self.features[name].update(value)

    def labelled(self, label: int, prediction: int, score: float) -> None:
        """A prediction with its label."""
        self.accuracy.update(label, prediction)
        self.f1.update(label, prediction)
        self.log_loss.update(label, score)
        self.auc.update(label, score)
        self.error.update(label != prediction)


def main() -> None:
    """See the module."""
    bootstrap, records, place, *topics = sys.argv[1:]
    marks = Marks(int(records), Stages())
    load = marks.stages.timed("decode", lambda batch: [orjson.loads(record.value) for record in batch])
    models: dict[str, Watched] = defaultdict(Watched)
    predictions: dict[tuple[str, str], tuple[int, float]] = {}
    labels: dict[tuple[str, str], int] = {}

    def watch(events: list[dict[str, Any]]) -> None:
        for event in events:
            key = event["model"], event["id"]
            if event["type"] == "prediction":
                models[event["model"]].predicted(event["features"])
                predictions[key] = event["prediction"], event["score"]
            else:
                labels[key] = event["label"]
            if key in predictions and key in labels:
                models[event["model"]].labelled(labels.pop(key), *predictions.pop(key))

    watching = marks.stages.timed("watch", watch)
    for batch in batches(bootstrap, topics, marks):
        watching(load(batch))
    marks.end(Path(place))


if __name__ == "__main__":
    main()
