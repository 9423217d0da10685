"""Plots as SVG, in plain text: bars of stages, and lines of costs against sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_COLOURS = (
    "#4269d0",
    "#efb118",
    "#ff725c",
    "#6cc5b0",
    "#3ca951",
    "#ff8ab7",
    "#a463f2",
    "#97bbf5",
    "#9c6b4e",
    "#9498a0",
)
_FONT = 'font-family="sans-serif" font-size="12"'


def bars(title: str, sides: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """A horizontal bar a side, stacked of its parts; `sides` is {side: {part: value}}."""
    parts = list(dict.fromkeys(part for side in sides.values() for part in side))
    longest = max(sum(side.values()) for side in sides.values())
    scale, lines = 520 / longest, [_text(10, 20, title)]
    for row, (name, side) in enumerate(sides.items()):
        left, top = 150.0, 40 + 34 * row
        lines.append(_text(140, top + 16, name, "end"))
        for part, value in side.items():
            colour = _COLOURS[parts.index(part) % len(_COLOURS)]
            width = value * scale
            lines.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="24" fill="{colour}"/>')
            left += width
        lines.append(_text(left + 6, top + 16, f"{sum(side.values()):.1f} {unit}"))
    top = 56 + 34 * len(sides)
    for place, part in enumerate(parts):
        x, y = 20 + 190 * (place % 4), top + 20 * (place // 4)
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{_COLOURS[place % len(_COLOURS)]}"/>')
        lines.append(_text(x + 18, y + 11, part))
    return _svg(800, top + 20 * math.ceil(len(parts) / 4) + 10, lines)


def curve(title: str, points: Sequence[tuple[float, float]], unit: str) -> str:
    """Values against sizes, both on a logarithmic axis."""
    xs, ys = [math.log10(max(x, 0.5)) for x, _ in points], [math.log10(max(y, 1e-3)) for _, y in points]
    low, high = math.floor(min(ys)), math.ceil(max(ys)) or 1
    width, height = 300, 160

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - min(xs)) / ((max(xs) - min(xs)) or 1)
        return 60 + across * width, 40 + (1 - (y - low) / ((high - low) or 1)) * height

    lines = [_text(10, 20, title)]
    for power in range(low, high + 1):
        _, y = at(min(xs), power)
        lines.append(f'<line x1="60" x2="{60 + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        lines.append(_text(54, y + 4, f"{10.0**power:g}", "end"))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, xs, ys))
    lines.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[0]}" stroke-width="2"/>')
    for (size, value), (x, y) in zip(points, map(at, xs, ys), strict=True):
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[0]}"/>')
        lines.append(_text(x, y - 9, f"{value:.2g}", "middle"))
        lines.append(_text(x, 40 + height + 18, f"{size:,.0f}", "middle"))
    lines.append(_text(60 + width, 20, unit, "end"))
    return _svg(400, height + 74, lines)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    safe = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_FONT}>{safe}</text>'


def _svg(width: int, height: int, lines: Sequence[str]) -> str:
    body = "\n".join(lines)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return f'{head}\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
