"""A comparison as one HTML page that needs nothing else: plots are inline SVG, styles are in it, there is no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from daemon.preview.comparing import Difference, Kind, counts, pages
from daemon.preview.episodes import Episode
from daemon.preview.table import duration, lasted
from daemon.stamps import rfc3339
from processors.durations import DAY_US

COLOURS: dict[Kind, str] = {
    "gained": "#d1495b", "lost": "#3a7d44", "earlier": "#2e86ab", "later": "#d98e04", "same": "#9aa0a6",
}  # fmt: skip
_WIDTH, _LABELS, _LANE = 1_080, 330, 24
_MOST_LANES = 200
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;color:#222;max-width:1120px;margin:2em auto;padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:4px 8px;border-bottom:1px solid #e3e3e3;vertical-align:top}
td.when,td.what{white-space:nowrap}svg text{font:11px system-ui,sans-serif;fill:#444}.key span{margin-right:1.5em}
"""


def page(differences: Sequence[Difference], names: tuple[str, str], span: tuple[int, int]) -> str:
    """The page; `names` are those of the old and the new, `span` the time that both had (microseconds)."""
    old = [each.old for each in differences if each.old is not None]
    new = [each.new for each in differences if each.new is not None]
    told = ", ".join(f"{count} {kind}" for kind, count in counts(differences).items())
    key = "".join(f'<span><b style="color:{colour}">&#9632;</b> {kind}</span>' for kind, colour in COLOURS.items())
    sums = f"Alerts: {told}. Pages: <b>{pages(old)}</b> before, <b>{pages(new)}</b> after."
    legend = (
        "Of each alert the upper bar is before, the lower one after; a line marks the estimated onset, a dot a page."
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>Vigil: what would have been paged</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{escape(names[0])} &rarr; {escape(names[1])}</h1>",
            f"<p>{rfc3339(span[0])} to {rfc3339(span[1])}. {sums}</p>",
            "<h2>Pages by day</h2>",
            _pages_by_day(old, new, span),
            "<h2>Alerts</h2>",
            f'<p class="key">{key}</p><p>{legend}</p>',
            _lanes(differences, span),
            "<h2>What is different</h2>",
            _table(differences),
            "</body></html>",
            "",
        ]
    )


def _pages_by_day(old: Sequence[Episode], new: Sequence[Episode], span: tuple[int, int]) -> str:
    days = list(range(span[0] // DAY_US, span[1] // DAY_US + 1))[-62:]
    per_day = [Counter(at // DAY_US for each in episodes for at in each.pages) for episodes in (old, new)]
    most = max([1, *(count for found in per_day for count in found.values())])
    step, height = (_WIDTH - 60) / max(len(days), 1), 110
    bars = []
    for number, at in enumerate(days):
        x = 50 + number * step
        for half, found in enumerate(per_day):
            tall = 80 * found[at] / most
            colour, title = ("#9aa0a6", "before") if half == 0 else ("#2e86ab", "after")
            bars.append(
                f'<rect x="{x + half * step * 0.4:.1f}" y="{90 - tall:.1f}" width="{step * 0.38:.1f}" '
                f'height="{tall:.1f}" fill="{colour}"><title>{title}: {found[at]}</title></rect>'
            )
        if number % (len(days) // 12 + 1) == 0:
            bars.append(f'<text x="{x:.1f}" y="104">{rfc3339(at * DAY_US)[5:10]}</text>')
    axis = f'<text x="0" y="18">{most}</text><text x="0" y="90">0</text>'
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%">{axis}{"".join(bars)}</svg>'


def _lanes(differences: Sequence[Difference], span: tuple[int, int]) -> str:
    subjects = list(dict.fromkeys(each.shown.subject for each in differences))[:_MOST_LANES]
    height = _LANE * len(subjects) + 24
    parts = []
    for number, subject in enumerate(subjects):
        top = number * _LANE
        mine = [each for each in differences if each.shown.subject == subject]
        name = mine[0].shown.name
        short = name if len(name) <= 52 else name[:51] + "…"
        parts.append(f'<text x="0" y="{top + 14}">{escape(short)}<title>{escape(name)}</title></text>')
        parts.append(f'<line x1="{_LABELS}" x2="{_WIDTH}" y1="{top + 22}" y2="{top + 22}" stroke="#eee"/>')
        for each in mine:
            parts += _bars(each, top, span)
    for tick in range(5):
        at = span[0] + (span[1] - span[0]) * tick // 4
        x = min(_x(at, span), _WIDTH - 95)
        parts.append(f'<text x="{x:.1f}" y="{height - 6}">{rfc3339(at)[5:16].replace("T", " ")}</text>')
    left = len({each.shown.subject for each in differences}) - len(subjects)
    more = f"<p>{left} more are in the table.</p>" if left > 0 else ""
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%">{"".join(parts)}</svg>{more}'


def _bars(each: Difference, top: int, span: tuple[int, int]) -> Iterator[str]:
    for row, episode in enumerate((each.old, each.new)):
        if episode is None:
            continue
        begin, end = _x(episode.fired, span), _x(span[1] if episode.ended is None else episode.ended, span)
        y = top + 4 + row * 9
        yield (
            f'<rect x="{begin:.1f}" y="{y}" width="{max(end - begin, 2):.1f}" height="7" rx="2" '
            f'fill="{COLOURS[each.kind]}" opacity="{0.55 if episode.explained else 1}">'
            f"<title>{escape(episode.summary)} ({rfc3339(episode.fired)}, {lasted(episode)})</title></rect>"
        )
        onset = _x(episode.since, span)
        yield f'<line x1="{onset:.1f}" x2="{onset:.1f}" y1="{y - 1}" y2="{y + 8}" stroke="#222"/>'
        for at in episode.pages:
            yield f'<circle cx="{_x(at, span):.1f}" cy="{y + 3.5}" r="3" fill="#222"/>'


def _x(time: int, span: tuple[int, int]) -> float:
    share = (time - span[0]) / max(span[1] - span[0], 1)
    return _LABELS + (_WIDTH - _LABELS) * min(max(share, 0.0), 1.0)


def _table(differences: Sequence[Difference]) -> str:
    rows = []
    for each in differences:
        if each.kind == "same":
            continue
        shown = each.shown
        what = each.kind + (f" by {duration(abs(each.shift))}" if each.shift else "")
        page_ = "page" if shown.pages else "no page"
        rows.append(
            f'<tr><td class="what" style="color:{COLOURS[each.kind]}">{what}</td>'
            f'<td class="when">{rfc3339(shown.fired)[:16].replace("T", " ")}</td><td>{lasted(shown)}</td>'
            f"<td>{escape(shown.name)}<br>{shown.severity}, {page_}</td><td>{escape(shown.summary)}</td></tr>"
        )
    if not rows:
        return "<p>Nothing.</p>"
    head = "".join(f"<th>{name}</th>" for name in ("what", "fired", "lasted", "alert", "says"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"
