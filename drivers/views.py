"""What bytes on a wire mean, for people: `forecourt device explain|watch|scan` and the recordings show it.

A view hides nothing: the views of some bytes, put together again, are those bytes, noise included.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Sender = Literal["host", "device", ""]
"""Who says such a frame: the asking side (a controller, us), the device; "" where both may."""


class Check(StrEnum):
    """Whether the frame's own check value holds."""

    OK = "ok"
    WRONG = "wrong"
    NONE = "none"
    """The protocol has none here, or these bytes are no frame."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One field: its digits as they were sent, and what they mean with unit and scale."""

    name: str
    raw: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One frame, or a run of bytes that belongs to none (`title` NOISE, no details)."""

    data: bytes
    title: str
    sender: Sender = ""
    check: Check = Check.NONE
    details: tuple[Detail, ...] = ()


NOISE = "no frame"


def noise(data: bytes) -> View:
    return View(data, NOISE)


def joined(views: Iterable[View]) -> tuple[View, ...]:
    """The same views, with neighbouring noise in one."""
    together: list[View] = []
    for view in views:
        if view.title == NOISE and together and together[-1].title == NOISE:
            together[-1] = noise(together[-1].data + view.data)
        elif view.data:
            together.append(view)
    return tuple(together)
