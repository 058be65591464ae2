"""Unit and property: does any card number get past the line, whatever field of whatever event it sits in?"""

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import pytest

from agent.handlers.credentials import CredentialKey, why_refused
from drivers.events import (
    Answer,
    BasketLine,
    CandidateChosen,
    Credential,
    CredentialKind,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    HandOver,
    MemberIdentified,
    MemberPresented,
    Monotonic,
    Outcome,
    RawDigits,
    SalePaid,
    SaleRefunded,
)
from drivers.line import Line
from drivers.ports import PortRefused
from drivers.tripwire import NOBODYS_CARD, Sifted, holds_card, masked, sift, stand_in
from tests.unit.drivers.machinery.card_numbers import card_number, dressed

KEY = b"a key of thirty-two bytes or more"
CARD = "4111111111111111"
SALE = SalePaid("1", "A1", "3", 23_405, "CASH", (BasketLine("water", 1_000, 400),))
FUELLING = Fuelling(
    address="1",
    nozzle="2",
    hand_over=HandOver.BUFFERED,
    sequence_no=7,
    raw=RawDigits("003012", "023405", "0777", CARD),
    volume_ml=30_120,
    amount_fen=23_405,
    unit_price_milli=7_770,
    volume_step_ml=10,
    amount_step_fen=1,
    totalizer_after_ml=int(CARD),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (CARD, True),
        ("4111 1111 1111 1111", True),
        ("4111-1111-1111-1111", True),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", True),
        ("4111 - 1111 - 1111 - 1111", True),
        ("4111.1111/1111_1111", True),
        ("4111\u20111111\u00a01111\u200b1111", True),
        ("４１１１１１１１１１１１１１１１", True),
        (f"card {CARD} of Li", True),
        (f"A{CARD}Z", True),
        (f"12 {CARD[:8]} {CARD[8:]} 7", True),
        (f"{CARD}={CARD[:4]}", True),
        (f"99{CARD}7", False),
        ("6" * 65, False),
        ("378282246310005", True),
        ("4222222222222", True),
        ("6304000000000000000", True),
        ("4111111111111113", False),
        ("411111111111", False),
        ("4111x1111x1111x1111", False),
        ("", False),
        ("鲁A12345", False),
        ("0" * 12, False),
    ],
)
def test_what_is_taken_for_a_card_number(text: str, holds: bool) -> None:
    assert holds_card(text) is holds


def test_text_keeps_its_shape_and_loses_the_digits() -> None:
    assert masked(f"Visa {CARD}, 12 pcs") == "Visa ****************, 12 pcs"
    assert masked("4111 1111-1111 1111") == "**** ****-**** ****"
    assert masked("2 water 12345") == "2 water 12345"


def test_an_event_without_a_card_number_is_passed_on_as_the_very_same_object() -> None:
    assert sift(SALE, b"").event is SALE
    assert sift(FUELLING, b"").event is FUELLING, "a totalizer is no card number"


def test_a_member_who_shows_a_payment_card_gets_the_tills_own_refusal() -> None:
    request = MemberIdentified("1", "A1", Credential(CredentialKind.CARD, CARD))
    sifted = sift(request, b"")
    assert sifted == Sifted(
        replace(request, credential=Credential(CredentialKind.CARD, NOBODYS_CARD)), 1, None
    )
    assert isinstance(sifted.event, MemberIdentified)
    assert CredentialKey(b"k").hash(sifted.event.credential) is None
    assert why_refused(sifted.event.credential) == "PAYMENT_CARD_REFUSED"


def test_a_fuelling_is_never_refused() -> None:
    odd = replace(
        FUELLING, nozzle=CARD, flags=(CARD, "MEMORY_STATUS"), credential=Credential(CredentialKind.TAG, CARD)
    )
    sifted = sift(odd, b"")
    assert sifted.refusal is None
    assert sifted.dropped_count == 3
    assert sifted.event == replace(
        FUELLING,
        nozzle="*" * 16,
        flags=("*" * 16, "MEMORY_STATUS"),
        credential=Credential(CredentialKind.TAG, NOBODYS_CARD),
    )


def test_the_stand_in_of_an_id_is_the_same_for_the_sale_and_its_refund_and_another_for_another() -> None:
    other = "5500000000000004"
    paid, refunded = sift(replace(SALE, pos_sale_id=CARD), KEY), sift(SaleRefunded("1", "R1", CARD, 1), KEY)
    assert isinstance(paid.event, SalePaid)
    assert isinstance(refunded.event, SaleRefunded)
    assert paid.event.pos_sale_id == refunded.event.pos_sale_id == stand_in(CARD, KEY)
    assert stand_in(CARD, KEY) != stand_in(other, KEY)
    assert stand_in(CARD, KEY) != stand_in(CARD, b"another key"), "a plain hash could be guessed"
    assert len(stand_in(CARD, KEY)) <= 40
    assert not holds_card(stand_in(CARD, KEY))


