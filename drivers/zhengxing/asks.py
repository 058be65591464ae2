"""Questions for `forecourt device scan`: they read, and take no sale away."""

from drivers.driver import Ask
from drivers.zhengxing.codec import encode
from drivers.zhengxing.commands import Command


def asks(points: tuple[int, ...]) -> tuple[Ask, ...]:
    """State first; the totals of every point last."""
    first = points[0]
    return (
        Ask("state", encode(Command.STATE, first)),
        Ask("price, density, clock", encode(Command.PRICE, first)),
        Ask("oldest sale that waits", encode(Command.SALE, first)),
        *(Ask(f"totals of point {each}", encode(Command.TOTALS, each), is_totals=True) for each in points),
    )
