"""The fleet in Kafka: real time, real topics."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config import parse
from daemon import exits
from daemon.demo.fleet import Fleet
from daemon.demo.simulate import LiveStream, simulate, topics_of
from daemon.demo.story import MINUTE, SECOND, every_hour, one_monday
from daemon.demo.training import train
from daemon.demo.worlds import WORLDS
from tests.broker import Cluster


def test_predictions_go_to_their_topic_and_labels_follow_to_theirs(
    broker: Cluster, new_topic: Callable[..., str]
) -> None:
    """Each topic holds its own kind only, the time of each event is its own and now, and no id comes twice."""
    predictions, labels = new_topic("predictions", 2), new_topic("labels", 2)
    config = parse(f"kafka: {{brokers: [{broker.bootstrap}], topics: [{predictions}, {labels}]}}", {})
    began = time.time()
    assert simulate(config, rate=40, seconds=16) == exits.OK
    sent = [json.loads(message.value) for message in broker.records(predictions)]
    assert {event["type"] for event in sent} == {"prediction"}
    assert {event["model"] for event in sent} == {world.model for world in WORLDS}
    assert len({event["id"] for event in sent}) == len(sent)
    assert 200 < len(sent) < 900
    assert {json.loads(message.value)["type"] for message in broker.records(labels)} == {"label"}
    stamps = sorted(event["ts"] for event in sent)
    now = time.gmtime(began - 2), time.gmtime(time.time() + 1)
    assert time.strftime("%FT%T", now[0]) <= stamps[0] <= stamps[-1] <= time.strftime("%FT%T", now[1])


def test_labels_leave_when_their_time_has_come(tmp_path: Path) -> None:
    """However the seconds are gathered into calls, the same events leave, labels never before their time."""
    story = every_hour(one_monday().start, 2.0)
    fleet = Fleet(train(WORLDS, tmp_path, 0), story, 0)
    steps = {every: LiveStream(fleet, story.start) for every in (1, 5)}
    said: dict[int, tuple[list[bytes], list[bytes]]] = {every: ([], []) for every in steps}
    for every, live in steps.items():
        for second in range(every, 121, every):
            now = story.start + second * SECOND
            for gathered, found in zip(said[every], live.until(now), strict=True):
                gathered += [message.value for message in found if message.value is not None]
            assert all(json.loads(line)["ts"] < "2025-06-02T00:02:00" for line in said[every][1])
    assert sorted(said[1][0]) == sorted(said[5][0])
    assert said[1][1] == said[5][1]
    assert said[1][1]


def test_time_without_a_broker_passes_without_predictions(tmp_path: Path) -> None:
    """What nobody could have taken was never predicted: after an outage the stream goes on at the present."""
    story = every_hour(one_monday().start, 2.0)
    live = LiveStream(Fleet(train(WORLDS, tmp_path, 0), story, 0), story.start)
    live.skip_to(story.start + 10 * MINUTE)
    predictions, _ = live.until(story.start + 10 * MINUTE + 2 * SECOND)
    assert all(json.loads(message.value or b"")["ts"] >= "2025-06-02T00:10:00" for message in predictions)
    assert predictions


@pytest.mark.parametrize(
    ("topics", "chosen"),
    [
        (["labels", "predictions"], ("predictions", "labels")),
        (["ml.events"], ("ml.events", "ml.events")),
        (["served", "truth"], ("served", "truth")),
    ],
)
def test_topics_are_told_by_their_names_or_their_order(topics: list[str], chosen: tuple[str, str]) -> None:
    """A topic whose name says what it is for gets that; else the first takes predictions and the last labels."""
    config = parse(f"kafka: {{brokers: [b:9092], topics: {json.dumps(topics)}}}", {})
    assert config.kafka is not None
    assert topics_of(config.kafka) == chosen
