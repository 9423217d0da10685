"""Lines as an SVG picture: few enough words that no library is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 340
FONT = 'font-family="sans-serif" font-size="12"'
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 40, 48


@dataclass(frozen=True, slots=True)
class Line:
    """One series, with x rising."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]


def plotted(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """A picture of lines over common axes that begin at zero."""
    x_most, y_most = _round_up(max(max(line.x) for line in lines)), _round_up(max(max(line.y) for line in lines))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * x / x_most, TOP + high * (1 - y / y_most)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" text-anchor="end">{x_name}</text>',
        f'<text x="10" y="{TOP - 4}">{y_name}</text>',
    ]
    for step in range(5):
        x, y = x_most * step / 4, y_most * step / 4
        (tick_x, foot), (left, tick_y) = at(x, 0), at(0, y)
        parts += [
            f'<line x1="{left}" x2="{WIDTH - RIGHT}" y1="{tick_y:.1f}" y2="{tick_y:.1f}" stroke="#dddddd"/>',
            f'<text x="{LEFT - 6}" y="{tick_y + 4:.1f}" text-anchor="end">{y:g}</text>',
            f'<text x="{tick_x:.1f}" y="{foot + 16:.1f}" text-anchor="middle">{x:g}</text>',
        ]
    for number, line in enumerate(lines):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, line.x, line.y))
        legend = LEFT + 190 + 180 * number
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="1.8"/>',
            f'<line x1="{legend}" x2="{legend + 18}" y1="18" y2="18" stroke="{line.colour}" stroke-width="3"/>',
            f'<text x="{legend + 22}" y="22">{line.name}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten that is not less."""
    size = 1.0
    while size * 8 < value:
        size *= 10
    return next(size * step for step in (0.5, 1, 2, 4, 8) if size * step >= value or step == 8)
