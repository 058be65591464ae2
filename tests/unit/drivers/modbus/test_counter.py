"""unit: which fuellings does a pulse counter (hand-over C) tell of, through overflow, power cuts and swaps?

Bad wires are `drivers/conformance/`'s; here it is asked, too, whether the kit would notice a counter's driver
that cheats.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.bus import Bus
from drivers.conformance import identity_of, soak
from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    HandOver,
    Monotonic,
    RawDigits,
)
from drivers.modbus import DRIVER
from drivers.modbus.case import cases
from drivers.modbus.counter import WAITING_LIMIT
from drivers.modbus.flow_watch import FlowWatch
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator
from drivers.session import Session
from tests.conformance.cheats import (
    AltersVolumes,
    Cheat,
    HidesTotalizers,
    SwallowsFuellings,
    WrapsElsewhere,
    tried,
)
from tests.unit.drivers.modbus.modbus_table import DURABLE, NOT_NOW, Table, options
from tests.unit.drivers.modbus.test_maps import MAPS

STOPPED_MS = 2_000


def counter(**others: object) -> Table:
    given = {"pulses_per_litre_milli": 100_000, "flow_stopped_ms": STOPPED_MS, "unit_price_milli": 7_850}
    return Table(options("pulse-counter", **{**given, **others}))


def fill(stage: Table, volume_ml: int, lasts_ms: int = 3_000) -> None:
    stage.run(STOPPED_MS + 1_500)
    stage.device.sell(volume_ml, 0, 0, stage.now, lasts_ms)
    stage.run(lasts_ms + STOPPED_MS + 1_500)


def test_a_fuelling_is_reported_when_the_flow_has_stopped() -> None:
    stage = counter()
    stage.device.start_totals_at(1_000_000, 0)
    stage.run(5_000)
    began = stage.now
    stage.device.sell(12_340, 0, 0, stage.now, 3_000)
    stage.run(8_000)
    (found,) = stage.fuellings()
    assert found.ended is not None
    assert 3_000 <= found.ended - began <= 3_600
    assert found.duration_s in (2, 3)
    assert found == Fuelling(
        address="1",
        nozzle="1",
        hand_over=HandOver.COUNTER,
        sequence_no=None,
        raw=RawDigits("1234", "", "", "101234"),
        volume_ml=12_340,
        amount_fen=9_687,
        unit_price_milli=7_850,
        volume_step_ml=10,
        amount_step_fen=1,
        totalizer_after_ml=1_012_340,
        totalizer_before_ml=1_000_000,
        totalizer_modulus_ml=42_949_672_960,
        totalizer_step_ml=10,
        duration_s=found.duration_s,
        ended=found.ended,
    )
    kinds = [type(event) for event in stage.events]
    assert kinds == [DeviceBack, FuellingStarted, Fuelling]


def test_the_price_is_the_sites_and_none_is_said() -> None:
    stage = counter(unit_price_milli=None)
    fill(stage, 10_000)
    (found,) = stage.fuellings()
    assert (found.volume_ml, found.amount_fen, found.unit_price_milli) == (10_000, 0, 0)
    assert found.flags == ("PRICE_UNKNOWN",)


def test_another_price_does_not_make_another_fuelling() -> None:
    identities = set()
    for price_milli in (7_850, 8_000):
        stage = counter(unit_price_milli=price_milli)
        fill(stage, 10_000)
        identities.add(identity_of(stage.fuellings()[0]))
    assert len(identities) == 1


@pytest.mark.parametrize("k_milli", [98_500, 70_000, 61_300, 1_000_000, 7_777_777])
def test_no_millilitre_falls_between_two_fuellings(k_milli: int) -> None:
    """Odd K factors: volumes are the difference of the totals, so the totals chain without a gap."""
    stage = counter(pulses_per_litre_milli=k_milli)
    for volume_ml in (12_347, 8_001, 20_003):
        fill(stage, volume_ml, 6_000)
    found = stage.fuellings()
    assert [abs(f.volume_ml - ml) <= 31 for f, ml in zip(found, (12_347, 8_001, 20_003), strict=True)] == [
        True
    ] * 3
    for one, other in pairwise(found):
        assert one.totalizer_after_ml == other.totalizer_before_ml
    for each in found:
        assert each.totalizer_after_ml is not None
        assert each.totalizer_before_ml == each.totalizer_after_ml - each.volume_ml


def test_the_totalizer_wraps() -> None:
    stage = counter()
    stage.device.start_totals_at(42_949_672_960 - 5_000, 0)
    fill(stage, 12_000)
    (found,) = stage.fuellings()
    assert (found.volume_ml, found.totalizer_before_ml, found.totalizer_after_ml) == (
        12_000,
        42_949_667_960,
        7_000,
    )


def test_what_the_till_cannot_take_waits_and_is_reported_unaltered_in_order() -> None:
    stage = counter()
    stage.till = lambda _: NOT_NOW
    for volume_ml in (10_000, 10_000, 20_000):
        fill(stage, volume_ml)
    assert {f.volume_ml for f in stage.fuellings()} == {10_000}
    stage.events.clear()
    stage.till = lambda _: DURABLE
    stage.run(5_000)
    assert [f.totalizer_after_ml for f in stage.fuellings()] == [10_000, 20_000, 40_000]


def test_what_waits_is_bounded() -> None:
    stage = counter(flow_stopped_ms=1_000, poll_ms=250)
    stage.till = lambda _: NOT_NOW
    for _ in range(WAITING_LIMIT + 3):
        stage.run(1_600)
        stage.device.sell(100, 0, 0, stage.now)
    stage.run(3_000)
    assert stage.session.counters()["FUELLING_DROPPED"] == 2


def test_a_restart_in_the_middle_leaves_the_first_litres_to_the_totals() -> None:
    stage = counter()
    fill(stage, 10_000)
    stage.device.sell(20_000, 0, 0, stage.now, 8_000)
    stage.run(4_000)
    stage.restart_session()
    stage.run(10_000)
    whole, part = stage.fuellings()
    assert (whole.totalizer_after_ml, part.totalizer_after_ml) == (10_000, 30_000)
    assert part.flags == ("BEGAN_UNSEEN",)
    assert 0 < part.volume_ml < 20_000
    assert part.totalizer_before_ml == 30_000 - part.volume_ml


def test_silence_is_noticed_and_the_next_fuelling_is_exact() -> None:
    stage = counter()
    fill(stage, 10_000)
    stage.is_cut = True
    stage.device.sell(20_000, 0, 0, stage.now, 1_000)
    stage.run(8_000)
    stage.is_cut = False
    stage.run(5_000)
    fill(stage, 5_000)
    assert [(f.totalizer_before_ml, f.totalizer_after_ml) for f in stage.fuellings()] == [
        (0, 10_000),
        (30_000, 35_000),
    ]
    assert [type(e) for e in stage.events if isinstance(e, DeviceSilent | DeviceBack)] == [
        DeviceBack,
        DeviceSilent,
        DeviceBack,
    ]


def test_only_the_count_is_read_and_nothing_written() -> None:
    stage = counter()
    fill(stage, 10_000)
    assert {frame[:6] for _, frame in stage.asked} == {bytes((1, 3, 0, 10, 0, 2))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "pulses_per_litre_milli is needed"),
        ({"pulses_per_litre_milli": 100_000, "poll_ms": 600, "flow_stopped_ms": 2_000}, "four times poll_ms"),
        ({"pulses_per_litre_milli": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options("pulse-counter", **given)


@pytest.mark.parametrize("name", ["pulses_per_litre_milli", "unit_price_milli", "flow_stopped_ms"])
def test_a_dispenser_that_counts_no_pulses_has_no_such_settings(name: str) -> None:
    with pytest.raises(ValidationError, match="mean nothing to it"):
        options("compac-c5000", **{name: 5_000})


def test_a_counter_that_is_soon_full_is_refused(tmp_path: Path) -> None:
    """After 655 litres nobody can tell whether it went round, began anew, or went round twice."""
    site_map = tmp_path / "small.toml"
    text = (MAPS / "pulse-counter.toml").read_text("utf-8")
    site_map.write_text(text.replace('address = 10, type = "u32"', 'address = 10, type = "u16"'), "utf-8")
    with pytest.raises(ValidationError, match="full after 655 l: too soon"):
        options(str(site_map), pulses_per_litre_milli=100_000)
    assert options(str(site_map), pulses_per_litre_milli=100)


def test_a_power_cut_at_the_overflow_costs_at_most_what_a_hose_gives_meanwhile() -> None:
    """A counter that forgets within a litre of its end looks like one that went round (NOTES.md)."""
    stage = counter()
    stage.device.forgets_count = True
    stage.device.start_totals_at(42_949_672_960 - 700, 0)
    stage.run(5_000)
    stage.device.power_cycle(stage.now)
    fill(stage, 12_000)
    before, after = stage.fuellings()
    assert (before.volume_ml, before.totalizer_before_ml, before.totalizer_after_ml) == (
        700,
        42_949_672_260,
        0,
    )
    assert (after.volume_ml, after.totalizer_before_ml) == (12_000, 0)


def test_a_power_cut_anywhere_else_costs_no_litre() -> None:
    """The counter begins anew in the middle of a flow: what was seen of it is told, and then what is new."""
    stage = counter()
    stage.device.forgets_count = True
    stage.device.start_totals_at(5_000_000, 0)
    stage.run(5_000)
    stage.device.sell(12_000, 0, 0, stage.now, 6_000)
    stage.run(3_000)
    stage.device.power_cycle(stage.now)
    fill(stage, 9_000)
    part, after = stage.fuellings()
    assert part.flags == ("END_UNSEEN",)
    assert part.ended is None
    assert 4_000 <= part.volume_ml <= 6_000
    assert part.totalizer_after_ml == 5_000_000 + part.volume_ml
    assert (after.volume_ml, after.totalizer_before_ml, after.totalizer_after_ml) == (9_000, 0, 9_000)
    assert stage.session.counters()["COUNTER_JUMPED"] == 1


def test_the_wrong_word_order_shows_as_jumps_and_tells_of_no_fuelling() -> None:
    stage = counter(word_order="low_first")
    stage.device = ModbusSimulator("1", counter().options)
    fill(stage, 12_000)
    assert stage.fuellings() == []
    assert stage.session.counters()["COUNTER_JUMPED"] == 1


def test_a_counter_that_was_swapped_is_read_from_its_own_place() -> None:
    stage = counter()
    stage.device.start_totals_at(5_000_000, 0)
    fill(stage, 12_000)
    for total_ml in (3_000_000, 900_000_000):
        stage.device.start_totals_at(total_ml, 0)
        stage.run(3_000)
        fill(stage, 8_000)
    assert [(f.totalizer_before_ml, f.volume_ml) for f in stage.fuellings()] == [
        (5_000_000, 12_000),
        (3_000_000, 8_000),
        (900_000_000, 8_000),
    ]
    assert stage.session.counters()["COUNTER_JUMPED"] == 2


class TwoOnOneWire:
    """Two counters with units of their own, read by one `Bus`; everybody hears everything."""

    def __init__(self, *orders: str) -> None:
        given = {"pulses_per_litre_milli": 100_000, "flow_stopped_ms": 4_000, "poll_ms": 500}
        chosen = [options("pulse-counter", word_order=order, **given) for order in orders]
        self.devices = [ModbusSimulator(unit, each) for unit, each in zip("12", chosen, strict=True)]
        self.bus = Bus([ModbusSession(unit, each) for unit, each in zip("12", chosen, strict=True)])
        self.dead: set[int] = set()
        self.events: list[DriverEvent] = []
        self.now = Monotonic(1_000)

    def run(self, duration_ms: int) -> None:
        until = self.now + duration_ms
        while self.now < until:
            for place, device in enumerate(self.devices):
                device.handle_timer(self.now)
                answer = device.bytes_to_send(self.now)
                if answer and place not in self.dead:
                    self.bus.receive(answer, self.now)
            if (timer := self.bus.next_timer()) is not None and timer <= self.now:
                self.bus.handle_timer(self.now)
            while (event := self.bus.next_event()) is not None:
                self.events.append(event)
                self.bus.confirm(event, DURABLE, self.now)
            asked = self.bus.bytes_to_send(self.now)
            for place, device in enumerate(self.devices):
                if asked and place not in self.dead:
                    device.receive(asked, self.now)
            self.now = Monotonic(self.now + 5)

    def booked(self, unit: str) -> list[tuple[int | None, int, tuple[str, ...]]]:
        told = [event for event in self.events if isinstance(event, Fuelling) and event.address == unit]
        return [(one.totalizer_before_ml, one.volume_ml, one.flags) for one in told]


def test_two_counters_on_one_wire_of_which_one_answers_late_and_dies() -> None:
    """Their questions and answers are of one length; nothing of the one becomes the other's."""
    road = TwoOnOneWire("high_first", "low_first")
    one, two = road.devices
    one.start_totals_at(1_000_000, 0)
    two.start_totals_at(2_000_000, 0)
    road.run(6_000)
    for device, volume_ml in ((one, 10_000), (two, 20_000)):
        device.sell(volume_ml, 0, 0, road.now, 6_000)
    road.run(3_000)
    one.answer_late(2, 400)
    road.run(12_000)
    road.dead.add(0)
    two.sell(30_000, 0, 0, road.now, 8_000)
    road.run(20_000)
    road.dead.clear()
    road.run(8_000)
    one.sell(5_000, 0, 0, road.now, 3_000)
    road.run(10_000)
    unknown = ("PRICE_UNKNOWN",)
    assert road.booked("1") == [(1_000_000, 10_000, unknown), (1_010_000, 5_000, unknown)]
    assert road.booked("2") == [(2_000_000, 20_000, unknown), (2_020_000, 30_000, unknown)]
    assert road.bus.counters()["LATE_ANSWER"] == 2
    assert [type(each) for each in road.events if isinstance(each, DeviceSilent)] == [DeviceSilent]


