"""Unit: does a station whose database was put back go on at HQ, and does everything count once?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import wire
from sync.envelope import GENESIS, decode_head, encode_head
from sync.hq.store import StreamKey
from tests.unit.hq.stand import Hq, Station, award, fuelling

LEDGER = "ledger"


@pytest.fixture
def station() -> Station:
    """Twelve rows: fuellings at odd seqs, each with its award behind it."""
    station = Station()
    for n in range(1, 13, 2):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=n))
    return station


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq.db", station)
    hq.take(station, station.seal(1, 12))
    yield hq
    hq.store.close()


def ledger_mark(reply: wire.HelloReply | None) -> tuple[str, int, str] | None:
    """(why refused, seq, head) of the ledger stream in an answer."""
    if reply is None:
        return None
    marks = [one for one in reply.streams if one.stream == LEDGER]
    return (reply.refused, marks[0].seq, marks[0].head) if marks else (reply.refused, 0, "")


def facts(hq: Hq, station: Station) -> tuple[int, int, int]:
    """Counted fuellings, counted awards, and their points."""
    report = hq.store.reconcile(station.name)
    assert report is not None
    return report.items("fuelling"), report.items("award"), report.minor("award")


def test_a_new_epoch_goes_on_behind_the_fork(hq: Hq, station: Station) -> None:
    restored = station.restored(2, kept=8, watermark=6)
    reply = hq.hello(restored)
    assert ledger_mark(reply) == ("", 6, encode_head(station.heads[6]))
    assert reply is not None
    assert reply.highest_epoch == 2
    restored.write(fuelling("g1"), award("b1", of=9))
    ack = hq.take(restored, restored.seal(7, 10))
    assert ack is not None
    assert (ack.epoch, ack.seq, decode_head(ack.head)) == (2, 10, restored.heads[10])
    assert facts(hq, station) == (7, 7, 7_000), "six and the new one: what came twice counts once"
    assert hq.totals(station)["fuelling duplicate"] == hq.totals(station)["award duplicate"] == 1
    assert hq.alarms(station) == {"EPOCH_NEW": 1}
    [alarm] = hq.store.alarms(station.name)
    assert alarm.detail == "epoch 2 after 1, behind urgent 0, ledger 6, service 0"


def test_a_tail_that_was_cut_needs_no_row_again(hq: Hq, station: Station) -> None:
    """The watermark outlived the rows: HQ has them, and the station goes on where they ended."""
    cut = station.restored(2, kept=12, watermark=12)
    hq.hello(cut)
    cut.write(fuelling("g1"), award("b1", of=13))
    hq.take(cut, cut.seal(13, 14))
    assert facts(hq, station) == (7, 7, 7_000)
    assert hq.store.reconcile(station.name).verdicts("duplicate") == 0  # type: ignore[union-attr]


def test_the_hello_again_changes_nothing(hq: Hq, station: Station) -> None:
    restored = station.restored(2, kept=8, watermark=6)
    first = hq.hello(restored)
    assert hq.hello(restored) == first
    hq.take(restored, restored.seal(7, 8))
    assert ledger_mark(hq.hello(restored)) == ("", 8, encode_head(restored.heads[8]))
    assert hq.alarms(station) == {"EPOCH_NEW": 1}


def test_the_former_epoch_is_refused_as_soon_as_the_new_one_has_begun(hq: Hq, station: Station) -> None:
    hq.hello(station.restored(2, kept=8, watermark=6))
    station.write(fuelling("f13"))
    assert hq.take(station, station.seal(13, 13)) is None
    assert ledger_mark(hq.hello(station)) == ("EPOCH_OLD", 0, "")
    assert hq.alarms(station) == {"EPOCH_NEW": 1, "EPOCH_OLD": 2}
    assert facts(hq, station) == (6, 6, 6_000)


def test_a_new_item_may_name_one_before_the_fork(hq: Hq, station: Station) -> None:
    restored = station.restored(2, kept=7, watermark=7)
    hq.hello(restored)
    restored.write(award("late", of=5))
    hq.take(restored, restored.seal(8, 8))
    assert facts(hq, station) == (6, 7, 7_000)
    assert "award mismatch" not in hq.totals(station)


def test_an_item_finds_its_own_epochs_row_not_the_former_ones_behind_the_fork(
    hq: Hq, station: Station
) -> None:
    """Seq 9 is another fuelling in each epoch: the award must be of the new one's, whose money differs."""
    restored = station.restored(2, kept=6, watermark=6)
    hq.hello(restored)
    restored.write(
        fuelling("g7"), award("b7", of=7), fuelling("g9", amount_fen=50), award("b9", of=9, minor=5)
    )
    hq.take(restored, restored.seal(7, 8))
    hq.take(restored, restored.seal(9, 9))
    hq.take(restored, restored.seal(10, 10))
    assert facts(hq, station) == (8, 8, 7_005)
    assert "award mismatch" not in hq.totals(station)


