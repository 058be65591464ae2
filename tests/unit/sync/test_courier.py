"""Unit: does the courier say the right next thing in each of its situations?"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sync import wire
from sync.budget import Budget
from sync.courier import Courier
from sync.envelope import encode_head
from sync.outbox import LEDGER, SERVICE, URGENT
from sync.refusal import Refusal
from sync.steps import Batch, Fetch, Leave, Pace, Phase, SendHello, SendMetrics, SendState
from tests.unit.sync.memory_outbox import MemoryOutbox

PACE = Pace(window=4, batch_items=10, puback_ms=30_000, silence_ms=10_000)


class Desk:
    """A courier with an outbox and a clock, and shortcuts."""

    def __init__(
        self,
        pace: Pace = PACE,
        receive_maximum: int = 100,
        max_packet: int | None = None,
        outbox: MemoryOutbox | None = None,
        budget_bytes_per_s: int = 0,
    ) -> None:
        self.outbox = outbox or MemoryOutbox()
        self.now = 1_000
        self.epoch, marks = self.outbox.epoch(), dict(self.outbox.watermarks)
        self.budget = Budget(budget_bytes_per_s, self.now) if budget_bytes_per_s else None
        self.courier = Courier("cn-0001", self.epoch, marks, pace, lambda n: n // 2, self.now, self.budget)
        self.receive_maximum, self.max_packet = receive_maximum, max_packet

    def connect(self) -> SendHello:
        """As far as the hello, which the broker has confirmed."""
        self.courier.connected(self.receive_maximum, self.max_packet, self.now)
        state = self.courier.next_step(self.now)
        assert isinstance(state, SendState)
        self.courier.published(state.ref, 0, self.now)
        hello = self.courier.next_step(self.now)
        assert isinstance(hello, SendHello)
        self.courier.published(hello.ref, 0, self.now)
        return hello

    def go_online(self, seq: int = 0) -> None:
        outcomes = self.greet(self.connect(), seq)
        assert all(isinstance(each, wire.Ack) for each in outcomes)

    def greet(self, hello: SendHello, seq: int = 0, **changed: object) -> list[wire.Ack | Refusal]:
        fields: dict[str, object] = {
            "station": "cn-0001",
            "epoch": self.epoch,
            "nonce": hello.nonce,
            "highest_epoch": self.epoch,
            "streams": (self.mark(LEDGER, seq),),
            "hq_time_ms": 0,
        }
        reply = wire.HelloReply.model_validate(fields | changed)
        return self.courier.greeted(reply, self.outbox.head_at, self.now)

    def mark(self, stream: str, seq: int) -> wire.StreamMark:
        head = encode_head(self.outbox.heads[stream][seq])
        return wire.StreamMark.model_validate({"stream": stream, "seq": seq, "head": head})

    def put(self, stream: str, count: int) -> None:
        self.outbox.put_many(stream, count)
        self.courier.rows_until(stream, self.outbox.last_seq(stream))

    def send(self) -> Batch | Refusal:
        fetch = self.courier.next_step(self.now)
        assert isinstance(fetch, Fetch)
        rows = self.outbox.rows(fetch.stream, fetch.after_seq, fetch.limit)
        head = self.outbox.head_at(fetch.stream, fetch.after_seq)
        return self.courier.batch(fetch, rows, head, self.outbox.head_at, self.now)

    def send_confirmed(self) -> Batch:
        batch = self.send()
        assert isinstance(batch, Batch)
        self.courier.published(batch.ref, 0, self.now)
        return batch

    def ack(self, seq: int, stream: str = LEDGER, **changed: object) -> Refusal | None:
        known = min(seq, self.outbox.last_seq(stream))
        fields: dict[str, object] = {
            "station": "cn-0001",
            "epoch": 1,
            "stream": stream,
            "seq": seq,
            "head": encode_head(self.outbox.heads[stream][known]),
            "hq_time_ms": 0,
        }
        ack = wire.Ack.model_validate(fields | changed)
        return self.courier.acknowledge(ack, self.outbox.head_at(stream, seq), self.now)


def test_offline_says_nothing_and_wants_no_timer() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    assert desk.courier.next_step(desk.now) is None
    assert desk.courier.next_timer() is None


def test_state_then_hello_and_no_row_before_hq_answered() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.connect()
    assert desk.courier.next_step(desk.now) is None
    assert desk.courier.snapshot().phase is Phase.ASKING


def test_resumes_where_hq_stands_not_where_we_thought() -> None:
    desk = Desk()
    desk.put(LEDGER, 30)
    desk.go_online(seq=12)
    batch = desk.send_confirmed()
    assert (batch.stream, batch.first_seq, len(batch.bodies)) == (LEDGER, 13, 10)
    assert batch.head_before == desk.outbox.heads[LEDGER][12]


def test_urgent_goes_first_and_keeps_a_place_in_the_window() -> None:
    desk = Desk()
    desk.put(LEDGER, 100)
    desk.go_online()
    assert [desk.send_confirmed().first_seq for _ in range(3)] == [1, 11, 21]
    assert desk.courier.next_step(desk.now) is None, "the last place is not the ledger's"
    desk.put(URGENT, 1)
    assert desk.send_confirmed().stream == URGENT
    desk.put(URGENT, 1)
    assert desk.courier.next_step(desk.now) is None, "four are out"


def test_receive_maximum_below_the_window_counts() -> None:
    desk = Desk(receive_maximum=2)
    desk.put(URGENT, 100)
    desk.go_online()
    desk.send_confirmed()
    desk.send_confirmed()
    assert desk.courier.next_step(desk.now) is None


def test_unconfirmed_publishes_never_exceed_the_receive_maximum() -> None:
    desk = Desk(receive_maximum=1)
    desk.courier.connected(1, None, desk.now)
    assert isinstance(desk.courier.next_step(desk.now), SendState)
    assert desk.courier.next_step(desk.now) is None, "the hello waits for the state's PUBACK"


def test_small_packets_of_the_broker_bound_the_batch_but_never_hold_back_a_row() -> None:
    body = len(b'{"kind":"fuelling","n":1}') + 1
    desk = Desk(max_packet=1_024 + 3 * body)
    desk.put(LEDGER, 5)
    desk.go_online()
    assert len(desk.send_confirmed().bodies) == 3
    tiny = Desk(max_packet=100)
    tiny.put(LEDGER, 5)
    tiny.go_online()
    assert len(tiny.send_confirmed().bodies) == 1


def test_puback_is_not_delivery() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    desk.send_confirmed()
    assert desk.courier.snapshot().outstanding == 1
    assert desk.ack(5) is None
    assert desk.courier.snapshot().outstanding == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0x10, "NO_SUBSCRIBER"), (0x87, "NOT_AUTHORIZED"), (0x97, "QUOTA"), (0x83, "PUBACK_83")],
)
def test_puback_that_means_nobody_has_it_leads_back_to_the_question(code: int, reason: str) -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    batch = desk.send()
    assert isinstance(batch, Batch)
    desk.courier.published(batch.ref, code, desk.now)
    assert desk.courier.snapshot().refused == {reason: 1}
    assert desk.courier.next_step(desk.now) is None, "not at once"
    timer = desk.courier.next_timer()
    assert timer is not None
    desk.now = timer
    hello = desk.courier.next_step(desk.now)
    assert isinstance(hello, SendHello)
    desk.greet(hello)
    assert desk.send_confirmed().first_seq == 1


def test_silence_of_hq_asks_then_sends_again_from_its_watermark() -> None:
    desk = Desk()
    desk.put(LEDGER, 30)
    desk.go_online()
    for _ in range(3):
        desk.send_confirmed()
    desk.ack(10)
    desk.now += PACE.silence_ms
    hello = desk.courier.next_step(desk.now)
    assert isinstance(hello, SendHello)
    desk.greet(hello, seq=20)
    assert desk.send_confirmed().first_seq == 21


def test_a_reply_that_an_ack_of_another_worker_has_overtaken_takes_nothing_back() -> None:
    """The rows in between may be forgotten already: going back to them would halt the stream."""
    desk = Desk()
    desk.put(LEDGER, 30)
    desk.go_online()
    for _ in range(3):
        desk.send_confirmed()
    desk.ack(10)
    desk.now += PACE.silence_ms
    hello = desk.courier.next_step(desk.now)
    assert isinstance(hello, SendHello)
    desk.ack(30)
    assert [type(outcome) for outcome in desk.greet(hello, seq=20)] == [wire.Ack]
    assert "HQ_WENT_BACK" not in desk.courier.snapshot().refused
    desk.put(LEDGER, 10)
    assert desk.send_confirmed().first_seq == 31


def test_stream_that_gets_nowhere_sends_one_batch_at_a_time_and_ever_slower() -> None:
    desk = Desk(replace(PACE, quiet_ms=600_000))
    desk.put(LEDGER, 100)
    desk.go_online()
    for _ in range(3):
        desk.send_confirmed()
    waits = []
    for _ in range(4):
        before = desk.now
        while not isinstance(step := desk.courier.next_step(desk.now), SendHello):
            assert step is None
            timer = desk.courier.next_timer()
            assert timer is not None
            desk.now = timer
        waits.append(desk.now - before)
        desk.courier.published(step.ref, 0, desk.now)
        desk.greet(step)
        desk.send_confirmed()
        assert desk.courier.next_step(desk.now) is None
    assert waits == [10_000, 20_000, 40_000, 80_000]
    desk.ack(10)
    assert isinstance(desk.courier.next_step(desk.now), Fetch)


def test_broker_that_confirms_nothing_is_left() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    desk.send()
    desk.now += PACE.puback_ms
    assert desk.courier.next_step(desk.now) == Leave("HALF_OPEN")


def test_hq_that_never_answers_is_asked_again_and_left_at_last() -> None:
    desk = Desk()
    start = desk.now
    desk.connect()
    asked = 0
    while not isinstance(step := desk.courier.next_step(desk.now), Leave):
        if isinstance(step, SendHello):
            asked += 1
            desk.courier.published(step.ref, 0, desk.now)
        else:
            timer = desk.courier.next_timer()
            assert timer is not None
            assert timer > desk.now
            desk.now = timer
    assert step == Leave("HQ_SILENT")
    assert desk.now - start == PACE.give_up_ms
    assert 7 < asked < 12


def test_quiet_road_is_asked_so_that_hqs_age_is_known() -> None:
    desk = Desk()
    desk.go_online()
    assert desk.courier.next_timer() == desk.now + PACE.quiet_ms
    desk.now += PACE.quiet_ms
    assert isinstance(desk.courier.next_step(desk.now), SendHello)


def asked_next(desk: Desk) -> SendHello:
    """The next question, when its time comes."""
    while not isinstance(step := desk.courier.next_step(desk.now), SendHello):
        timer = desk.courier.next_timer()
        assert step is None
        assert timer is not None
        desk.now = timer
    desk.courier.published(step.ref, 0, desk.now)
    return step


def test_a_busy_road_is_asked_too_and_nothing_of_it_is_sent_twice() -> None:
    desk = Desk(replace(PACE, silence_ms=45_000))
    desk.put(LEDGER, 60)
    desk.go_online()
    desk.send_confirmed()
    desk.send_confirmed()
    desk.now += PACE.quiet_ms - 1
    desk.ack(10)
    desk.now += 1
    hello = desk.courier.next_step(desk.now)
    assert isinstance(hello, SendHello)
    assert desk.courier.snapshot().phase is Phase.ONLINE
    desk.courier.published(hello.ref, 0, desk.now)
    desk.greet(hello, seq=10)
    assert desk.send_confirmed().first_seq == 21


def test_asked_in_passing_hq_may_have_lost_rows_and_gets_them_again() -> None:
    desk = Desk(replace(PACE, silence_ms=45_000))
    desk.put(LEDGER, 60)
    desk.go_online()
    for _ in range(3):
        desk.send_confirmed()
    desk.ack(20)
    desk.now += PACE.quiet_ms
    desk.greet(asked_next(desk), seq=10)
    assert desk.courier.snapshot().refused["HQ_WENT_BACK"] == 1
    assert desk.send_confirmed().first_seq == 11


def test_an_old_ack_proves_nothing_new_of_hq() -> None:
    desk = Desk()
    desk.put(LEDGER, 10)
    desk.go_online()
    answered = desk.courier.snapshot().answered_at_ms
    desk.send_confirmed()
    desk.ack(10)
    desk.now += 5_000
    desk.ack(10)
    assert desk.courier.snapshot().heard_at_ms == desk.now
    assert desk.courier.snapshot().answered_at_ms == answered


def test_what_is_missing_is_asked_for_soon_but_ever_more_patiently() -> None:
    desk = Desk()
    desk.go_online()
    pauses = []
    for _ in range(8):
        before = desk.now
        for _ in range(50):
            desk.courier.ask_soon(desk.now)
        desk.greet(asked_next(desk))
        pauses.append(desk.now - before)
    assert pauses == [750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500, 22_500]
    desk.greet(asked_next(desk))
    desk.courier.ask_soon(desk.now)
    before = desk.now
    desk.greet(asked_next(desk))
    assert desk.now - before == 750


Change = Callable[[Desk], Refusal | None]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda desk: desk.ack(5, station="cn-0002"), "ACK_FOREIGN"),
        (lambda desk: desk.ack(5, epoch=2), "ACK_OTHER_EPOCH"),
        (lambda desk: desk.ack(6), "ACK_BEYOND_END"),
        (lambda desk: desk.ack(5, head="A" * 43), "CHAIN_MISMATCH"),
    ],
)
def test_acks_that_move_nothing(what: Change, reason: str) -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    heard = desk.courier.snapshot().heard_at_ms
    desk.now += 1
    refused = what(desk)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert desk.courier.snapshot().refused == {reason: 1}
    assert desk.courier.snapshot().heard_at_ms == heard, "not a sign of life either"


def test_another_chain_at_hq_halts_the_stream_until_a_hello_fits() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online()
    desk.send_confirmed()
    desk.ack(10, head="A" * 43)
    assert desk.courier.snapshot().halted == {LEDGER: "CHAIN_MISMATCH"}
    assert desk.courier.next_step(desk.now) is None
    desk.put(URGENT, 1)
    assert desk.send_confirmed().stream == URGENT
    desk.courier.disconnected(desk.now)
    desk.go_online()
    assert desk.courier.snapshot().halted == {}


def test_ack_of_a_row_that_is_no_longer_kept_is_an_old_one() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    desk.ack(5)
    desk.outbox.watermarks[LEDGER] = 5
    desk.outbox.prune(LEDGER)
    assert desk.ack(3) is None


def test_old_ack_does_not_bring_the_watermark_back() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online()
    desk.send_confirmed()
    desk.send_confirmed()
    desk.ack(20)
    desk.ack(10)
    assert desk.courier.next_step(desk.now) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"nonce": "f" * 32}, "HELLO_STALE"),
        ({"station": "cn-0002"}, "HELLO_STALE"),
        ({"epoch": 2}, "HELLO_STALE"),
        ({"highest_epoch": 2}, "EPOCH_OLD"),
        ({"refused": "STATION_BLOCKED"}, "STATION_BLOCKED"),
        ({"refused": "FORK_UNKNOWN", "streams": ()}, "FORK_UNKNOWN"),
    ],
)
def test_hellos_that_open_nothing(changed: dict[str, object], reason: str) -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    outcomes = desk.greet(desk.connect(), **changed)
    assert [each.reason for each in outcomes if isinstance(each, Refusal)] == [reason]
    assert desk.courier.snapshot().phase is Phase.ASKING
    assert desk.courier.next_step(desk.now) is None


def test_a_new_epoch_resumes_behind_its_fork() -> None:
    outbox = MemoryOutbox()
    outbox.put_many(LEDGER, 20)
    outbox.watermarks[LEDGER] = 12
    outbox.raise_epoch(2)
    desk = Desk(outbox=outbox)
    desk.put(LEDGER, 3)
    outcomes = desk.greet(desk.connect(), seq=12)
    assert [(each.epoch, each.seq) for each in outcomes if isinstance(each, wire.Ack)] == [(2, 12)]
    batch = desk.send_confirmed()
    assert (batch.first_seq, batch.head_before) == (13, outbox.heads[LEDGER][12])
    assert desk.courier.snapshot().refused == {}


def test_reply_is_good_for_one_hello() -> None:
    desk = Desk()
    hello = desk.connect()
    desk.greet(hello)
    outcomes = desk.greet(hello)
    assert [each.reason for each in outcomes if isinstance(each, Refusal)] == ["HELLO_STALE"]


def test_hq_that_has_more_than_we_wrote_halts_the_stream() -> None:
    """A copy of this station's disk in a second box, or a restore without a new epoch."""
    desk = Desk()
    desk.put(LEDGER, 5)
    ahead = wire.StreamMark(stream="ledger", seq=9, head="A" * 43)
    outcomes = desk.greet(desk.connect(), streams=(ahead,))
    assert [each.reason for each in outcomes if isinstance(each, Refusal)] == ["ACK_BEYOND_END"]
    assert desk.courier.snapshot().halted == {LEDGER: "ACK_BEYOND_END"}


