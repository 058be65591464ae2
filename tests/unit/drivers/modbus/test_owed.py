"""unit: is only the fuelling that the till was given settled by its answer?"""

from collections import deque
from dataclasses import replace

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.modbus.reader import RETRY_MS, Owed, ReaderEvent

ONE = Fuelling(
    address="1",
    nozzle="1",
    hand_over=HandOver.LAST_SALE,
    sequence_no=None,
    raw=RawDigits("1000", "777", "", "5000"),
    volume_ml=1_000,
    amount_fen=777,
    unit_price_milli=7_770,
    volume_step_ml=1,
    amount_step_fen=1,
    totalizer_after_ml=5_000,
)
OTHER = replace(ONE, raw=replace(ONE.raw, totalizer_after="4000"), totalizer_after_ml=4_000)


def test_the_answer_to_another_fuelling_settles_nothing() -> None:
    owed, events = Owed(), deque[ReaderEvent]()
    owed.report(ONE, events)
    assert not owed.settle(OTHER, durable=True, now=Monotonic(0))
    assert owed.fuelling == ONE
    assert owed.settle(ONE, durable=True, now=Monotonic(0))
    assert owed.fuelling is None


def test_a_refusal_brings_it_again_once_and_in_time() -> None:
    owed, events = Owed(), deque[ReaderEvent]()
    owed.report(ONE, events)
    assert not owed.settle(ONE, durable=False, now=Monotonic(5_000))
    owed.repeat(Monotonic(5_000 + RETRY_MS - 1), events)
    assert list(events) == [ONE]
    for _ in range(2):
        owed.repeat(Monotonic(5_000 + RETRY_MS), events)
    assert list(events) == [ONE, ONE]
