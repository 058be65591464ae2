"""Between the lines and the till: what a line heard goes in, the answer comes back when it is on the disk."""

import logging
from collections.abc import Callable, Iterable

from agent.clock import Clock
from agent.handlers import dispatch
from agent.handlers.site import Site
from agent.handlers.told import Seen
from agent.handlers.wording import sentence
from agent.till import Till, TillUnavailable
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Monotonic, Notice, Outcome

log = logging.getLogger("forecourt.desk")

HEARD = Answer(Outcome.DONE, durable=True)
"""To what is only for the log: there is nothing to write down."""


class Desk:
    """`post(line, notice)` gives a line something to show; `pos_lines` are those with a POS behind them."""

    def __init__(
        self,
        till: Till,
        site: Site,
        clock: Clock,
        pos_lines: Iterable[str],
        post: Callable[[str, Notice], object],
    ) -> None:
        self._till = till
        self._site = site
        self._clock = clock
        self._pos_lines = tuple(pos_lines)
        self._post = post
        self._line_of: dict[str, str] = {}

    def report(self, line: str, event: DriverEvent, heard: Monotonic) -> Answer:
        """Called by the thread of `line`; waits for the commit."""
        if isinstance(event, DeviceSilent):
            log.warning("DEVICE_SILENT", extra={"line": line, "address": event.address})
            return HEARD
        if isinstance(event, DeviceBack):
            log.info("DEVICE_BACK", extra={"line": line, "address": event.address})
            return HEARD
        register = getattr(event, "register", None)
        if register is not None:
            self._line_of[register] = line
        seen, site = self._seen(event, heard), self._site
        try:
            told = self._till.submit(lambda tx, at: dispatch.handle(event, line, seen, tx, site, at))
        except TillUnavailable as unavailable:
            text = sentence(unavailable.reason, site.language)
            return Answer(Outcome.UNAVAILABLE, durable=False, reason=unavailable.reason, text=text)
        for notice in told.notices:
            self._show(notice)
        return told.answer

    def _seen(self, event: DriverEvent, heard: Monotonic) -> Seen:
        """Wall times of what the line knows in monotonic time."""
        wall_ms, now = self._clock.wall_ms(), self._clock.monotonic_ms()
        ended = getattr(event, "ended", None)
        return Seen(wall_ms - (now - heard), None if ended is None else wall_ms - (now - ended))

    def _show(self, notice: Notice) -> None:
        """To the line its register spoke on last; a notice may be lost, the POS can always ask again."""
        line = self._line_of.get(notice.register)
        for name in (line,) if line else self._pos_lines:
            self._post(name, notice)
