"""A comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon.preview.comparing import Difference, Kind, counts, pages
from daemon.preview.episodes import Episode
from daemon.stamps import rfc3339

STYLES: dict[Kind, str] = {"gained": "red", "lost": "green", "earlier": "cyan", "later": "yellow", "same": "dim"}


def print_comparison(console: Console, differences: Sequence[Difference], names: tuple[str, str]) -> None:
    """What is different, one line each, and how often somebody would have been woken with either."""
    table = Table(title=f"{names[0]} -> {names[1]}", title_justify="left", expand=True)
    for column in ("what", "fired", "lasted", "alert", "says"):
        table.add_column(column, overflow="fold", no_wrap=column in ("what", "fired"))
    for each in differences:
        if each.kind != "same":
            shown = each.shown
            what = each.kind + (f" {duration(abs(each.shift))}" if each.shift else "")
            page = "" if shown.pages else " (no page)"
            table.add_row(
                f"[{STYLES[each.kind]}]{what}[/]",
                rfc3339(shown.fired)[:16].replace("T", " "),
                lasted(shown),
                escape(f"{shown.name}, {shown.severity}{page}"),
                escape(shown.summary),
            )
    if table.row_count:
        console.print(table)
    console.print(in_words(differences, names))


def in_words(differences: Sequence[Difference], names: tuple[str, str]) -> str:
    """The sum of it, in two lines."""
    found = counts(differences)
    told = ", ".join(f"{count} {kind}" for kind, count in found.items())
    old = [each.old for each in differences if each.old is not None]
    new = [each.new for each in differences if each.new is not None]
    return f"alerts: {told}\npages: {pages(old)} with {names[0]}, {pages(new)} with {names[1]}"


def lasted(episode: Episode) -> str:
    """How long it fired, in words."""
    return "still fires" if episode.ended is None else duration(episode.ended - episode.fired)


def duration(us: int) -> str:
    """A length of time: `40s`, `12m`, `3.5h`, `2.1d`."""
    for unit, size in (("d", 86_400e6), ("h", 3_600e6), ("m", 60e6)):
        if us >= size:
            return f"{us / size:.{0 if unit == 'm' else 1}f}{unit}"
    return f"{us / 1e6:.0f}s"