COUNTERS = [name for name in cases() if name.endswith("counter")]


class BeginsTooEarly(Cheat):
    """Says that a fuelling began a little before it did."""

    def change(self, event: DriverEvent) -> DriverEvent | None:
        if not isinstance(event, Fuelling) or event.totalizer_before_ml is None:
            return event
        return replace(
            event, totalizer_before_ml=event.totalizer_before_ml - 5, volume_ml=event.volume_ml + 5
        )


class TellsPartsTwice(Cheat):
    """Reports the second half of a fuelling once more, as one of its own."""

    def __init__(self, honest: Session) -> None:
        super().__init__(honest)
        self._again: list[Fuelling] = []

    def next_event(self) -> DriverEvent | None:
        return self._again.pop() if self._again else super().next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if event is not self._true_event:
            return
        if isinstance(event, Fuelling) and event.volume_ml > 1 and answer.durable:
            assert event.totalizer_after_ml is not None
            half_ml = event.volume_ml // 2
            before_ml = (event.totalizer_after_ml - half_ml) % (event.totalizer_modulus_ml or 1)
            raw = replace(event.raw, volume=str(half_ml))
            self._again.append(replace(event, raw=raw, volume_ml=half_ml, totalizer_before_ml=before_ml))
        super().confirm(event, answer, now)


