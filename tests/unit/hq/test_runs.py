"""Unit: are batches that HQ takes as one run what they are one after the other?"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync import topics, wire
from sync.hq.runs import MOST_BATCHES
from tests.unit.hq.stand import HQ_KEY, Hq, Station, award, fuelling, seal

Message = tuple[str, bytes]


@pytest.fixture
def open_hq(tmp_path: Path) -> Iterator[Callable[..., Hq]]:
    opened: list[Hq] = []

    def open_one(*stations: Station) -> Hq:
        opened.append(Hq(tmp_path / f"hq-{len(opened)}.db", *stations))
        return opened[-1]

    yield open_one
    for hq in opened:
        hq.store.close()


def sold(name: str, seed: bytes, sales: int) -> Station:
    station = Station(name, seed)
    for number in range(sales):
        station.write(fuelling(f"{name}-{number}"), award(f"{name}-{number}", of=2 * number + 1))
    return station


def up(station: Station, payload: bytes, stream: str = "ledger") -> Message:
    return topics.up(station.name, stream), payload


def acked(hq: Hq, messages: list[Message]) -> list[int | None]:
    """Up to where each message was acknowledged; None if it was not answered."""
    found: list[int | None] = []
    for replies in hq.receiver.handle_all(messages):
        for reply in replies:
            ack = wire.open_ack(reply.payload, [HQ_KEY.public.verify])
            assert isinstance(ack, wire.Ack)
        found.append(ack.seq if replies else None)
    return found


def transactions(hq: Hq, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every writing transaction from now on."""
    begun: list[int] = []
    write = hq.store.write

    def counted():
        begun.append(1)
        return write()

    monkeypatch.setattr(hq.store, "write", counted)
    return begun


def same_as_alone(open_hq: Callable[..., Hq], messages: list[Message], *stations: Station) -> Hq:
    """After these messages, one HQ that took them together and one that took each alone agree."""
    together, alone = open_hq(*stations), open_hq(*stations)
    acked(together, messages)
    for topic, payload in messages:
        alone.receiver.handle(topic, payload)
    for station in stations:
        assert together.store.reconcile(station.name) == alone.store.reconcile(station.name)
        assert together.store.bodies(station.name, "award") == alone.store.bodies(station.name, "award")
    assert together.receiver.counters() == alone.receiver.counters()
    return together


def test_a_run_is_one_transaction_and_every_message_has_its_ack(
    open_hq: Callable[..., Hq], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = sold("cn-0001", b"S", 30)
    hq = open_hq(station)
    begun = transactions(hq, monkeypatch)
    messages = [up(station, station.seal(first, first + 9)) for first in range(1, 61, 10)]
    assert acked(hq, messages) == [60] * 6
    assert len(begun) == 1
    assert hq.receiver.counters()["BATCHES"] == 6
    assert hq.totals(station) == {"award ok": 30, "fuelling ok": 30}


def test_a_run_is_bounded(open_hq: Callable[..., Hq], monkeypatch: pytest.MonkeyPatch) -> None:
    station = sold("cn-0001", b"S", 2 * MOST_BATCHES)
    hq = open_hq(station)
    begun = transactions(hq, monkeypatch)
    messages = [up(station, station.seal(seq, seq + 1)) for seq in range(1, 4 * MOST_BATCHES, 2)]
    assert acked(hq, messages) == [2 * MOST_BATCHES] * MOST_BATCHES + [4 * MOST_BATCHES] * MOST_BATCHES
    assert len(begun) == 2


def test_two_stations_in_turn_are_two_chains(open_hq: Callable[..., Hq]) -> None:
    one, other = sold("cn-0001", b"S", 4), sold("cn-0002", b"T", 4)
    messages = [up(each, each.seal(first, first + 3)) for first in (1, 5) for each in (one, other)]
    same_as_alone(open_hq, messages, one, other)


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(lambda s: b"\x00\x01", id="torn"),
        pytest.param(lambda s: s.seal(9, 12), id="a-gap"),
        pytest.param(lambda s: s.seal(1, 4), id="a-repeat"),
        pytest.param(lambda s: seal(s, 5, [fuelling("forked")], s.heads[4]), id="forked-later"),
        pytest.param(lambda s: seal(s, 5, [fuelling("x")], b"x" * 32), id="another-chain"),
        pytest.param(lambda s: seal(s, 6_000, [fuelling("x")], s.heads[4]), id="too-far-ahead"),
    ],
)
def test_a_bad_batch_takes_no_other_with_it(
    open_hq: Callable[..., Hq], spoiled: Callable[[Station], bytes]
) -> None:
    station = sold("cn-0001", b"S", 8)
    messages = [up(station, station.seal(first, first + 3)) for first in (1, 5, 9, 13)]
    messages.insert(1, up(station, spoiled(station)))
    same_as_alone(open_hq, messages, station)


def test_a_refused_run_is_refused_one_by_one(open_hq: Callable[..., Hq]) -> None:
    """HQ holds other bytes under seq 5 to 8: of three batches that follow each other the first may stand."""
    station, twin = sold("cn-0001", b"S", 6), sold("cn-0001", b"S", 2)
    twin.write(*(fuelling(f"twin-{number}") for number in range(4)))
    held = up(twin, twin.seal(5, 8))
    messages = [up(station, station.seal(first, first + 3)) for first in (1, 5, 9)]
    hq = same_as_alone(open_hq, [held, *messages], station)
    assert hq.alarms(station)["FORKED"] == 1
