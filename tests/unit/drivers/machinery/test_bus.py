"""Unit: on a shared wire, does one speak at a time, starve nobody, and hear everything who only listens?"""

import pytest

from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.bus import Audience, Bus
from drivers.events import Answer, DeviceSilent, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.session import Session

YES = Answer(Outcome.DONE, durable=True)
NO = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class Addressed(BlueprintSession):
    """A blueprint device that is spoken to with its address in front."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        return self._address.encode() + data if data else b""


def _serve(bus: Bus, devices: dict[bytes, BlueprintSimulator], until_ms: int) -> list[DriverEvent]:
    events: list[DriverEvent] = []
    turns: list[bytes] = []
    for at in range(0, until_ms, 5):
        now = Monotonic(at)
        timer = bus.next_timer()
        if timer is not None and timer <= now:
            bus.handle_timer(now)
        while (event := bus.next_event()) is not None:
            events.append(event)
            bus.confirm(event, YES, now)
        question_out = bus.awaiting()
        if data := bus.bytes_to_send(now):
            assert not question_out, "somebody spoke while an answer was awaited"
            turns.append(data[:1])
            if (device := devices.get(data[:1])) is not None:
                device.receive(data[1:], now)
                bus.receive(device.bytes_to_send(now), now)
    assert {b"1", b"2", b"3"} == set(turns)
    return events


def _bus() -> Bus:
    sessions: list[Session] = [Addressed(address, BlueprintOptions()) for address in "123"]
    return Bus(sessions)


def test_every_device_is_served_and_answers_reach_who_asked() -> None:
    devices = {address: BlueprintSimulator() for address in (b"1", b"2", b"3")}
    for address, device in devices.items():
        for volume_cl in (100, 200):
            device.sell("01", volume_cl * int(address), 700, 700)
    events = _serve(_bus(), devices, 4_000)
    heard = [(event.address, event.volume_ml) for event in events if isinstance(event, Fuelling)]
    assert sorted(heard) == [(a, v * 1000 * int(a)) for a in "123" for v in (1, 2)]
    assert all(len(device.released) == 2 for device in devices.values())


class Talker(BlueprintSession):
    """It has something to say whenever it may."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return self._address.encode()

    def awaiting(self) -> bool:
        return False


def test_who_always_has_something_to_say_lets_the_others_speak() -> None:
    bus = Bus([Talker(address, BlueprintOptions()) for address in "123"], gap_ms=10)
    said = b"".join(bus.bytes_to_send(Monotonic(at)) for at in range(0, 90, 10))
    assert said == b"123123123"


def test_a_silent_device_costs_the_others_little() -> None:
    devices = {b"1": BlueprintSimulator(), b"3": BlueprintSimulator()}
    for device in devices.values():
        for _ in range(5):
            device.sell("01", 100, 700, 700)
    events = _serve(_bus(), devices, 8_000)
    assert [event.address for event in events if isinstance(event, DeviceSilent)] == ["2"]
    assert sum(isinstance(event, Fuelling) for event in events) == 10


def test_bytes_nobody_asked_for_are_counted_and_dropped() -> None:
    bus = _bus()
    bus.receive(codec.encode(codec.NOTHING), Monotonic(0))
    assert bus.counters() == {"UNASKED_BYTES": 7}
    assert bus.next_event() is None


def test_counters_are_added_up() -> None:
    devices = {address: BlueprintSimulator() for address in (b"1", b"2", b"3")}
    bus = _bus()
    _serve(bus, devices, 1_000)
    assert bus.counters()["HEARD"] >= 6
    bus.disconnected(Monotonic(1_000))
    assert not bus.awaiting()


def test_the_next_question_waits_for_quiet_after_the_last_byte_heard() -> None:
    bus = Bus([Addressed(address, BlueprintOptions()) for address in "12"], gap_ms=10)
    assert bus.bytes_to_send(Monotonic(0))[:1] == b"1"
    bus.receive(BlueprintSimulator().bytes_to_send(Monotonic(0)) or b"noise", Monotonic(900))
    bus.handle_timer(Monotonic(905))
    assert not bus.awaiting()
    assert bus.bytes_to_send(Monotonic(905)) == b""
    assert bus.next_timer() == Monotonic(910)
    assert bus.bytes_to_send(Monotonic(910))[:1] == b"2"


class Overhearing(BlueprintSession):
    """Takes what the device on the wire says to somebody else, and says nothing."""

    def _hear(self, body: str, now: Monotonic) -> None:
        if (sale := codec.parse_sale(body)) is not None and sale.nozzle == self._address:
            self._take(sale)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""


def test_an_audience_hears_everything_and_the_answers_reach_who_reported() -> None:
    listeners: list[Session] = [Overhearing(address, BlueprintOptions()) for address in ("01", "02")]
    audience = Audience(listeners)
    device = BlueprintSimulator()
    for nozzle in ("01", "02", "02"):
        audience.receive(codec.encode_sale(device.sell(nozzle, 100, 700, 700)), Monotonic(5))
    told = []
    while (event := audience.next_event()) is not None:
        assert isinstance(event, Fuelling)
        told.append((event.address, event.nozzle))
        audience.confirm(event, NO, Monotonic(6))
    assert told == [("01", "01"), ("02", "02"), ("02", "02")]
    assert [listener.counters()["NOT_DURABLE"] for listener in listeners] == [1, 1]
    assert audience.bytes_to_send(Monotonic(7)) == b""


def test_a_listener_that_speaks_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="a listener spoke"):
        Audience([BlueprintSession("1", BlueprintOptions())]).bytes_to_send(Monotonic(1))
