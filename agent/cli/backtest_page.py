"""The report of a backtest as one HTML page: no script, nothing from the network, legible in black and white.

Two charts as inline SVG. Old and new differ by dash and marker, losses and gains by hatching, never by
colour alone; every bar carries its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from agent.cli.backtest import TOP, Report, Totals, distribution
from agent.points.explanation import points_text

_WIDTH: Final = 760
_HEIGHT: Final = 260
_LEFT: Final = 70
_BOTTOM: Final = 40
_TOP: Final = 20
_MOST_LABELS: Final = 8

_STYLE: Final = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 52em; padding: 0 1em }
body, svg text { color: #111; fill: #111; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1.5em }
th, td { padding: .2em .8em; border-bottom: 1px solid #999; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } svg { width: 100%; height: auto }
svg text { font: 12px sans-serif } .axis { stroke: #111 } .grid { stroke: #ccc }
.given { fill: none; stroke: #111; stroke-width: 2 }
.candidate { fill: none; stroke: #555; stroke-width: 2; stroke-dasharray: 7 4 }
.dot { fill: #111 } .square { fill: #fff; stroke: #111 } .bar { stroke: #111 }
"""
_HATCH: Final = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
    '<line x1="0" y1="0" x2="0" y2="6" stroke="#111" stroke-width="3"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the page is about, in words of the command: `title`, and lines below it."""

    title: str
    lines: tuple[str, ...]


def page(report: Report, heading: Heading, points_scale: int) -> str:
    """The whole document. Every name in it is escaped."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in heading.lines)
    body = "\n".join(
        (
            f"<h1>{escape(heading.title)}</h1>{lines}",
            f"<h2>Points a day</h2>{_days_chart(report.days, points_scale)}",
            f"<h2>Members by what they gain or lose</h2>{_members_chart(report, points_scale)}",
            _table("By product", "product", report.products, points_scale),
            _table("By tier", "tier", report.tiers, points_scale),
            _table("Who gains most", "member", report.gaining[:TOP], points_scale),
            _table("Who loses most", "member", report.losing[:TOP], points_scale),
        )
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading.title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _table(title: str, name: str, rows: Sequence[Totals], scale: int) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>Nobody.</p>"
    numbers = ("sales", "given", "candidate", "change")
    head = f"<th>{name}</th>" + "".join(f'<th class="n">{number}</th>' for number in numbers)
    return f"<h2>{title}</h2><table><tr>{head}</tr>{''.join(_row(row, scale) for row in rows)}</table>"


def _row(row: Totals, scale: int) -> str:
    minors = (row.given_minor, row.candidate_minor, row.change_minor)
    cells = (str(row.sales), *(points_text(minor, scale) for minor in minors))
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f"<tr><td>{escape(row.name)}</td>{numbers}</tr>"


def _days_chart(days: Sequence[Totals], scale: int) -> str:
    """Two lines over the days: what was given (solid, dots) and the candidate's (dashed, squares)."""
    if not days:
        return "<p>No sale in these days.</p>"
    top_minor = max(max(day.given_minor, day.candidate_minor) for day in days) or 1
    xs = [_x(number, len(days)) for number in range(len(days))]
    given = [(x, _y(day.given_minor, top_minor)) for x, day in zip(xs, days, strict=True)]
    candidate = [(x, _y(day.candidate_minor, top_minor)) for x, day in zip(xs, days, strict=True)]
    every = -(-len(days) // _MOST_LABELS)
    labels = "".join(
        f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{escape(day.name)}</text>'
        for x, day in list(zip(xs, days, strict=True))[::every]
    )
    dots = "".join(f'<circle class="dot" cx="{x}" cy="{y}" r="3"/>' for x, y in given)
    squares = "".join(
        f'<rect class="square" x="{x - 3}" y="{y - 3}" width="6" height="6"/>' for x, y in candidate
    )
    legend = (
        f'<text x="{_LEFT}" y="12">solid, dots: given then; dashed, squares: by the candidate (points)</text>'
    )
    lines = _polyline("given", given) + _polyline("candidate", candidate)
    return _svg("Points per day", _axes(top_minor, scale) + lines + dots + squares + labels + legend)


def _members_chart(report: Report, scale: int) -> str:
    """One bar a class, the number of members above it: losses hatched, gains solid, no change empty."""
    classes = distribution(report.members, scale)
    most = max(count for _, count in classes) or 1
    width = (_WIDTH - _LEFT - 10) // len(classes)
    bars = []
    for number, (name, count) in enumerate(classes):
        x, y = _LEFT + number * width, _y(count, most)
        fill = {"lose": "url(#hatch)", "gain": "#111"}.get(name.split()[0], "#fff")
        middle = x + (width - 8) // 2
        what, _, size = name.partition(" ")
        bars.append(
            f'<rect class="bar" x="{x}" y="{y}" width="{width - 8}"'
            f' height="{_HEIGHT - _BOTTOM - y}" fill="{fill}"/>'
            f'<text x="{middle}" y="{y - 4}" text-anchor="middle">{count}</text>'
            f'<text x="{middle}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{what}</text>'
            f'<text x="{middle}" y="{_HEIGHT - _BOTTOM + 30}" text-anchor="middle">{size}</text>'
        )
    floor = _HEIGHT - _BOTTOM
    axis = f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - 10}" y2="{floor}"/>'
    return _svg("Members by points gained or lost", _HATCH + "".join(bars) + axis)


def _axes(top_minor: int, scale: int) -> str:
    floor = _HEIGHT - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - 10}" y2="{floor}"/>']
    for quarter in range(5):
        minor = top_minor * quarter // 4
        y = _y(minor, top_minor)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - 10}" y2="{y}"/>')
        points = points_text(minor - minor % scale, scale)
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{points}</text>')
    return "".join(parts)


def _svg(title: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{title}</title>{content}</svg>"
    )


def _polyline(name: str, points: Sequence[tuple[int, int]]) -> str:
    return f'<polyline class="{name}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def _x(number: int, count: int) -> int:
    room = _WIDTH - _LEFT - 50
    return _LEFT + 20 + (room * number // (count - 1) if count > 1 else room // 2)


def _y(value: int, top: int) -> int:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP - 14) * value // top
