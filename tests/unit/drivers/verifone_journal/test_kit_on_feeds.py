"""Unit: would the conformance kit notice a feed's session that breaks a promise? One cheat per promise."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers import catalogue
from drivers.conformance import Report, run
from drivers.events import Answer, DriverEvent, Monotonic, Outcome, SalePaid
from drivers.faults import WIRES
from drivers.verifone_journal.case import VerifoneJournalCase
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.session import VerifoneJournalSession

OPTIONS = VerifoneJournalOptions()


class TakesNoForYes(VerifoneJournalSession):
    """Forgets a sale that the till could not keep."""

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        super().confirm(event, replace(answer, durable=True), now)


class LosesGoods(VerifoneJournalSession):
    """Reports no sale without fuel."""

    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, SalePaid) and not event.fuel_amount_fen:
            super().confirm(event, Answer(Outcome.DONE, durable=True), Monotonic(0))
            return None
        return event


class AltersAmounts(VerifoneJournalSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, SalePaid):
            self._desk._with_till = event = replace(event, fuel_amount_fen=event.fuel_amount_fen + 1)
        return event


class CountsNothing(VerifoneJournalSession):
    def counters(self) -> dict[str, int]:
        return {}


class KeepsEverything(VerifoneJournalSession):
    def receive(self, data: bytes, now: Monotonic) -> None:
        self.__dict__.setdefault("hoard", []).append(data)
        super().receive(data, now)


class WakesInThePast(VerifoneJournalSession):
    def next_timer(self) -> Monotonic | None:
        return Monotonic(0)


def believes_everything(address: str, options: VerifoneJournalOptions) -> VerifoneJournalSession:
    """Does not add up."""
    return VerifoneJournalSession(address, options.model_copy(update={"total": "unchecked"}))


def _run(
    make: Callable[[str, VerifoneJournalOptions], VerifoneJournalSession], wire: str, seed: int
) -> Report:
    case = VerifoneJournalCase(OPTIONS, with_prefix=True)
    case.open_session = lambda: make("1", OPTIONS)  # type: ignore[method-assign]
    return run(catalogue.find("verifone_journal"), "cheat", case, WIRES[wire], seed)


@pytest.mark.parametrize(
    ("cheat", "wire", "code"),
    [
        (TakesNoForYes, "clean", "LOST"),
        (LosesGoods, "clean", "LOST"),
        (AltersAmounts, "clean", "INVENTED"),
        (CountsNothing, "clean", "HEARD_NOT_COUNTED"),
        (KeepsEverything, "clean", "MEMORY_GROWS"),
        (WakesInThePast, "clean", "SPINS"),
        (believes_everything, "loses_writes", "INVENTED"),
    ],
)
def test_a_cheat_is_caught(
    cheat: Callable[[str, VerifoneJournalOptions], VerifoneJournalSession], wire: str, code: str
) -> None:
    codes = {f.split()[0].rstrip(":") for seed in range(12) for f in _run(cheat, wire, seed).failures}
    assert code in codes


def test_an_honest_session_is_not_accused() -> None:
    assert not [f for seed in range(3) for f in _run(VerifoneJournalSession, "all_at_once", seed).failures]