class AsksTooMuch(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, amount_fen=event.amount_fen + 2) if isinstance(event, Fuelling) else event


@pytest.mark.parametrize(
    ("cheat", "code"),
    [
        (SwallowsFuellings, "LOST"),
        (AltersVolumes, "INVENTED"),
        (HidesTotalizers, "INVENTED"),
        (BeginsTooEarly, "INVENTED"),
        (TellsPartsTwice, "INVENTED"),
        (AsksTooMuch, "INVENTED"),
        (WrapsElsewhere, "INVENTED"),
    ],
)
def test_the_kit_catches_a_counter_driver_that_cheats(cheat: type[Cheat], code: str) -> None:
    assert code in tried(("modbus", "pulse-counter"), cheat, "clean", (1,))


def test_the_kit_catches_a_watch_that_doubts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlowWatch, "_follows", lambda watch, known, seen: True)
    assert "INVENTED" in tried(("modbus", "forgetful-counter"), Cheat, "clean", range(1, 4))


@pytest.mark.parametrize("name", COUNTERS)
def test_on_a_wire_that_never_gets_better_what_is_lost_shows_as_litres(name: str) -> None:
    """Ten thousand fuellings: `make storm`."""
    endured = soak(DRIVER, name, cases()[name](), 50, 1)
    assert not endured.failures, endured.explain()
    assert 0 < endured.lost_count < 50
    assert endured.lost_ml > 0


def test_every_fuelling_on_a_clean_wire_is_told_whole() -> None:
    stage = counter()
    for volume_ml in (10_000, 20_000, 20_000, 15_010, 10):
        fill(stage, volume_ml, 6_000)
    assert [(f.totalizer_after_ml, f.volume_ml) for f in stage.fuellings()] == [
        (sale.total_after_ml, sale.volume_ml) for sale in stage.device.truth
    ]
    assert all(f.flags == () for f in stage.fuellings())
