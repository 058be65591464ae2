"""Unit: does what every listener shares say nothing, keep what the till has not, and tell of silence once?"""

from drivers.events import DeviceBack, DeviceSilent, Fuelling, HandOver, Monotonic, RawDigits
from drivers.listener import Listener
from drivers.owed import AGAIN_MS
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES, SessionBench

SILENCE_MS = 5_000
RAW = RawDigits("1000", "7500", "0750", "")
SALE = Fuelling("1", "1", HandOver.LAST_SALE, None, RAW, 10_000, 7_500, 7_500, 10, 1, None)


class _EveryByteIsASale(Listener):
    def __init__(self) -> None:
        super().__init__("1", SILENCE_MS)
        self.own_due: Monotonic | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        for _ in data:
            self._heard(now)
            self._owed.add([SALE])

    def disconnected(self, now: Monotonic) -> None:
        self.own_due = None

    def _timers(self) -> list[Monotonic | None]:
        return [*super()._timers(), self.own_due]


class _Bench(SessionBench):
    def hear(self, data: bytes, after_ms: int = 0) -> None:
        self.now = Monotonic(self.now + after_ms)
        self.session.receive(data, self.now)
        self.turn()
        assert self.session.bytes_to_send(self.now) == b""
        assert not self.session.awaiting()


def test_what_the_till_has_not_is_told_again_and_nothing_else_is() -> None:
    bench = _Bench(_EveryByteIsASale())
    bench.answer = NOT_NOW
    bench.hear(b"s")
    bench.answer = YES
    bench.hear(b"", AGAIN_MS - 1)
    assert bench.events == [DeviceBack("1"), SALE]
    bench.hear(b"", 1)
    bench.hear(b"", AGAIN_MS)
    assert bench.fuellings == [SALE, SALE]
    assert (bench.count("HEARD"), bench.count("NOT_DURABLE")) == (1, 1)


def test_silence_and_return_are_told_once_each() -> None:
    bench = _Bench(_EveryByteIsASale())
    bench.hear(b"s")
    for after_ms in (SILENCE_MS - 1, 1, SILENCE_MS):
        bench.hear(b"", after_ms)
    bench.hear(b"ss")
    assert bench.events == [DeviceBack("1"), SALE, DeviceSilent("1", SILENCE_MS), DeviceBack("1"), SALE, SALE]
    assert bench.count("SILENT") == 1


def test_it_is_woken_for_whatever_is_due_first() -> None:
    session = _EveryByteIsASale()
    bench = _Bench(session)
    assert session.next_timer() == 0, "silence counts from the first moment it is told of"
    bench.hear(b"s")
    assert session.next_timer() == bench.now + SILENCE_MS
    session.own_due = Monotonic(bench.now + 300)
    assert session.next_timer() == session.own_due
    session.own_due = Monotonic(bench.now + AGAIN_MS + 1)
    bench.answer = NOT_NOW
    bench.hear(b"s")
    assert session.next_timer() == bench.now + AGAIN_MS
