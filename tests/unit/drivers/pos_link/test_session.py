"""Unit and property: does the agent's end ask the till once, answer every message, and stay within bounds?"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers.pos_link
from drivers.events import (
    Answer,
    CandidateChosen,
    DeviceBack,
    DeviceSilent,
    MemberPresented,
    Monotonic,
    Notice,
    Outcome,
    PosRequest,
    SaleRefunded,
)
from drivers.pos_link.codec import Framer, Intact, frame
from drivers.pos_link.replies import Shown, Told, read_reply
from drivers.pos_link.requests import Hello, write_request
from drivers.pos_link.session import SILENT_AFTER_MS, PosLinkSession
from tests.unit.drivers.pos_link.pos_counter import DONE, MEMBER, OPTIONS, SLIP

ENQ, ACK, EOT = b"\x05", b"\x06", b"\x04"
REFUND = SaleRefunded("1", "R1", "A1", 400)
UNAVAILABLE = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL", text="请稍后再试")


class Desk:
    """Plays the POS by hand: says messages, hears replies, and lets the test confirm when it likes."""

    def __init__(self, version: int | None = 2) -> None:
        self.session = PosLinkSession("pos-1", OPTIONS)
        self.now = Monotonic(1_000)
        self.session.handle_timer(self.now)
        assert self.session.bytes_to_send(self.now) == ENQ
        self.feed(ACK)
        assert self.session.bytes_to_send(self.now) == EOT
        assert self.session.next_event() == DeviceBack("pos-1")
        if version is not None:
            self.say(1, Hello("1", version, "first"))
            assert summary(self.hear()) == [(1, Outcome.DONE, "")]

    def feed(self, data: bytes) -> None:
        self.session.receive(data, self.now)

    def say(self, number: int, body: Hello | PosRequest) -> None:
        framed = write_request(number, body, "gb18030")
        assert isinstance(framed, bytes)
        self.say_raw(framed)

    def say_raw(self, framed: bytes) -> None:
        self.feed(ENQ + framed)
        assert ACK + ACK in self.session.bytes_to_send(self.now)

    def hear(self) -> list[Told | Shown]:
        """Acknowledge and collect everything that the agent has to say now."""
        heard: list[Told | Shown] = []
        framer = Framer()
        for _ in range(64):
            self.feed(ACK)
            for token in framer.feed(self.session.bytes_to_send(self.now)):
                if isinstance(token, Intact):
                    reply = read_reply(token.fields, "1", "gb18030")
                    assert isinstance(reply, Told | Shown)
                    heard.append(reply)
        return heard

    def confirm(self, answer: Answer = DONE) -> None:
        event = self.session.next_event()
        assert event is not None
        self.session.confirm(event, answer, self.now)

    def pass_time(self, duration_ms: int) -> None:
        until = self.now + duration_ms
        while (due := self.session.next_timer()) is not None and due <= until:
            self.now = Monotonic(max(due, self.now))
            self.session.handle_timer(self.now)
            self.session.bytes_to_send(self.now)
        self.now = Monotonic(until)


def summary(heard: Sequence[Told | Shown]) -> list[tuple[int, Outcome, str]]:
    return [(t.number, t.answer.outcome, t.answer.reason) for t in heard if isinstance(t, Told)]


def test_a_request_is_reported_and_answered_only_after_confirm() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    event = desk.session.next_event()
    assert event == REFUND
    assert desk.session.next_event() is None
    assert desk.hear() == []
    desk.session.confirm(REFUND, DONE, desk.now)
    assert desk.session.bytes_to_send(desk.now) == ENQ
    assert desk.hear() == [Told(2, DONE)]
    assert desk.hear() == []


def test_a_repeat_of_an_answered_message_gets_the_same_answer_and_the_till_does_not_hear_of_it() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    assert desk.hear() == [Told(2, DONE)]
    for _ in range(3):
        desk.say(2, REFUND)
        assert desk.session.next_event() is None
        assert desk.hear() == [Told(2, DONE)]
    assert desk.session.counters()["REPEATED"] == 3


def test_repeats_that_arrive_faster_than_we_can_speak_get_one_answer() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    desk.say(2, REFUND)
    desk.say(2, REFUND)
    assert desk.hear() == [Told(2, DONE)]


def test_a_repeat_while_the_till_thinks_is_not_asked_twice() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    event = desk.session.next_event()
    desk.say(2, REFUND)
    assert event is not None
    assert desk.session.next_event() is None
    desk.session.confirm(event, DONE, desk.now)
    assert desk.hear() == [Told(2, DONE)]


def test_a_remembered_number_with_other_content_is_refused_and_its_own_repeat_is_not() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    desk.hear()
    other = SaleRefunded("1", "R2", "A1", 400)
    desk.say(2, other)
    assert desk.session.next_event() is None
    (told,) = desk.hear()
    assert isinstance(told, Told)
    assert (told.number, told.answer.outcome, told.answer.reason, told.field) == (
        2,
        Outcome.REFUSED,
        "NUMBER_REUSED",
        "number",
    )
    desk.say(2, REFUND)
    assert desk.hear() == [Told(2, DONE)]
    desk.say(1, Hello("1", 2, "again"))
    desk.hear()
    desk.say(2, other)
    assert desk.session.next_event() == other


def test_the_corrected_message_may_have_the_number_of_the_one_that_could_not_be_read() -> None:
    desk = Desk()
    desk.say_raw(frame((b"REFUND", b"2", b"R1", b"A1", b"4.00")))
    desk.hear()
    desk.say(2, REFUND)
    assert desk.session.next_event() == REFUND


def test_a_flood_of_enquiries_is_answered_in_bounds_and_the_answer_still_comes_afterwards() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    for _ in range(200):
        desk.feed(ENQ * 1_000)
    said = desk.session.bytes_to_send(desk.now)
    assert set(said) <= {0x05, 0x06}
    assert len(said) <= 512
    desk.pass_time(3_001)
    desk.now = Monotonic(desk.now + 3_000)
    desk.session.handle_timer(desk.now)
    assert desk.session.bytes_to_send(desk.now) == ENQ
    assert desk.hear() == [Told(2, DONE)]


def test_a_frame_without_an_end_takes_no_memory_and_the_next_one_is_heard() -> None:
    desk = Desk()
    desk.feed(b"\x02")
    for _ in range(300):
        desk.feed(b"x" * 4_096)
    assert len(repr(vars(desk.session._link._framer))) < 12_000
    desk.pass_time(1_001)
    assert desk.session.counters()["BAD_FRAME"] == 1
    desk.session.bytes_to_send(desk.now)
    desk.say(2, REFUND)
    assert desk.session.next_event() == REFUND


@pytest.mark.parametrize(
    "text",
    [
        '{"amount": 1e999, "__proto__": {}}',
        "'; DROP TABLE pos_sale; --",
        "${jndi:ldap://x}",
        "%s%n\\x00",
        "../" * 13,
    ],
)
def test_text_that_would_mean_something_elsewhere_is_only_text(text: str) -> None:
    desk = Desk()
    request = SaleRefunded("1", text[:40], "A1", 400)
    desk.say(2, request)
    assert desk.session.next_event() == request


@pytest.mark.parametrize("mark", ["\u202e", "\u2028", "\u2066", "\ufeff", "\x85"])
def test_characters_that_turn_or_break_what_is_printed_are_refused(mark: str) -> None:
    desk = Desk()
    desk.say_raw(frame((b"REFUND", b"2", f"R{mark}1".encode("gb18030"), b"A1", b"400")))
    assert desk.session.next_event() is None
    assert summary(desk.hear()) == [(2, Outcome.REFUSED, "MALFORMED_FIELD")]


def test_unavailable_is_told_and_its_repeat_is_asked_anew() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm(UNAVAILABLE)
    assert desk.hear() == [Told(2, UNAVAILABLE)]
    desk.say(2, REFUND)
    desk.confirm(DONE)
    assert desk.hear() == [Told(2, DONE)]


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.REPEATED, Outcome.WAITING, Outcome.AMBIGUOUS])
def test_an_answer_that_is_not_durable_is_never_told_as_kept(outcome: Outcome) -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm(replace(DONE, outcome=outcome, durable=False))
    (told,) = desk.hear()
    assert summary([told]) == [(2, Outcome.UNAVAILABLE, "NOT_DURABLE")]
    assert isinstance(told, Told)
    assert told.answer.points_minor is None
    desk.say(2, REFUND)
    assert desk.session.next_event() == REFUND


def test_a_refusal_of_the_till_is_final_durable_or_not() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm(Answer(Outcome.REFUSED, durable=False, reason="SALE_UNKNOWN"))
    assert summary(desk.hear()) == [(2, Outcome.REFUSED, "SALE_UNKNOWN")]
    desk.say(2, REFUND)
    assert desk.session.next_event() is None
    assert summary(desk.hear()) == [(2, Outcome.REFUSED, "SALE_UNKNOWN")]


def test_a_pos_is_told_its_slip_only_in_the_version_that_it_greeted_with() -> None:
    notice = Notice("1", "A1", "3", 234, 1_734, 1_764_000_000_000, True, "积分已到账", SLIP)
    heard = {}
    for version in (None, 1, 2):
        desk = Desk(version)
        desk.say(2, REFUND)
        desk.confirm()
        desk.session.tell(notice, desk.now)
        told, shown = desk.hear()
        assert isinstance(told, Told)
        assert isinstance(shown, Shown)
        heard[version] = (told.version, told.answer.slip, shown.version, shown.notice.slip)
        assert told.answer == replace(DONE, slip=told.answer.slip)
        assert shown.notice == replace(notice, slip=shown.notice.slip)
    assert heard == {None: (1, (), 1, ()), 1: (1, (), 1, ()), 2: (2, SLIP, 2, SLIP)}


def test_every_kind_of_answer_is_written_in_the_version_of_the_greeting() -> None:
    for version in (1, 2):
        desk = Desk(version)
        desk.say(2, REFUND)
        desk.say(3, CandidateChosen("1", "A1", "f"))
        desk.say_raw(frame((b"REFUND", b"4")))
        desk.confirm(replace(DONE, durable=False))
        spoken = [t.version for t in desk.hear() if isinstance(t, Told)]
        assert spoken == [version] * 3


def test_greeted_again_in_another_version_it_speaks_that_and_still_knows_its_answers() -> None:
    desk = Desk(1)
    desk.say(2, REFUND)
    desk.confirm()
    desk.hear()
    desk.say(3, Hello("1", 2, "first"))
    desk.say(2, REFUND)
    desk.say(4, CandidateChosen("1", "A1", "f"))
    desk.confirm()
    told = [(t.number, t.version) for t in desk.hear() if isinstance(t, Told)]
    assert told == [(3, 2), (2, 1), (4, 2)]


def test_a_refused_greeting_leaves_the_version_as_it_was() -> None:
    desk = Desk(2)
    desk.say_raw(frame((b"HELLO", b"2", b"1", b"3", b"first")))
    desk.say(3, REFUND)
    desk.confirm()
    refused, told = desk.hear()
    assert isinstance(refused, Told)
    assert (refused.answer.outcome, refused.answer.reason) == (Outcome.REFUSED, "WRONG_VERSION")
    assert told == Told(3, DONE)


def test_a_second_request_meanwhile_is_told_to_wait() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    first = desk.session.next_event()
    assert first is not None
    desk.say(3, MemberPresented("1", "3", MEMBER))
    assert desk.session.next_event() is None
    assert summary(desk.hear()) == [(3, Outcome.UNAVAILABLE, "BUSY")]
    desk.session.confirm(first, DONE, desk.now)
    assert desk.hear() == [Told(2, DONE)]
    desk.say(3, MemberPresented("1", "3", MEMBER))
    assert desk.session.next_event() == MemberPresented("1", "3", MEMBER)


@pytest.mark.parametrize(
    ("fields", "number", "reason", "field"),
    [
        ((b"VOID", b"4", b"A1"), 4, "UNKNOWN_MESSAGE", "type"),
        ((b"REFUND", b"4", b"R1", b"A1", b"4.00"), 4, "MALFORMED_FIELD", "amount_fen"),
        ((b"REFUND", b"4", b"R1", b"A1"), 4, "FIELD_COUNT", "amount_fen"),
        ((b"REFUND", b"x", b"R1", b"A1", b"1"), 0, "MALFORMED_FIELD", "number"),
        ((b"",), 0, "MALFORMED_FIELD", "number"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_by_name(
    fields: tuple[bytes, ...], number: int, reason: str, field: str
) -> None:
    desk = Desk()
    desk.say_raw(frame(fields))
    assert desk.session.next_event() is None
    (told,) = desk.hear()
    assert isinstance(told, Told)
    assert (told.number, told.answer.outcome, told.answer.reason, told.field) == (
        number,
        Outcome.REFUSED,
        reason,
        field,
    )
    assert desk.session.counters()[reason] == 1


def test_hello_is_answered_by_the_link_itself() -> None:
    desk = Desk()
    desk.say(1, Hello("1", 2, "a"))
    assert desk.session.next_event() is None
    assert summary(desk.hear()) == [(1, Outcome.DONE, "")]


def test_a_new_start_forgets_the_answers_of_before_and_a_repeated_hello_does_not() -> None:
    desk = Desk()
    desk.say(1, Hello("1", 2, "a"))
    desk.say(2, REFUND)
    desk.confirm()
    desk.hear()
    desk.say(1, Hello("1", 2, "a"))
    desk.say(2, REFUND)
    assert desk.session.next_event() is None
    desk.hear()
    desk.say(1, Hello("1", 2, "b"))
    desk.say(2, REFUND)
    assert desk.session.next_event() == REFUND


def test_after_a_new_start_no_answer_of_before_meets_a_new_message_of_its_number() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    old = desk.session.next_event()
    assert old is not None
    desk.say(1, Hello("1", 2, "b"))
    desk.hear()
    desk.session.confirm(old, DONE, desk.now)
    assert desk.hear() == []
    desk.say(2, CandidateChosen("1", "A1", "f"))
    desk.confirm(Answer(Outcome.DONE, durable=True, text="new"))
    assert [t.answer.text for t in desk.hear() if isinstance(t, Told)] == ["new"]


def test_an_answer_on_its_way_is_withdrawn_by_a_new_start() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    assert desk.session.bytes_to_send(desk.now) == ENQ
    desk.say(1, Hello("1", 2, "b"))
    assert summary(desk.hear()) == [(1, Outcome.DONE, "")]


def test_a_journaled_request_repeated_after_a_new_start_gets_the_answer_that_was_pending() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    event = desk.session.next_event()
    assert event is not None
    desk.say(1, Hello("1", 2, "b"))
    desk.hear()
    desk.say(2, REFUND)
    assert desk.session.next_event() is None
    desk.session.confirm(event, DONE, desk.now)
    assert desk.hear() == [Told(2, DONE)]


def test_a_wrong_register_books_nothing_until_the_right_one_greets() -> None:
    desk = Desk()
    desk.say(1, Hello("2", 2, "a"))
    assert summary(desk.hear()) == [(1, Outcome.REFUSED, "WRONG_REGISTER")]
    desk.say(2, REFUND)
    assert desk.session.next_event() is None
    assert summary(desk.hear()) == [(2, Outcome.UNAVAILABLE, "WRONG_REGISTER")]
    desk.say(3, Hello("1", 2, "b"))
    desk.say(2, REFUND)
    assert desk.session.next_event() == REFUND


def notice(serial: int) -> Notice:
    return Notice("1", f"A{serial}", "3", 234, 1_734, 1_764_000_000_000, False, "积分已到账")


def test_notices_are_shown_in_order_with_numbers_of_ours_and_answers_go_first() -> None:
    desk = Desk()
    for serial in (1, 2, 3):
        desk.session.tell(notice(serial), desk.now)
    desk.say(2, REFUND)
    desk.confirm()
    heard = desk.hear()
    assert [reply.notice for reply in heard if isinstance(reply, Shown)] == [notice(1), notice(2), notice(3)]
    assert [reply.number for reply in heard] == [1, 2, 2, 3]
    assert isinstance(heard[1], Told)


def test_a_notice_that_nobody_acknowledges_is_dropped_after_three_tries_and_counted() -> None:
    desk = Desk()
    desk.session.tell(notice(1), desk.now)
    desk.pass_time(9_001)
    assert desk.session.counters()["SHOW_DROPPED"] == 1
    assert desk.hear() == []


def test_too_many_notices_are_dropped_and_counted() -> None:
    desk = Desk()
    for serial in range(20):
        desk.session.tell(notice(serial), desk.now)
    assert desk.session.counters()["SHOW_DROPPED"] == 4
    assert len(desk.hear()) == 16


def test_too_many_unread_messages_are_dropped_and_counted() -> None:
    desk = Desk()
    for number in range(1, 13):
        desk.say_raw(frame((b"VOID", b"%d" % number)))
    assert desk.session.counters()["ANSWER_DROPPED"] == 4
    assert [told.number for told in desk.hear()] == list(range(1, 9))


def test_only_the_last_answers_are_remembered() -> None:
    desk = Desk()
    for number in range(1, 18):
        desk.say(number, SaleRefunded("1", f"R{number}", "A1", 400))
        desk.confirm()
        desk.hear()
    desk.say(2, SaleRefunded("1", "R2", "A1", 400))
    assert desk.session.next_event() is None
    desk.hear()
    desk.say(1, SaleRefunded("1", "R1", "A1", 400))
    assert desk.session.next_event() == SaleRefunded("1", "R1", "A1", 400)


def test_no_credential_stays_in_memory_once_the_till_has_it() -> None:
    desk = Desk()
    desk.say(2, MemberPresented("1", "3", MEMBER))
    desk.confirm()
    desk.hear()
    assert MEMBER.value not in repr(vars(desk.session))
    assert MEMBER.value.encode() not in b"".join(told.framed for told in desk.session._told.values())


def test_a_dead_pos_is_noticed_once_within_the_stated_time_and_its_return_too() -> None:
    desk = Desk()
    desk.pass_time(SILENT_AFTER_MS - 1)
    assert desk.session.next_event() is None
    desk.pass_time(1)
    assert desk.session.next_event() == DeviceSilent("pos-1", SILENT_AFTER_MS)
    desk.pass_time(10 * SILENT_AFTER_MS)
    assert desk.session.next_event() is None
    desk.feed(frame((b"VOID", b"1")))
    assert desk.session.next_event() == DeviceBack("pos-1")
    assert drivers.pos_link.DRIVER.silence_ms == SILENT_AFTER_MS


def test_a_quiet_pos_is_probed_after_ten_seconds_and_again_while_it_is_dead() -> None:
    desk = Desk()
    heard_at, enquiries = desk.now, []
    while desk.now < heard_at + SILENT_AFTER_MS:
        due = desk.session.next_timer()
        assert due is not None
        desk.now = due
        desk.session.handle_timer(due)
        if ENQ in desk.session.bytes_to_send(due):
            enquiries.append(due - heard_at)
    assert enquiries == [10_000, 13_000, 16_000, 20_000, 23_000, 26_000, 30_000]


def test_a_pos_that_only_answers_enq_is_not_silent() -> None:
    desk = Desk()
    for _ in range(20):
        desk.pass_time(10_000)
        desk.feed(ACK)
    assert desk.session.next_event() is None


def test_after_the_wire_was_gone_an_unsent_answer_comes_only_when_asked_for_again() -> None:
    desk = Desk()
    desk.say(2, REFUND)
    desk.confirm()
    desk.session.tell(notice(1), desk.now)
    desk.session.disconnected(desk.now)
    assert desk.hear() == []
    assert desk.session.counters()["ANSWER_DROPPED"] == 1
    assert desk.session.counters()["SHOW_DROPPED"] == 1
    desk.say(2, REFUND)
    assert desk.session.next_event() is None
    assert desk.hear() == [Told(2, DONE)]


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"\x02",
            b"\x03",
            ENQ,
            ACK,
            EOT,
            b"\x15",
            frame((b"HELLO", b"1", b"1", b"1", b"a")),
            frame((b"HELLO", b"1", b"2", b"1", b"a")),
            frame((b"REFUND", b"2", b"R1", b"A1", b"1")),
            frame((b"REFUND", b"3", b"R2", b"A1", b"1")),
            frame((b"PAID", b"4")),
            b"\x02" + b"x" * 3_000,
        ]
    ),
)
STEPS = st.lists(st.tuples(PIECES, st.integers(0, 4_000), st.booleans(), st.booleans()), max_size=30)


@given(steps=STEPS)
@settings(deadline=None)
def test_any_bytes_at_any_time_never_raise_and_everything_stays_bounded(
    steps: list[tuple[bytes, int, bool, bool]],
) -> None:
    session = PosLinkSession("pos-1", OPTIONS)
    now = Monotonic(5)
    for data, pause_ms, serve, send in steps:
        session.receive(data, now)
        if serve and (event := session.next_event()) is not None:
            session.confirm(event, DONE, now)
            session.tell(notice(1), now)
        if send:
            session.bytes_to_send(now)
        now = Monotonic(now + pause_ms)
        due = session.next_timer()
        if due is not None and due <= now:
            session.handle_timer(now)
            timer = session.next_timer()
            assert timer is not None
            assert timer > now, "a timer that was served must not stay due"
    assert len(session.bytes_to_send(now)) <= 256 + 2_051
    assert len(session._told) <= 16
    assert len(session._answers) <= 8
    assert len(session._notices) <= 16