def test_without_a_key_a_request_named_by_a_card_number_is_refused() -> None:
    sifted = sift(replace(SALE, pos_sale_id=CARD), b"")
    assert sifted.refusal == Answer(Outcome.REFUSED, durable=False, reason="CARD_NUMBER_REFUSED")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    elif is_dataclass(value) and not isinstance(value, type | RawDigits):
        for slot in fields(value):
            yield from _texts(getattr(value, slot.name))


def _random_event(rng: random.Random) -> DriverEvent:
    def text() -> str:
        return dressed(rng, card_number(rng)) if rng.randrange(3) else f"T{rng.randrange(10**6)}"

    def member() -> Credential:
        return Credential(rng.choice(list(CredentialKind)), text())

    lines = tuple(BasketLine(text(), 1_000, 400) for _ in range(rng.randrange(3)))
    makers = (
        lambda: replace(FUELLING, nozzle=text(), address=text(), flags=(text(),), credential=member()),
        lambda: FuellingStarted(text(), text()),
        lambda: DeviceSilent(text(), 30_000),
        lambda: DeviceBack(text()),
        lambda: MemberPresented(text(), text(), member()),
        lambda: SalePaid(text(), text(), text(), 100, text(), lines, member()),
        lambda: CandidateChosen(text(), text(), text()),
        lambda: MemberIdentified(text(), text(), member()),
        lambda: SaleRefunded(text(), text(), text(), 100),
    )
    event: DriverEvent = rng.choice(makers)()
    return event


@pytest.mark.parametrize("key", [KEY, b""])
def test_ten_thousand_events_with_cards_in_every_text_bring_none_to_the_till(key: bytes) -> None:
    rng = random.Random(20)
    reported = 0
    for _ in range(5_000):
        event = _random_event(rng)
        sifted = sift(event, key)
        if sifted.refusal is None:
            reported += 1
            assert not [t for t in _texts(sifted.event) if t != NOBODYS_CARD and holds_card(t)], event
            assert isinstance(sifted.event, type(event))
    assert reported == 5_000 if key else 500 < reported < 5_000


class _OneEvent:
    """A session that has one thing to say and remembers how it was confirmed."""

    def __init__(self, event: DriverEvent) -> None:
        self._events = [event]
        self.confirmed: list[tuple[DriverEvent, Answer]] = []

    def receive(self, data: bytes, now: Monotonic) -> None: ...
    def next_event(self) -> DriverEvent | None:
        return self._events.pop() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self.confirmed.append((event, answer))

    def tell(self, notice: object, now: Monotonic) -> None: ...
    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""

    def next_timer(self) -> Monotonic | None:
        return None

    def handle_timer(self, now: Monotonic) -> None: ...
    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None: ...
    def counters(self) -> dict[str, int]:
        return {}


class _StopAfter:
    """Says "go on" so many times."""

    def __init__(self, turns: int) -> None:
        self._turns = turns

    def is_set(self) -> bool:
        self._turns -= 1
        return self._turns < 0


@pytest.mark.parametrize(("key", "is_reported"), [(KEY, True), (b"", False)])
def test_the_line_reports_the_sifted_event_counts_it_and_confirms_what_the_session_made(
    key: bytes, is_reported: bool
) -> None:
    event = replace(SALE, pos_sale_id=CARD, tender=f"VISA {CARD}")
    session, reported = _OneEvent(event), list[DriverEvent]()

    def till(event: DriverEvent, at: Monotonic) -> Answer:
        reported.append(event)
        return Answer(Outcome.DONE, durable=True)

    def no_port() -> None:
        raise PortRefused("PORT_MISSING", "x", "y", "z")

    line = Line("t", no_port, session, till, lambda: Monotonic(5), random.Random(1), key)  # type: ignore[arg-type]
    line.run(_StopAfter(2))  # type: ignore[arg-type]
    assert line.status().counters["CARD_NUMBER_DROPPED"] == 2
    assert reported == [sift(event, key).event] * is_reported
    ((confirmed, answer),) = session.confirmed
    assert confirmed is event
    assert answer.outcome is (Outcome.DONE if is_reported else Outcome.REFUSED)
    line.close()
