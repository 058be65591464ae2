"""What stands where in the bodies of the tax-control port's frames, for people (devices.md 4.7, [one])."""

from dataclasses import dataclass

from drivers.cn_tax_port.codec import Command, Frame
from drivers.views import Sender


@dataclass(frozen=True, slots=True)
class Layout:
    """`fields` are names and widths in bytes. A name ending in `#` is one binary byte, else text."""

    title: str
    sender: Sender
    fields: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        return sum(width for _, width in self.fields)


_GUN, _FORM, _STATUS = ("gun#", 1), ("form#", 1), ("status#", 1)
_DATE = (("year", 4), ("month", 2), ("day", 2))
_LATEST = (
    _STATUS,
    ("day", 2),
    ("hour", 2),
    ("minute", 2),
    ("volume", 6),
    ("amount", 6),
    ("unit price", 4),
)
_GRAND = (_STATUS, ("total volume", 12), ("total amount", 12))
_TAX_TAIL = (("tax code", 1), ("oil", 4), *_DATE, ("hour", 2), ("minute", 2))
_PADDING = ("padding", 2)

_LAYOUTS: dict[int, tuple[Layout, ...]] = {
    Command.TAX: (
        Layout("ask tax record", "host", (_GUN,)),
        Layout("tax record of a port without tax set-up", "device", (_STATUS, ("serial", 10))),
        Layout("tax record", "device", (_STATUS, ("serial", 10), ("gun codes", 2), ("tax code", 19))),
        Layout("tax record, second part", "device", _TAX_TAIL),
        Layout("tax record, second part", "device", (*_TAX_TAIL, _PADDING)),
    ),
    Command.LATEST: (
        Layout("ask latest sale", "host", (_GUN, _FORM)),
        Layout("latest sale", "device", _LATEST),
        Layout("latest sale", "device", (*_LATEST, _PADDING)),
    ),
    Command.DAY: (
        Layout("ask day total", "host", (_GUN, *_DATE, _FORM)),
        Layout(
            "day total",
            "device",
            (_STATUS, *_DATE, ("total volume", 8), ("total amount", 8), ("unit price", 4)),
        ),
    ),
    Command.MONTH: (
        Layout("ask month total", "host", (_GUN, *_DATE[:2], _FORM)),
        Layout("month total", "device", (_STATUS, *_DATE[:2], ("total volume", 10), ("total amount", 10))),
    ),
    Command.GRAND: (
        Layout("ask grand total", "host", (_GUN, ("mode#", 1), _FORM)),
        Layout("grand total", "device", _GRAND),
        Layout("grand total", "device", (*_GRAND, _PADDING)),
    ),
}
_REFUSAL = Layout("nothing to tell", "device", (_STATUS,))


def recognise(frame: Frame) -> tuple[Layout, dict[str, bytes]] | None:
    """The layout of this frame and its fields, None if no known one has this length."""
    known = _LAYOUTS.get(frame.code, ())
    fitting = [layout for layout in (*known, _REFUSAL) if layout.size == len(frame.body)]
    if not known or not fitting:
        return None
    fields, at = {}, 0
    for name, width in fitting[0].fields:
        fields[name] = frame.body[at : at + width]
        at += width
    return fitting[0], fields
