"""Unit: do the simulated POS and our session agree on one request and one answer, whatever gets lost?"""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import (
    Answer,
    BasketLine,
    CandidateChosen,
    DeviceBack,
    MemberIdentified,
    MemberPresented,
    Monotonic,
    Notice,
    Outcome,
    SalePaid,
    SaleRefunded,
)
from drivers.pos_link.fields import Refusal
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.replies import write_answer, write_refusal
from drivers.pos_link.requests import Hello, write_request
from drivers.pos_link.session import PosLinkSession
from drivers.pos_link.simulator import AGAIN_MS, PosSimulator
from tests.unit.drivers.pos_link.pos_counter import DONE, MEMBER, OPTIONS, SLIP, Counter, Spoil, once

ACK = b"\x06"
NOTICE = Notice("1", "A1", "3", 234, 1_734, 1_764_000_000_000, True, "积分已到账", SLIP)
GUM = (BasketLine("口香糖", 1_000, 400),)


def is_ack(data: bytes) -> bool:
    return data == ACK


def holds(message: bytes) -> Callable[[bytes], bool]:
    return lambda data: b"\x02" + message in data


def test_every_verb_arrives_in_order_and_is_answered() -> None:
    counter = Counter()
    pos = counter.pos
    numbers = [
        pos.present("3", MEMBER),
        pos.pay("A1", "3", 23_405, "现金", GUM, MEMBER),
        pos.pay("A2", None, 0, "CARD", GUM),
        pos.choose("A1", "fact-1"),
        pos.identify("A2", MEMBER),
        pos.refund("R1", "A1", 23_405),
    ]
    counter.run(1_000)
    assert counter.requests == [
        MemberPresented("1", "3", MEMBER),
        SalePaid("1", "A1", "3", 23_405, "现金", GUM, MEMBER),
        SalePaid("1", "A2", None, 0, "CARD", GUM, None),
        CandidateChosen("1", "A1", "fact-1"),
        MemberIdentified("1", "A2", MEMBER),
        SaleRefunded("1", "R1", "A1", 23_405),
    ]
    assert counter.events[0] == DeviceBack("pos-1")
    assert [pos.told[number].answer for number in numbers] == [DONE] * 6
    assert pos.unanswered == 0


@pytest.mark.parametrize("kind", [b"PAID", b"ANSWER\x1c2"])
@pytest.mark.parametrize("side", ["to_agent", "to_pos"])
def test_a_lost_frame_or_a_lost_ack_still_gives_one_request_and_one_answer(kind: bytes, side: str) -> None:
    counter = Counter()
    counter.run(100)
    lossy = once(holds(kind)) if (kind == b"PAID") == (side == "to_agent") else once(is_ack)
    setattr(counter, side, lossy)
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(20_000)
    assert counter.requests == [SalePaid("1", "A1", "3", 23_405, "现金")]
    assert counter.pos.told[number].answer == DONE


@settings(deadline=None)
@given(lost=st.sets(st.integers(0, 40), max_size=14))
def test_whatever_pieces_are_lost_one_request_gets_one_answer(lost: set[int]) -> None:
    counter = Counter()
    count = iter(range(10**6))

    def lossy(data: bytes) -> bytes:
        return b"" if data and next(count) in lost else data

    counter.to_agent = counter.to_pos = lossy
    first, second = counter.pos.pay("A1", "3", 1, "现金"), counter.pos.refund("R1", "A1", 1)
    counter.run(240_000)
    assert counter.requests == [SalePaid("1", "A1", "3", 1, "现金"), SaleRefunded("1", "R1", "A1", 1)]
    assert counter.pos.told[first].answer == counter.pos.told[second].answer == DONE


