"""Unit: does each end of the POS link keep the turns of NOTES.md, byte by byte?"""

import pytest

from drivers.events import Monotonic
from drivers.pos_link.codec import frame
from drivers.pos_link.link import Delivery, Link

ENQ, ACK, NAK, EOT = b"\x05", b"\x06", b"\x15", b"\x04"
OURS, THEIRS = frame((b"SHOW", b"1")), frame((b"PAID", b"7"))
SAID_MS = 2 * len(OURS)


def agent() -> Link:
    return Link(wins=False, wait_ms=3000)


def pos() -> Link:
    return Link(wins=True, wait_ms=2000)


def at(ms: int) -> Monotonic:
    return Monotonic(ms)


def hear(link: Link, data: bytes, ms: int = 0) -> list[tuple[bytes, ...]]:
    """Feed bytes as a session does: a turn of our own comes after them."""
    messages = link.receive(data, at(ms))
    link.take_turn(at(ms))
    return messages


def tick(link: Link) -> int:
    """Let the next timer come; returns when that was."""
    due = link.next_timer()
    assert due is not None
    link.handle_timer(due)
    link.take_turn(due)
    return due


def test_a_turn_is_enq_ack_message_ack() -> None:
    link = agent()
    link.offer(OURS, at(0))
    assert link.bytes_to_send() == ENQ
    hear(link, ACK)
    assert link.bytes_to_send() == OURS
    assert link.delivery() is None
    hear(link, ACK)
    assert link.bytes_to_send() == b""
    assert link.delivery() is Delivery.DELIVERED
    assert link.delivery() is None
    assert not link.waiting
    assert link.next_timer() is None


def test_a_message_is_heard_and_acknowledged_once() -> None:
    link = agent()
    assert hear(link, ENQ) == []
    assert link.bytes_to_send() == ACK
    assert link.waiting
    assert hear(link, THEIRS) == [(b"PAID", b"7")]
    assert link.bytes_to_send() == ACK
    assert not link.waiting


def test_a_message_without_enq_is_taken_all_the_same() -> None:
    link = agent()
    assert hear(link, THEIRS) == [(b"PAID", b"7")]
    assert link.bytes_to_send() == ACK


@pytest.mark.parametrize(("link", "wait_ms"), [(agent(), 3000), (pos(), 2000)])
def test_an_enq_is_said_three_times_then_eot(link: Link, wait_ms: int) -> None:
    link.offer(OURS, at(0))
    said = [link.bytes_to_send()]
    times = []
    while link.next_timer() is not None:
        times.append(tick(link))
        said.append(link.bytes_to_send())
    assert said == [ENQ, ENQ, ENQ, EOT]
    assert times == [wait_ms, 2 * wait_ms, 3 * wait_ms]
    assert link.delivery() is Delivery.GIVEN_UP
    assert link.counters == {"NO_ANSWER": 3, "RESENT": 2, "GIVEN_UP": 1}


def test_a_message_that_was_given_up_costs_the_next_one_no_try() -> None:
    link = agent()
    for _ in range(2):
        link.offer(OURS, at(0))
        said = [link.bytes_to_send()]
        while link.next_timer() is not None:
            tick(link)
            said.append(link.bytes_to_send())
        assert said == [ENQ, ENQ, ENQ, EOT]


def test_a_message_is_said_three_times_then_eot() -> None:
    link = agent()
    link.offer(OURS, at(0))
    hear(link, ACK)
    link.bytes_to_send()
    said = []
    while link.next_timer() is not None:
        tick(link)
        said.append(link.bytes_to_send())
    assert said == [OURS, OURS, EOT]
    assert link.delivery() is Delivery.GIVEN_UP


def test_the_wait_for_an_ack_allows_for_the_length_of_the_message() -> None:
    link = agent()
    link.offer(OURS, at(0))
    hear(link, ACK, 100)
    assert link.next_timer() == 100 + 3000 + SAID_MS


def test_a_nak_to_a_message_asks_for_it_at_once_and_three_in_all_are_enough() -> None:
    link = agent()
    link.offer(OURS, at(0))
    link.bytes_to_send()
    hear(link, ACK)
    said = [link.bytes_to_send()]
    for _ in range(3):
        hear(link, NAK)
        said.append(link.bytes_to_send())
    assert said == [OURS, OURS, OURS, EOT]
    assert link.delivery() is Delivery.GIVEN_UP


def test_a_nak_to_an_enq_means_not_yet() -> None:
    link = agent()
    link.offer(OURS, at(0))
    link.bytes_to_send()
    hear(link, NAK)
    assert link.bytes_to_send() == b""
    assert link.counters == {}
    assert tick(link) == 3000
    assert link.bytes_to_send() == ENQ


def test_a_damaged_message_is_answered_nak() -> None:
    link = agent()
    hear(link, ENQ)
    link.bytes_to_send()
    assert hear(link, THEIRS[:-1] + b"?") == []
    assert link.bytes_to_send() == NAK
    assert hear(link, THEIRS) == [(b"PAID", b"7")]
    assert link.counters == {"BAD_FRAME": 1, "HEARD": 1}


def test_silence_inside_a_frame_tears_it() -> None:
    link = agent()
    hear(link, ENQ + THEIRS[:5], 10)
    link.bytes_to_send()
    assert tick(link) == 1010
    assert link.bytes_to_send() == NAK
    assert link.counters == {"BAD_FRAME": 1}
    assert hear(link, THEIRS, 1011) == [(b"PAID", b"7")]