def test_what_only_the_former_epoch_holds_behind_the_fork_is_not_the_new_ones(
    hq: Hq, station: Station
) -> None:
    hq.hello(station.restored(2, kept=6, watermark=6))
    with hq.store.write() as tx:
        found = [tx.item(StreamKey(station.name, 2, LEDGER), seq) for seq in (0, 6, 7, 13)]
    assert found == [None, ("award", station.bodies[5]), None, None]


def test_the_same_fact_with_other_bytes_is_a_conflict_and_counts_once(hq: Hq, station: Station) -> None:
    """The device gave a fact again that HQ has under another seq: its award names another seq then."""
    restored = station.restored(2, kept=6, watermark=6)
    hq.hello(restored)
    restored.write(fuelling("f11"), award("a11", of=7))
    hq.take(restored, restored.seal(7, 8))
    assert facts(hq, station) == (6, 6, 6_000)
    assert hq.alarms(station) == {"EPOCH_NEW": 1, "ENTITY_CONFLICT": 1}


@pytest.mark.parametrize("what", ["other head", "behind the end", "the end's head behind it", "no head"])
def test_a_fork_that_hq_does_not_hold_is_refused_and_begins_nothing(
    hq: Hq, station: Station, what: str
) -> None:
    stranger = station.restored(2, kept=12, watermark=6)
    stranger.write(fuelling("g13"))
    stranger.fork = {
        "other head": (6, station.heads[7]),
        "behind the end": (13, stranger.heads[13]),
        "the end's head behind it": (13, station.heads[12]),
        "no head": (6, GENESIS),
    }[what]
    for _ in range(2):
        assert ledger_mark(hq.hello(stranger)) == ("FORK_UNKNOWN", 0, "")
    assert hq.alarms(station) == {"FORK_UNKNOWN": 2}
    assert hq.store.chains(station.name).newest_epoch == 1
    assert hq.take(stranger, stranger.seal(7, 7)) is None, "nor may its rows come without a fork"
    station.write(fuelling("f13"))
    ack = hq.take(station, station.seal(13, 13))
    assert ack is not None
    assert ack.seq == 13, "the former epoch is not over"


def test_an_epoch_begins_with_a_hello(hq: Hq, station: Station) -> None:
    restored = station.restored(2, kept=8, watermark=6)
    assert hq.take(restored, restored.seal(7, 8)) is None
    assert hq.alarms(station) == {"EPOCH_NOT_BEGUN": 1}
    assert ledger_mark(hq.hello(restored)) == ("", 6, encode_head(station.heads[6])), "no harm was done"


def test_a_station_that_hq_never_heard_of_begins_at_the_beginning(tmp_path: Path) -> None:
    station = Station(epoch=4)
    station.write(fuelling("f1"), award("a1", of=1))
    hq = Hq(tmp_path / "empty.db", station)
    assert ledger_mark(hq.hello(station)) == ("", 0, encode_head(GENESIS))
    hq.take(station, station.seal(1, 2))
    assert facts(hq, station) == (1, 1, 1_000)
    assert hq.alarms(station) == {"EPOCH_NEW": 1}
    hq.store.close()