def test_row_that_changed_on_disk_is_not_sent() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    desk.outbox.bodies[LEDGER][3] = b'{"kind":"award","n":1000000}'
    refused = desk.send()
    assert isinstance(refused, Refusal)
    assert refused.reason == "OUTBOX_CORRUPT"
    assert desk.courier.snapshot().halted == {LEDGER: "OUTBOX_CORRUPT"}


def test_gap_in_the_rows_is_not_sent_over() -> None:
    desk = Desk()
    desk.put(LEDGER, 5)
    desk.go_online()
    desk.outbox.kept_from[LEDGER] = 3
    refused = desk.send()
    assert isinstance(refused, Refusal)
    assert refused.reason == "ROWS_MISSING"


def test_disconnect_forgets_what_was_out() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online()
    desk.send()
    desk.courier.disconnected(desk.now)
    assert desk.courier.snapshot().outstanding == 0
    desk.go_online()
    assert desk.send_confirmed().first_seq == 1


def sent_again(desk: Desk, from_seq: int) -> Refusal | None:
    return desk.courier.resend(LEDGER, from_seq, desk.outbox.head_at(LEDGER, from_seq - 1))


def test_rows_that_hq_wants_again_are_sent_again_then_what_is_new() -> None:
    desk = Desk()
    desk.put(LEDGER, 25)
    desk.go_online(seq=25)
    assert sent_again(desk, 14) is None
    desk.put(LEDGER, 3)
    assert [(b.first_seq, len(b.bodies)) for b in (desk.send_confirmed(), desk.send_confirmed())] == [
        (14, 10),
        (24, 2),
    ]
    assert desk.courier.snapshot().repeating == {LEDGER: 12}
    assert desk.ack(25) is None
    assert desk.courier.snapshot().repeating == {LEDGER: 2}
    assert desk.send_confirmed().first_seq == 26
    desk.ack(25)
    desk.ack(28)
    assert (desk.courier.snapshot().repeating, desk.courier.snapshot().outstanding) == ({}, 0)
    assert desk.courier.next_step(desk.now) is None


