"""unit: does a late answer stay away from the next question, and does the wire get its silence?"""

import pytest

from drivers.checksums import crc16_modbus
from drivers.events import Monotonic
from drivers.modbus import codec
from drivers.modbus.codec import Reply, Transport
from drivers.modbus.exchange import Exchange, Failure, Pace

ANSWER_MS = 100
SLOW = Pace(baud=9600, answer_ms=ANSWER_MS)


def answer_to(question: bytes, transport: Transport) -> bytes:
    """A device whose register n holds n, made by hand: it answers reads of one register."""
    if transport == "tcp":
        address = question[8:10]
        return question[:2] + b"\0\0\0\x05" + question[6:8] + b"\x02" + address
    body = question[:2] + b"\x02" + question[2:4]
    return body + crc16_modbus(body).to_bytes(2, "little")


def poll(exchange: Exchange, transport: Transport, late: dict[int, int]) -> list[int | None]:
    """Ask for registers 10 to 19, back to back; `late` delays the answer to a register by so many ms.

    The device answers in order, 20 ms after it has done with the question before. Gives what each
    question got, None for a failure.
    """
    now, got = Monotonic(1_000), []
    on_the_way: list[tuple[int, bytes]] = []
    for register in range(10, 20):
        exchange.ask(codec.read(1, 3, register, 1), now, retries=0)
        while (result := exchange.result()) is None:
            if frame := exchange.bytes_to_send(now):
                busy_until = max((due for due, _ in on_the_way), default=now)
                due = busy_until + 20 + late.pop(register, 0)
                on_the_way.append((due, answer_to(frame, transport)))
            for due, answer in [pair for pair in on_the_way if pair[0] <= now]:
                on_the_way.remove((due, answer))
                exchange.receive(answer, now)
            exchange.handle_timer(now)
            now = Monotonic(now + 1)
        got.append(result.registers[0] if isinstance(result, Reply) else None)
    return got


def test_without_the_cure_one_late_answer_shifts_every_later_value() -> None:
    """libraries.md, finding 2: RTU has no transaction number, so the shift lasts as long as the polling."""
    exchange = Exchange("rtu", SLOW, cured=False)
    got = poll(exchange, "rtu", late={12: ANSWER_MS + 40})
    assert got == [10, 11, None, 12, 13, 14, 15, 16, 17, 18]


def test_with_the_cure_the_late_answer_passes_by() -> None:
    exchange = Exchange("rtu", SLOW)
    got = poll(exchange, "rtu", late={12: ANSWER_MS + 40})
    assert got == [10, 11, None, 13, 14, 15, 16, 17, 18, 19]
    assert exchange.counts["LATE_ANSWER"] == 1


@pytest.mark.parametrize("late_ms", range(0, 2 * ANSWER_MS, 7))
def test_with_the_cure_no_answer_is_paired_wrongly(late_ms: int) -> None:
    got = poll(Exchange("rtu", SLOW), "rtu", late={11: late_ms, 12: late_ms, 15: late_ms})
    assert all(value in (None, register) for register, value in enumerate(got, start=10))
    assert got[-1] == 19


@pytest.mark.parametrize("late_ms", [ANSWER_MS + 5, 3 * ANSWER_MS, 6 * ANSWER_MS])
def test_on_tcp_the_transaction_number_tells_however_late(late_ms: int) -> None:
    got = poll(Exchange("tcp", Pace(None, ANSWER_MS)), "tcp", late={12: late_ms})
    assert all(value in (None, register) for register, value in enumerate(got, start=10))
    assert got[2] is None
    assert got[-1] == 19


def test_an_answer_of_another_length_is_a_failure_however_late() -> None:
    exchange = Exchange("rtu", SLOW)
    exchange.ask(codec.read(1, 3, 101, 11), Monotonic(0), retries=0)
    exchange.bytes_to_send(Monotonic(0))
    exchange.receive(answer_to(codec.encode(codec.read(1, 3, 10, 1), "rtu"), "rtu"), Monotonic(5))
    assert isinstance(exchange.result(), Failure)
    assert exchange.counts["WRONG_ANSWER"] == 1


@pytest.mark.parametrize(("baud", "gap_ms"), [(1_200, 33), (9_600, 5), (19_200, 2), (115_200, 2)])
def test_silence_between_frames(baud: int, gap_ms: int) -> None:
    """3.5 characters of 11 bits, rounded up to milliseconds; 1.75 ms from 19200 baud."""
    assert Pace(baud, ANSWER_MS).gap_ms == gap_ms
    exchange = Exchange("rtu", Pace(baud, ANSWER_MS))
    exchange.receive(b"\x55", Monotonic(1_000))
    exchange.ask(codec.read(1, 3, 0, 1), Monotonic(1_000), retries=0)
    assert exchange.bytes_to_send(Monotonic(1_000 + gap_ms - 1)) == b""
    assert exchange.next_timer() == 1_000 + gap_ms
    assert exchange.bytes_to_send(Monotonic(1_000 + gap_ms)) != b""


def test_noise_without_end_cannot_keep_us_from_asking() -> None:
    exchange = Exchange("rtu", SLOW)
    exchange.ask(codec.read(1, 3, 0, 1), Monotonic(0), retries=0)
    sent_at = None
    for now in map(Monotonic, range(1_000)):
        exchange.receive(b"\x55", now)
        if sent_at is None and exchange.bytes_to_send(now):
            sent_at = now
    assert sent_at == ANSWER_MS


def test_the_wire_is_held_until_the_late_answer_cannot_come_any_more() -> None:
    exchange = Exchange("rtu", SLOW)
    assert not exchange.holds_the_wire()
    exchange.ask(codec.read(1, 3, 0, 1), Monotonic(0), retries=0)
    assert not exchange.holds_the_wire()
    exchange.bytes_to_send(Monotonic(0))
    deadline = exchange.next_timer()
    assert deadline == SLOW.wire_ms(8 + 7) + ANSWER_MS
    exchange.handle_timer(deadline)
    assert isinstance(exchange.result(), Failure)
    assert exchange.holds_the_wire()
    assert exchange.next_timer() == deadline + ANSWER_MS
    exchange.handle_timer(Monotonic(deadline + ANSWER_MS))
    assert not exchange.holds_the_wire()
    assert exchange.next_timer() is None


def test_a_failed_question_is_tried_again_after_the_silence() -> None:
    exchange = Exchange("rtu", SLOW)
    exchange.ask(codec.read(1, 3, 10, 1), Monotonic(0), retries=1)
    first = exchange.bytes_to_send(Monotonic(0))
    deadline = exchange.next_timer()
    assert deadline is not None
    exchange.handle_timer(deadline)
    assert exchange.bytes_to_send(Monotonic(deadline + ANSWER_MS - 1)) == b""
    again = exchange.bytes_to_send(Monotonic(deadline + ANSWER_MS))
    assert again == first
    exchange.receive(answer_to(again, "rtu"), Monotonic(deadline + ANSWER_MS + 20))
    assert exchange.result() == Reply(0, 1, 3, 0, (10,), 0, 1)


def test_a_pulled_plug_forgets_question_and_half_heard_answer() -> None:
    exchange = Exchange("rtu", SLOW)
    exchange.ask(codec.read(1, 3, 10, 1), Monotonic(0), retries=1)
    half = answer_to(exchange.bytes_to_send(Monotonic(0)), "rtu")[:4]
    exchange.receive(half, Monotonic(9))
    exchange.disconnected()
    assert exchange.is_free
    assert not exchange.holds_the_wire()
    assert exchange.next_timer() is None