def test_a_second_restore_may_fall_back_behind_the_first_fork(hq: Hq, station: Station) -> None:
    """Epoch 3 comes of a copy of epoch 1 that epoch 2 never saw; and epoch 4 of one of epoch 3."""
    second = station.restored(2, kept=4, watermark=4)
    hq.hello(second)
    second.write(*(fuelling(f"g{n}", amount_fen=50) for n in range(5, 11)))
    hq.take(second, second.seal(5, 10))
    third = station.restored(3, kept=10, watermark=10)
    assert ledger_mark(hq.hello(third)) == ("", 10, encode_head(station.heads[10]))
    third.write(award("late", of=7))
    hq.take(third, third.seal(11, 11))
    fourth = third.restored(4, kept=11, watermark=11)
    hq.hello(fourth)
    fourth.write(award("later", of=9), award("latest", of=3))
    hq.take(fourth, fourth.seal(12, 13))
    assert "award mismatch" not in hq.totals(station), "7 and 9 are epoch 1's fuellings, not epoch 2's"
    assert facts(hq, station) == (12, 9, 9_000)
    assert [(s.epoch, s.watermark) for s in hq.store.standings(station.name) if s.stream == LEDGER] == [
        (1, 12),
        (2, 10),
        (3, 11),
        (4, 13),
    ]


def test_a_fork_exactly_at_a_fork_reaches_through_both(hq: Hq, station: Station) -> None:
    hq.hello(station.restored(2, kept=6, watermark=6))
    third = station.restored(3, kept=6, watermark=6)
    hq.hello(third)
    third.write(award("late", of=3))
    hq.take(third, third.seal(7, 7))
    assert facts(hq, station) == (6, 7, 7_000)


def test_a_fork_before_a_fork_is_looked_for_where_its_row_is(hq: Hq, station: Station) -> None:
    hq.hello(station.restored(2, kept=6, watermark=6))
    third = station.restored(3, kept=6, watermark=3)
    third.fork = (3, GENESIS)
    assert ledger_mark(hq.hello(third)) == ("FORK_UNKNOWN", 0, "")
    third.fork = (3, station.heads[3])
    assert ledger_mark(hq.hello(third)) == ("", 3, encode_head(station.heads[3]))


@pytest.mark.parametrize("forget_landmarks", [False, True])
def test_a_fork_in_a_long_chain_is_found_at_every_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_landmarks: bool
) -> None:
    """Landmarks every four rows here; without them, as in a database of the first schema, all is hashed."""
    monkeypatch.setattr("sync.hq.store.writing.LANDMARK_EVERY", 4)
    monkeypatch.setattr("sync.hq.intake.LANDMARK_EVERY", 4)
    station = Station()
    station.write(*(fuelling(f"f{n}") for n in range(1, 22)))
    hq = Hq(tmp_path / "long.db", station)
    for first in range(1, 22, 3):
        hq.take(station, station.seal(first, first + 2))
    key = StreamKey(station.name, 1, LEDGER)
    with hq.store.write() as tx:
        if forget_landmarks:
            tx._connection.exec_driver_sql("delete from landmark")
        for _ in range(2):
            assert [tx.head_at(key, seq) for seq in range(22)] == station.heads
        rows = tx._connection.exec_driver_sql("select seq, head from landmark").fetchall()
    assert len(rows) >= 4
    assert all(head == station.heads[seq] for seq, head in rows)
    hq.store.close()


def test_mismatches_are_counted_per_epoch_and_told_with_every_ack(hq: Hq, station: Station) -> None:
    station.write(award("wrong1", of=1, minor=1), award("wrong2", of=1, minor=2), fuelling("f15"))
    told = [hq.take(station, station.seal(*part)) for part in ((13, 13), (14, 15), (14, 15))]
    assert [ack.mismatched for ack in told if ack] == [1, 2, 2]
    reply = hq.hello(station)
    assert reply is not None
    assert reply.mismatched == 2
    restored = station.restored(2, kept=13, watermark=12)
    reply = hq.hello(restored)
    assert reply is not None
    assert reply.mismatched == 0
    restored.write(award("wrong3", of=1, minor=3))
    ack = hq.take(restored, restored.seal(13, 14))
    assert ack is not None
    assert ack.mismatched == 1, "what came again was counted in its own epoch"


def test_mismatches_of_all_streams_are_one_count(hq: Hq, station: Station) -> None:
    station.write(award("wrong1", of=1, minor=1))
    hq.take(station, station.seal(13, 13))
    urgent = Station()
    urgent.write(award("wrong2", of=1, minor=2))
    ack = hq.take(urgent, urgent.seal(1, 1, stream="urgent"), "urgent")
    assert ack is not None
    assert ack.mismatched == 2