def test_the_line_is_kept_free_for_the_announced_message_but_not_for_ever() -> None:
    link = agent()
    hear(link, ENQ, 0)
    link.offer(OURS, at(5))
    assert link.bytes_to_send() == ACK
    assert tick(link) == 3000
    assert link.bytes_to_send() == ENQ


def test_eot_gives_the_line_back() -> None:
    link = agent()
    hear(link, ENQ)
    link.offer(OURS, at(5))
    assert link.bytes_to_send() == ACK
    hear(link, EOT, 6)
    assert link.bytes_to_send() == ENQ


def test_in_a_collision_the_agent_yields_and_says_enq_again_afterwards() -> None:
    link = agent()
    link.offer(OURS, at(0))
    assert link.bytes_to_send() == ENQ
    hear(link, ENQ)
    assert link.bytes_to_send() == ACK
    assert hear(link, THEIRS) == [(b"PAID", b"7")]
    assert link.bytes_to_send() == ACK + ENQ
    assert link.counters == {"COLLISION": 1, "HEARD": 1}


def test_a_message_that_crosses_our_enq_is_taken_and_enq_said_again_at_once() -> None:
    link = agent()
    link.offer(OURS, at(0))
    link.bytes_to_send()
    assert hear(link, THEIRS) == [(b"PAID", b"7")]
    assert link.bytes_to_send() == ACK + ENQ


def test_in_a_collision_the_pos_takes_no_notice() -> None:
    link = pos()
    link.offer(THEIRS, at(0))
    assert link.bytes_to_send() == ENQ
    hear(link, ENQ)
    assert link.bytes_to_send() == b""
    hear(link, ACK)
    assert link.bytes_to_send() == THEIRS
    hear(link, ENQ)
    assert link.bytes_to_send() == b""
    hear(link, ACK)
    assert link.delivery() is Delivery.DELIVERED


def test_two_ends_that_begin_at_once_both_get_through() -> None:
    ours, theirs = agent(), pos()
    ours.offer(OURS, at(0))
    theirs.offer(THEIRS, at(0))
    heard: list[tuple[bytes, ...]] = []
    for _ in range(8):
        to_pos, to_agent = ours.bytes_to_send(), theirs.bytes_to_send()
        heard += hear(ours, to_agent) + hear(theirs, to_pos)
    assert heard == [(b"PAID", b"7"), (b"SHOW", b"1")]
    assert (ours.delivery(), theirs.delivery()) == (Delivery.DELIVERED, Delivery.DELIVERED)


def test_a_probe_is_enq_ack_eot() -> None:
    link = agent()
    link.probe(at(0))
    assert link.bytes_to_send() == ENQ
    hear(link, ACK, 7)
    assert link.bytes_to_send() == EOT
    assert link.heard_at == 7
    assert link.delivery() is None
    assert not link.waiting


def test_a_withdrawn_message_is_not_sent_and_not_reported() -> None:
    link = agent()
    link.offer(OURS, at(0))
    link.bytes_to_send()
    link.withdraw()
    hear(link, ACK)
    assert link.bytes_to_send() == b""
    assert link.delivery() is None
    assert link.counters == {"LATE_ANSWER": 1}


@pytest.mark.parametrize(
    ("control", "code"), [(ACK, "LATE_ANSWER"), (NAK, "LATE_ANSWER"), (EOT, "STRAY_CONTROL")]
)
def test_a_control_that_nobody_waits_for_changes_nothing(control: bytes, code: str) -> None:
    link = agent()
    hear(link, control)
    assert link.bytes_to_send() == b""
    assert link.heard_at is None
    assert link.counters == {code: 1}


def test_reset_forgets_turn_frame_and_half_heard_bytes() -> None:
    link = agent()
    link.offer(OURS, at(0))
    hear(link, THEIRS[:4])
    link.reset()
    assert (link.bytes_to_send(), link.next_timer(), link.waiting) == (b"", None, False)
    assert hear(link, THEIRS[4:]) == []
    assert hear(link, THEIRS) == [(b"PAID", b"7")]


def test_a_night_with_a_closed_port_leaves_at_most_one_enq_for_the_morning() -> None:
    link = agent()
    for start in range(0, 60_000, 10_000):
        link.probe(at(start))
        while link.next_timer() is not None:
            tick(link)
    link.probe(at(60_000))
    assert link.bytes_to_send().count(ENQ) == 1


def test_an_enq_that_no_open_port_took_is_no_question_without_an_answer() -> None:
    link = agent()
    link.offer(OURS, at(0))
    while link.next_timer() is not None:
        tick(link)
    assert link.counters["NO_ANSWER"] == 0


def test_a_line_kept_free_in_vain_is_no_question_without_an_answer() -> None:
    link = agent()
    hear(link, ENQ)
    link.bytes_to_send()
    tick(link)
    assert link.counters == {}


def test_a_flood_of_enqs_with_nobody_to_send_is_bounded() -> None:
    link = agent()
    hear(link, ENQ * 100_000)
    assert len(link.bytes_to_send()) == 256
    link.offer(OURS, at(0))
    hear(link, (EOT + ACK + NAK * 3) * 10_000)
    assert len(link.bytes_to_send()) <= 257 + len(OURS)