def test_repeated_rows_that_hq_does_not_answer_lead_back_to_the_question() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online(seq=20)
    sent_again(desk, 1)
    desk.send_confirmed()
    desk.now += PACE.silence_ms
    hello = desk.courier.next_step(desk.now)
    assert isinstance(hello, SendHello)
    desk.greet(hello, seq=20)
    assert desk.send_confirmed().first_seq == 1


def test_rows_that_are_no_longer_kept_cannot_be_sent_again() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online(seq=20)
    desk.outbox.kept_from[LEDGER] = 10
    refused = sent_again(desk, 5)
    assert isinstance(refused, Refusal)
    assert refused.reason == "RESEND_PRUNED"
    assert desk.courier.next_step(desk.now) is None


def test_rows_that_are_pruned_while_they_are_repeated_do_not_stop_the_stream() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online(seq=20)
    sent_again(desk, 1)
    desk.send_confirmed()
    desk.outbox.watermarks[LEDGER] = 20
    desk.outbox.prune(LEDGER)
    refused = desk.send()
    assert isinstance(refused, Refusal)
    assert refused.reason == "RESEND_PRUNED"
    assert desk.courier.snapshot().halted == {}
    desk.put(LEDGER, 1)
    assert desk.send_confirmed().first_seq == 21


def test_what_hq_has_not_acknowledged_needs_no_wish() -> None:
    desk = Desk()
    desk.put(LEDGER, 20)
    desk.go_online(seq=5)
    assert sent_again(desk, 9) is None
    assert desk.send_confirmed().first_seq == 6


