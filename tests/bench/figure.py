"""One measured figure: printed as one JSON line, judged against its limit, never asserted on."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

Details = Mapping[str, object]


@dataclass(frozen=True)
class Figure:
    """`value` against `limit` (None: printed only). `ratio`: of two things measured in the same run."""

    name: str
    value: float
    limit: float | None
    at_least: bool = False
    ratio: float | None = None
    details: Details = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        limit = None if self.limit is None else f"{'>=' if self.at_least else '<='} {self.limit:g}"
        head = {"figure": self.name, "value": rounded(self.value), "limit": limit, "ok": self.ok}
        return json.dumps(head | {"ratio": rounded(self.ratio)} | dict(self.details))


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def p50(values: Sequence[float]) -> float:
    return median(values)


def p99(values: Sequence[float]) -> float:
    """The last of a hundred; of fewer values the largest."""
    return max(values) if len(values) < 100 else quantiles(values, n=100)[98]


def interleaved(ours: Callable[[int], float], theirs: Callable[[int], float], pairs: int) -> list[float]:
    """The ratios ours / theirs of `pairs` pairs, each measured side by side, in turning order."""
    ratios = []
    for pair in range(pairs):
        first, second = (ours, theirs) if pair % 2 == 0 else (theirs, ours)
        one, other = first(pair), second(pair)
        ratios.append(one / other if pair % 2 == 0 else other / one)
    return ratios


def say(text: str) -> None:
    """Progress and summary, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def summary(figures: Sequence[Figure]) -> str:
    """Name, value, limit, verdict: one line each."""
    width = max((len(figure.name) for figure in figures), default=0)
    lines = []
    for figure in figures:
        verdict = {True: "ok", False: "MISSED", None: "no limit"}[figure.ok]
        sign = ">=" if figure.at_least else "<="
        limit = "" if figure.limit is None else f"{sign} {figure.limit:g}"
        lines.append(f"{figure.name:<{width}}  {rounded(figure.value):>10g}  {limit:>8}  {verdict}")
    return "\n".join(["", *lines])
