"""Conformance: would the kit notice a driver that breaks a promise? One cheat per promise."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from drivers import catalogue
from drivers.blueprint import codec
from drivers.blueprint.case import BlueprintCase
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.companytec import session as companytec_session
from drivers.companytec.case import CompanytecCase
from drivers.companytec.watches import RingWatch
from drivers.conformance import Report, main, run
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.faults import CLEAN, WIRES, Faults, Wire


class ConfirmsAtOnce(BlueprintSession):
    """Tells the device "keep" when it has read the sale, before the disk has said yes."""

    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, Fuelling):
            super().confirm(event, Answer(Outcome.DONE, durable=True), Monotonic(0))
        return event


class TakesNoForYes(BlueprintSession):
    """Lets the device forget a sale that the till could not keep."""

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        super().confirm(event, replace(answer, durable=True), now)


class LosesOne(BlueprintSession):
    """Reports nothing that ended in a round number, and says it is kept."""

    def _take(self, sale: codec.Sale) -> None:
        super()._take(replace(sale, volume="000000") if sale.sequence_no == "0003" else sale)


class AltersAmounts(BlueprintSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, Fuelling):
            self._with_till = event = replace(event, amount_fen=event.amount_fen + 1)
        return event


class NeverNoticesSilence(BlueprintSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return None if isinstance(event, DeviceSilent) else event


class NeverNoticesReturn(BlueprintSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return None if isinstance(event, DeviceBack) else event


class KeepsEverything(BlueprintSession):
    def receive(self, data: bytes, now: Monotonic) -> None:
        self.__dict__.setdefault("hoard", []).append(data)
        super().receive(data, now)


class WakesInThePast(BlueprintSession):
    def next_timer(self) -> Monotonic | None:
        return Monotonic(0)


class CountsNothing(BlueprintSession):
    def counters(self) -> dict[str, int]:
        return {}


class FlagsAtWill(BlueprintSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, Fuelling):
            self._with_till = event = replace(event, flags=("LOOKS_STRANGE",))
        return event


class TrustsItsEars(BlueprintSession):
    """Believes frames whose check value is wrong."""

    def __init__(self, address: str, options: BlueprintOptions) -> None:
        super().__init__(address, options)
        self._reader = _CarelessReader()


class _CarelessReader(codec.Reader):
    def feed(self, data: bytes):  # type: ignore[no-untyped-def]
        for line in data.split(b"\n")[:-1]:
            yield line[:-5].decode("latin-1")


def _run(
    make_session: Callable[[str, BlueprintOptions], BlueprintSession], faults: Faults, seed: int
) -> Report:
    case = BlueprintCase()
    case.open_session = lambda: make_session("1", BlueprintOptions())  # type: ignore[method-assign]
    return run(catalogue.find("blueprint"), "cheat", case, faults, seed)


def _codes(reports: Sequence[Report]) -> set[str]:
    return {failure.split()[0].rstrip(":") for report in reports for failure in report.failures}


@pytest.mark.parametrize(
    ("cheat", "wire", "code"),
    [
        (ConfirmsAtOnce, "clean", "RELEASED_TOO_EARLY"),
        (ConfirmsAtOnce, "clean", "LOST"),
        (TakesNoForYes, "clean", "RELEASED_TOO_EARLY"),
        (TakesNoForYes, "loses_writes", "LOST"),
        (LosesOne, "clean", "LOST"),
        (AltersAmounts, "clean", "INVENTED"),
        (NeverNoticesSilence, "clean", "SILENCE_UNNOTICED"),
        (NeverNoticesReturn, "clean", "RETURN_UNNOTICED"),
        (KeepsEverything, "clean", "MEMORY_GROWS"),
        (WakesInThePast, "clean", "SPINS"),
        (CountsNothing, "clean", "HEARD_NOT_COUNTED"),
        (TrustsItsEars, "flips", "INVENTED"),
        (FlagsAtWill, "clean", "FLAG_UNKNOWN"),
    ],
)
def test_a_cheat_is_caught(cheat: type[BlueprintSession], wire: str, code: str) -> None:
    assert any(code in _codes([_run(cheat, WIRES[wire], seed)]) for seed in range(20))


@pytest.mark.parametrize("wire", WIRES)
def test_the_honest_blueprint_is_not_accused(wire: str) -> None:
    assert _codes([_run(BlueprintSession, WIRES[wire], seed) for seed in range(4)]) == set()


def test_a_session_that_raises_names_the_command_that_replays_it() -> None:
    class Raises(BlueprintSession):
        def receive(self, data: bytes, now: Monotonic) -> None:
            raise ValueError(data)

    with pytest.raises(ValueError, match="S,0001") as caught:
        _run(Raises, CLEAN, 7)
    assert caught.value.__notes__ == ["replay: python -m drivers.conformance blueprint/cheat clean 7"]


def test_the_same_seed_gives_the_same_run() -> None:
    assert _run(BlueprintSession, WIRES["all_at_once"], 3) == _run(BlueprintSession, WIRES["all_at_once"], 3)
    assert _run(BlueprintSession, WIRES["all_at_once"], 3) != _run(BlueprintSession, WIRES["all_at_once"], 4)


def test_a_run_on_the_command_line_says_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["blueprint/plain", "clean", "1"]) == 0
    assert main(["blueprint/plain", "no_such_wire", "1"]) == 2
    assert "replay: python -m drivers.conformance blueprint/plain clean 1" in capsys.readouterr().out


def test_without_the_look_at_the_pointers_a_repeated_step_loses_a_companytec_sale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Blind(RingWatch):
        def look(self, pointers: object) -> bool:
            return True

    driver = catalogue.find("companytec")
    seeing = [run(driver, "tag", CompanytecCase(), WIRES["repeats"], seed) for seed in (12, 15)]
    monkeypatch.setattr(companytec_session, "RingWatch", Blind)
    blind = [run(driver, "tag", CompanytecCase(), WIRES["repeats"], seed) for seed in (12, 15)]
    assert _codes(seeing) == set()
    assert _codes(blind) == {"LOST"}


@pytest.mark.parametrize("name", WIRES)
def test_every_wire_does_what_its_name_says(name: str) -> None:
    faults = WIRES[name]
    wire = Wire(faults, random.Random(name))
    sent = bytes(range(256)) * 4
    pieces = []
    for start in range(0, 200_000, 1_000):
        wire.carry(sent, Monotonic(start))
        pieces.append((wire.take(Monotonic(start)), b"".join(wire.take(Monotonic(start + 999_999)))))
    unharmed = sum(at_once == [sent] for at_once, _ in pieces)
    if name == "clean":
        assert unharmed == len(pieces)
    else:
        assert unharmed < len(pieces)
    assert faults.invents_nothing() == (name in {"clean", "one_byte", "loses_bytes", "loses_writes"})