def test_try_again_is_tried_again_with_the_same_number_until_it_is_kept() -> None:
    counter = Counter(Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL"))
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(12_000)
    assert len(counter.requests) == 3
    assert counter.pos.unanswered == 1
    counter.answer = DONE
    counter.run(6_000)
    assert counter.pos.told[number].answer == DONE
    assert set(counter.requests) == {SalePaid("1", "A1", "3", 23_405, "现金")}


def test_the_pause_before_trying_again_begins_with_the_answer() -> None:
    pos = Counter().pos
    number = pos.present("3", MEMBER)
    for answered, outcome in ((1, Outcome.DONE), (number, Outcome.UNAVAILABLE)):
        for heard in (b"", ACK, ACK):
            pos.receive(heard, Monotonic(0))
            pos.bytes_to_send(Monotonic(0))
        pos.receive(write_answer(answered, Answer(outcome, durable=True), "gb18030"), Monotonic(4_000))
    assert pos.next_timer() == 9_000
    pos.handle_timer(Monotonic(9_000))
    assert b"\x05" in pos.bytes_to_send(Monotonic(9_000))


def test_the_agent_restarts_before_the_answer_and_the_till_hears_the_same_request_again() -> None:
    counter = Counter()
    counter.to_pos = once(holds(b"ANSWER\x1c2"))
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(10)
    assert counter.pos.unanswered == 1
    counter.session = PosLinkSession("pos-1", OPTIONS)
    counter.answer = replace(DONE, outcome=Outcome.REPEATED)
    counter.run(20_000)
    assert counter.requests == [SalePaid("1", "A1", "3", 23_405, "现金")] * 2
    assert counter.pos.told[number].answer == replace(counter.answer, slip=())  # not greeted again yet


def test_a_power_cut_at_the_pos_keeps_journal_numbers_and_answers() -> None:
    counter = Counter()
    pos = counter.pos
    first = pos.present("3", MEMBER)
    counter.run(100)
    counter.to_agent = lambda data: b""
    second = pos.pay("A1", "3", 23_405, "现金")
    counter.run(100)
    pos.power_cycle(counter.now)
    third = pos.refund("R1", "A1", 1)
    counter.to_agent = bytes
    counter.run(20_000)
    assert len({first, second, third}) == 3
    assert [pos.told[number].answer for number in (first, second, third)] == [DONE] * 3
    assert counter.requests == [
        MemberPresented("1", "3", MEMBER),
        SalePaid("1", "A1", "3", 23_405, "现金"),
        SaleRefunded("1", "R1", "A1", 1),
    ]


def test_two_power_cuts_in_a_row_leave_one_greeting() -> None:
    counter = Counter()
    counter.pos.power_cycle(counter.now)
    counter.pos.power_cycle(counter.now)
    counter.run(1_000)
    assert counter.session.counters()["HELLO"] == 1


def test_a_notice_whose_ack_was_lost_is_shown_once() -> None:
    counter = Counter()
    counter.run(100)
    acks = iter([False, True])
    counter.to_agent = once(lambda data: data == ACK and next(acks))
    counter.session.tell(NOTICE, counter.now)
    counter.run(10_000)
    assert counter.pos.shown == [NOTICE]
    assert counter.pos.counters["REPEATED_SHOW"] == 1
    assert "SHOW_DROPPED" not in counter.session.counters()


def test_a_pos_of_version_1_is_served_and_told_everything_but_the_slip() -> None:
    counter = Counter(pos_version=1)
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(100)
    counter.session.tell(NOTICE, counter.now)
    counter.run(1_000)
    assert counter.pos.told[number].answer == replace(DONE, slip=())
    assert counter.pos.shown == [replace(NOTICE, slip=())]
    assert counter.pos.counters == {}
    assert counter.session.counters()["HELLO"] == 1


def test_a_new_pos_falls_back_where_the_agent_knows_only_version_1() -> None:
    pos = PosSimulator(OPTIONS)
    number = pos.pay("A1", "3", 1, "现金")
    greetings = []
    for serial, reply in (
        (1, write_refusal(Refusal("WRONG_VERSION", "version", 1), "gb18030", version=1)),
        (3, write_answer(3, Answer(Outcome.DONE, durable=True), "gb18030", version=1)),
        (number, write_answer(number, DONE, "gb18030", version=1)),
    ):
        said = b""
        for heard in (b"", ACK, ACK):
            pos.receive(heard, Monotonic(0))
            said += pos.bytes_to_send(Monotonic(0))
        greetings += re.findall(rb"HELLO\x1c[0-9]+\x1c1\x1c([12])\x1c(1)\x1c", said)
        pos.receive(b"\x05" + reply, Monotonic(serial))
        pos.bytes_to_send(Monotonic(serial))
    assert greetings == [(b"2", b"1"), (b"1", b"1")]  # the same start: nothing is to be forgotten
    assert pos.told[number].answer == replace(DONE, slip=())
    assert pos.next_timer() is None  # an answer without a slip is what it now expects


@pytest.mark.parametrize("by", ["answer", "show"])
def test_an_agent_that_restarted_is_greeted_again_and_then_prints_slips(by: str) -> None:
    counter = Counter()
    counter.run(100)
    counter.session = PosLinkSession("pos-1", OPTIONS)
    if by == "answer":
        lost = counter.pos.pay("A1", "3", 23_405, "现金")
        counter.run(1_000)
        assert counter.pos.told[lost].answer == replace(DONE, slip=())
    else:
        counter.session.tell(NOTICE, counter.now)
        counter.run(1_000)
        assert counter.pos.shown == [replace(NOTICE, slip=())]
    number = counter.pos.pay("A2", "3", 23_405, "现金")
    counter.run(1_000)
    assert counter.pos.told[number].answer == DONE
    assert counter.session.counters()["HELLO"] == 1


def test_a_pos_with_a_wrong_register_does_not_greet_without_end() -> None:
    counter = Counter()
    counter.session = PosLinkSession("pos-1", PosLinkOptions(register_id="2"))
    counter.pos.pay("A1", "3", 1, "现金")
    counter.run(30_000)
    tries = counter.pos.counters["UNAVAILABLE"]  # each with a HELLO of its own
    assert 5 <= tries <= 7
    assert counter.session.counters()["WRONG_REGISTER"] in (
        2 * tries,
        2 * tries + 1,
    )
    assert counter.requests == []
    assert counter.pos.told[1].answer.reason == "WRONG_REGISTER"


def test_a_cable_that_was_put_right_again_needs_no_restart_of_the_pos() -> None:
    """Two tills at one line, or two swapped cables: the other's HELLO must not stop ours for good."""
    counter = Counter()
    counter.run(100)
    other = write_request(1, Hello("2", 2, "1"), "gb18030")
    assert isinstance(other, bytes)
    counter.session.receive(other, counter.now)
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(100)
    assert counter.requests == []
    counter.run(AGAIN_MS)
    assert counter.requests == [SalePaid("1", "A1", "3", 23_405, "现金")]
    assert counter.pos.told[number].answer == DONE


@pytest.mark.parametrize(("dead_ms", "arrives"), [(50_000, True), (61_000, False)])
def test_a_member_who_left_long_ago_is_not_presented(dead_ms: int, arrives: bool) -> None:
    counter = Counter()
    counter.run(100)
    counter.to_agent = counter.to_pos = lambda data: b""
    presented, paid = counter.pos.present("3", MEMBER), counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(dead_ms)
    counter.to_agent = counter.to_pos = bytes
    counter.run(20_000)
    sale = SalePaid("1", "A1", "3", 23_405, "现金")
    assert counter.requests == ([MemberPresented("1", "3", MEMBER), sale] if arrives else [sale])
    assert (presented in counter.pos.told, paid in counter.pos.told) == (arrives, True)
    assert counter.pos.unanswered == 0


def cut_once(message: bytes, length: int, also: Callable[[], None]) -> Spoil:
    """The line breaks at this byte of the first piece that holds the message."""
    left = [True]

    def cut(data: bytes) -> bytes:
        place = data.find(b"\x02" + message)
        if place < 0 or not left:
            return data
        left.clear()
        also()
        return data[: place + length]

    return cut


@pytest.mark.parametrize("is_noticed", [True, False])
@pytest.mark.parametrize("side", ["to_agent", "to_pos"])
def test_a_cut_at_any_byte_of_either_message_gives_one_request_and_one_answer(
    side: str, is_noticed: bool
) -> None:
    """`is_noticed`: our port saw the cable go, or nobody did."""
    sale = SalePaid("1", "A1", "3", 23_405, "现金", GUM, MEMBER)
    framed = write_request(2, sale, "gb18030") if side == "to_agent" else write_answer(2, DONE, "gb18030", 2)
    assert isinstance(framed, bytes)
    for length in range(len(framed)):
        counter = Counter()
        counter.run(100)
        session, gone = counter.session, list[int]()
        setattr(counter, side, cut_once(framed[1:7], length, lambda gone=gone: gone.append(1)))  # type: ignore[misc]
        number = counter.pos.pay("A1", "3", 23_405, "现金", GUM, MEMBER)
        counter.run(10)
        assert gone
        if is_noticed:
            session.disconnected(counter.now)
        counter.run(30_000)
        assert counter.requests == [sale], length
        assert counter.pos.told[number].answer == DONE, length


def test_a_request_made_while_the_line_is_dead_is_answered_when_it_lives_again() -> None:
    counter = Counter()
    counter.to_agent = counter.to_pos = lambda data: b""
    number = counter.pos.pay("A1", "3", 23_405, "现金")
    counter.run(60_000)
    assert counter.requests == []
    counter.to_agent = counter.to_pos = bytes
    counter.run(20_000)
    assert counter.pos.told[number].answer == DONE


def test_the_simulator_wakes_only_when_it_has_a_reason() -> None:
    counter = Counter()
    counter.run(1_000)
    assert counter.pos.next_timer() is None
    counter.pos.present("3", MEMBER)
    assert counter.pos.next_timer() == Monotonic(0)