def test_one_puback_shows_that_a_slow_road_moves() -> None:
    desk = Desk()
    desk.put(LEDGER, 30)
    desk.go_online()
    first, second = desk.send(), desk.send()
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    desk.now += PACE.puback_ms - 1
    desk.courier.published(first.ref, 0, desk.now)
    desk.now += PACE.puback_ms - 1
    assert not isinstance(desk.courier.next_step(desk.now), Leave)
    desk.now += 1
    assert desk.courier.next_step(desk.now) == Leave("HALF_OPEN")


def test_figures_go_only_when_no_row_could_and_not_before_their_time() -> None:
    desk = Desk(Pace(window=4, batch_items=10, quiet_ms=300_000, metrics_every_ms=60_000))
    desk.put(LEDGER, 10)
    desk.go_online()
    desk.now += 30_000
    desk.send_confirmed()
    assert isinstance(desk.courier.next_step(desk.now), SendMetrics)
    assert desk.courier.next_step(desk.now) is None
    desk.ack(10)
    desk.now += 59_999
    assert desk.courier.next_timer() == desk.now + 1
    assert desk.courier.next_step(desk.now) is None
    desk.now += 1
    assert isinstance(desk.courier.next_step(desk.now), SendMetrics)


def test_short_of_budget_the_ledger_waits_and_urgent_does_not() -> None:
    desk = Desk(Pace(window=10, batch_items=10, metrics_every_ms=60_000), budget_bytes_per_s=2_000)
    desk.put(LEDGER, 40)
    desk.go_online()
    desk.send_confirmed()
    desk.courier.spent(3_000, desk.now)
    assert desk.courier.next_step(desk.now) is None
    assert desk.courier.next_timer() == desk.now + 560, "until the debt of 1,120 bytes is worked off"
    desk.put(URGENT, 1)
    assert desk.send_confirmed().stream == URGENT
    desk.now += 560
    assert desk.send_confirmed().stream == LEDGER


def test_figures_wait_for_plenty_and_reports_for_a_little() -> None:
    desk = Desk(Pace(window=10, metrics_every_ms=1), budget_bytes_per_s=2_000)
    desk.go_online()
    desk.courier.spent(2_000 - 120, desk.now)
    desk.put(SERVICE, 1)
    assert desk.courier.next_step(desk.now) is None
    desk.now += 250
    assert desk.send_confirmed().stream == SERVICE
    assert desk.courier.next_step(desk.now) is None
    desk.now += 250
    assert isinstance(desk.courier.next_step(desk.now), SendMetrics)


def test_a_low_budget_makes_small_batches() -> None:
    desk = Desk(Pace(), budget_bytes_per_s=100)
    desk.put(LEDGER, 100)
    desk.go_online()
    assert sum(len(body) + 1 for body in desk.send_confirmed().bodies) in range(370, 401)
