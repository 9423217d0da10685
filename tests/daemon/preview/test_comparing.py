"""Episodes from an alert topic, and what two sets of them have in common."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from daemon.alerts.events import Events, Owner
from daemon.alerts.life import Life
from daemon.preview.comparing import compare, counts, pages
from daemon.preview.episodes import Episode, episodes
from daemon.preview.page import page
from daemon.preview.previewing import tell
from daemon.sinks.ndjson import line
from processors.base import Finding
from processors.profile import GroupKey
from tests.daemon.alerts.findings import HOUR, PANE, finding, rules

START = 170_000_000 * PANE
EVENTS = Events("vigil/test", "c0ffee", lambda _model: Owner(None, {}))


def _log(*steps: tuple[int, Finding | None]) -> list[bytes]:
    """The lines of an alert file after panes at these times (from START)."""
    life, lines = Life(rules()), []
    for at, found in steps:
        notices = life.close(START + at, [] if found is None else [found])
        lines += [line(message) for message in EVENTS.messages(notices)]
    return lines


def _drift(at: int, **changes: Any) -> tuple[int, Finding]:
    return at, finding(since=START + at, **changes)


def test_an_episode_is_a_firing_from_its_start_to_its_end() -> None:
    """Repetitions, updates, what is sent again and tombstones make no more of it; coming back does."""
    lines = _log(
        _drift(0, severity="warning"),
        (PANE, finding("updated", since=START, severity="critical")),
        (9 * HOUR, finding("recovered")),
        _drift(20 * HOUR),
        (60 * HOUR, None),
    )
    first, second = episodes([*lines, lines[0], b"{oops", b'{"type":"vigil.heartbeat"}', b"null"])
    assert (first.fired, first.ended, first.how) == (START, START + 9 * HOUR, "resolved")
    assert (first.severity, first.pages) == ("critical", (START, START + PANE))
    assert (second.fired, second.ended) == (START + 20 * HOUR, None)
    assert first.name == "fraud v3 concept_drift/error_rate"


def test_each_kind_of_difference_is_told() -> None:
    """By subject: gained, lost, earlier, later, and the same within the tolerance."""

    def monitored(name: str, at: int) -> tuple[int, Finding]:
        return _drift(at, monitor=name)

    old = episodes(_log(*(monitored(name, 2 * HOUR) for name in ("same", "lost", "earlier", "later"))))
    new = episodes(
        _log(
            monitored("earlier", HOUR), monitored("same", 2 * HOUR + PANE), monitored("gained", 3 * HOUR),
            monitored("later", 4 * HOUR),
        )
    )  # fmt: skip
    found = {each.shown.subject[4]: (each.kind, each.shift) for each in compare(old, new, PANE)}
    assert found == {
        "same": ("same", PANE), "lost": ("lost", 0), "earlier": ("earlier", -HOUR), "later": ("later", 2 * HOUR),
        "gained": ("gained", 0),
    }  # fmt: skip
    assert counts(compare(old, old, PANE)) == {"gained": 0, "lost": 0, "earlier": 0, "later": 0, "same": 4}
    assert pages(old) == 1
    assert pages(new) == 3


def test_two_firings_of_one_subject_are_paired_in_their_order() -> None:
    """The first with the first; what is left over is gained or lost."""
    twice = episodes(_log(_drift(0), (HOUR, finding("recovered")), _drift(9 * HOUR)))
    once = episodes(_log(_drift(9 * HOUR)))
    assert [each.kind for each in compare(twice, once, PANE)] == ["lost", "same"]
    assert [each.kind for each in compare(once, twice, PANE)] == ["gained", "same"]


def _told(folder: Path, old: list[Episode], new: list[Episode]) -> str:
    html = folder / "page.html"
    tell(old, new, ("old.yaml", "new.yaml"), PANE, html=html)
    return html.read_text()


def test_the_page_needs_nothing_else_and_hides_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Well-formed, plots inline, no address, no script; names from the stream are text, on the terminal as well."""
    nasty = finding(since=START, group=GroupKey("<script>[red]&", "3"), summary="<b>[bold]it</b> rose", monitor="drift")
    old, new = episodes(_log((0, nasty))), episodes(_log(_drift(HOUR)))
    text = _told(tmp_path, old, new)
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<svg") == text.count("</svg>") == 2
    parser = _Balanced()
    parser.feed(text)
    assert parser.open == []
    shown = capsys.readouterr().out
    assert "[bold]it" in shown
    assert "alerts: 1 gained, 1 lost, 0 earlier, 0 later, 0 same" in shown
    assert "pages: 1 with old.yaml, 1 with new.yaml" in shown


def test_nothing_to_tell_is_told() -> None:
    """No alerts at all are no mistake."""
    assert "Nothing." in page([], ("a", "b"), (START, START + HOUR))


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Opened and closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
