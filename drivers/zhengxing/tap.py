"""Listening to a controller and a dispenser: nothing is ever said.

Both directions arrive as one stream. Who said a frame is told by its length; what is believed is what the
dispenser says, and of the controller only that it has a sale.
"""

from collections import Counter

from drivers.events import DriverEvent, Monotonic
from drivers.listener import Listener
from drivers.zhengxing import codec, commands, words
from drivers.zhengxing.codec import Frame
from drivers.zhengxing.commands import Command
from drivers.zhengxing.options import SILENCE_MS, ZhengxingOptions
from drivers.zhengxing.overheard import Overheard
from drivers.zhengxing.watch import SIGHT_MS

_WITH_STATE = frozenset((Command.STATE, Command.ACKNOWLEDGE, Command.AUTHORISE, Command.STOP))


class _Heard:
    """One fuelling point, and when it was last heard."""

    def __init__(self, address: str, point: int, options: ZhengxingOptions) -> None:
        self.sales = Overheard(address, point, options)
        self.at: Monotonic | None = None


class ZhengxingTap(Listener):
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: ZhengxingOptions) -> None:
        super().__init__(address, SILENCE_MS)
        self._options = options
        self._reader = codec.Reader(commands.BOTH)
        self._points = {
            point: _Heard(address, point, options)
            for point in options.addresses or (codec.point_of(address),)
        }

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        for frame in self._reader.feed(data):
            if frame.point in self._points:
                self._hear(frame, self._points[frame.point], now)
        if self._reader.bad_frames > bad_before:
            for heard in self._points.values():
                heard.sales.damaged(now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def handle_timer(self, now: Monotonic) -> None:
        for heard in self._points.values():
            self._owed.add(heard.sales.check(now))
        super().handle_timer(now)

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        for heard in self._points.values():
            heard.sales.lose_sight()

    def counters(self) -> Counter[str]:
        return sum((heard.sales.counts for heard in self._points.values()), super().counters())

    def _timers(self) -> list[Monotonic | None]:
        return [*super()._timers(), *(heard.sales.due() for heard in self._points.values())]

    def _hear(self, frame: Frame, heard: _Heard, now: Monotonic) -> None:
        if frame.sender == "host":
            if frame.command is Command.ACKNOWLEDGE:
                self._owed.add(heard.sales.hear_acknowledgement(frame.data[3:5]))
            return
        self._heard(now)
        if heard.at is not None and now - heard.at > SIGHT_MS:
            heard.sales.lose_sight()
        heard.at = now
        self._owed.add(self._hear_reply(frame, heard.sales, now))

    def _hear_reply(self, frame: Frame, sales: Overheard, now: Monotonic) -> list[DriverEvent]:
        if frame.command in _WITH_STATE:
            return sales.hear_state(words.state(frame), now)
        if frame.command is Command.TOTALS:
            return sales.hear_totals(words.totals(frame))
        if frame.command in (Command.SALE, Command.HISTORIC):
            sale = words.sale(frame, self._options.unsteady_bytes)
            return sales.hear_sale(sale, now, is_historic=frame.command is Command.HISTORIC)
        return []
