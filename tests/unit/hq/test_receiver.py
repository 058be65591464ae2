"""Unit: does HQ's receiver keep, judge, acknowledge and refuse as it says? On a real SQLite file."""

import itertools
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import topics, wire
from sync.envelope import GENESIS, decode_head, encode_head
from sync.hq import intake
from tests.unit.hq.stand import HQ_KEY, NOW_MS, Hq, Station, award, fuelling, seal


@pytest.fixture
def station() -> Station:
    station = Station()
    for n in range(1, 11, 2):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=n))
    return station


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq.db", station)
    yield hq
    hq.store.close()


def mark(ack: wire.Ack | None) -> tuple[int, bytes] | None:
    return (ack.seq, decode_head(ack.head)) if ack else None


# --- what is kept ---------------------------------------------------------------------------------


def test_a_batch_is_kept_judged_and_acknowledged_with_its_head(hq: Hq, station: Station) -> None:
    assert mark(hq.take(station, station.seal(1, 10))) == (10, station.heads[10])
    report = hq.store.reconcile(station.name)
    assert report is not None
    assert (report.items("fuelling"), report.items("award"), report.minor("award")) == (5, 5, 5_000)
    assert hq.alarms(station) == {}
    [standing] = report.streams
    assert (standing.watermark, standing.head, standing.waiting) == (10, station.heads[10], 0)


def test_the_same_batch_again_changes_nothing_and_is_acknowledged_again(hq: Hq, station: Station) -> None:
    first = hq.take(station, station.seal(1, 10))
    before = hq.store.reconcile(station.name)
    assert hq.take(station, station.seal(1, 10)) == first
    assert hq.take(station, station.seal(3, 6)) == first
    assert hq.store.reconcile(station.name) == before
    assert hq.receiver.counters()["DUPLICATES"] == 14


def test_overlapping_batches_are_cut_at_the_watermark(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 6))
    assert mark(hq.take(station, station.seal(4, 10))) == (10, station.heads[10])
    assert hq.totals(station) == {"fuelling ok": 5, "award ok": 5}


def test_what_came_early_waits_and_is_judged_when_its_neighbour_comes(hq: Hq, station: Station) -> None:
    assert mark(hq.take(station, station.seal(4, 7))) == (0, GENESIS)
    assert mark(hq.take(station, station.seal(8, 10))) == (0, GENESIS)
    assert hq.totals(station) == {}, "nothing is judged before what it may refer to is here"
    assert hq.store.standings()[0].waiting == 7
    assert mark(hq.take(station, station.seal(1, 3))) == (10, station.heads[10])
    assert hq.totals(station) == {"fuelling ok": 5, "award ok": 5}
    assert hq.store.standings()[0].waiting == 0


BATCHES = ((1, 3), (2, 5), (4, 4), (5, 7), (6, 10), (8, 9), (10, 10))


@settings(deadline=None, max_examples=60)
@given(order=st.permutations(BATCHES))
def test_any_order_of_overlapping_batches_comes_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[int, int]]
) -> None:
    station = Station()
    for n in range(1, 11, 2):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=n))
    hq = Hq(tmp_path_factory.mktemp("order") / "hq.db", station)
    reached = 0
    for first, last in order:
        ack = hq.take(station, station.seal(first, last))
        assert ack is not None
        assert ack.seq >= reached, "a watermark never goes back"
        assert decode_head(ack.head) == station.heads[ack.seq]
        reached = ack.seq
    assert reached == 10
    assert hq.totals(station) == {"fuelling ok": 5, "award ok": 5}
    hq.store.close()


def test_what_is_kept_survives_reopening(hq: Hq, station: Station, tmp_path: Path) -> None:
    hq.take(station, station.seal(1, 4))
    hq.take(station, station.seal(7, 10))
    hq.store.close()
    again = Hq(tmp_path / "hq.db", station)
    assert mark(again.take(station, station.seal(5, 6))) == (10, station.heads[10])
    assert again.totals(station) == {"fuelling ok": 5, "award ok": 5}
    again.store.close()


def test_streams_and_stations_have_chains_of_their_own(hq: Hq, station: Station) -> None:
    other = Station("cn-0002", b"T")
    other.write(fuelling("g1"))
    assert hq.store.add_station(other.name, other.key.public.raw, NOW_MS)
    hq.take(station, station.seal(1, 10))
    assert mark(hq.take(other, other.seal(1, 1))) == (1, other.heads[1])
    urgent = Station()
    urgent.write(award("u1", of=1))
    assert mark(hq.take(urgent, urgent.seal(1, 1, stream="urgent"), "urgent")) == (1, urgent.heads[1])
    assert hq.totals(station) == {"fuelling ok": 5, "award ok": 6}, "urgent found its fuelling in the ledger"


# --- what does not fit ----------------------------------------------------------------------------


def test_other_bytes_under_a_held_sequence_are_a_fork(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 4))
    forked = Station()
    forked.write(*station.bodies[:3], fuelling("other"), *station.bodies[4:8])
    ack = hq.take(forked, forked.seal(1, 8))
    assert mark(ack) == (4, station.heads[4]), "HQ says what it has: the station sees that the heads differ"
    assert hq.alarms(station) == {"FORKED": 1}
    assert hq.totals(station) == {"fuelling ok": 2, "award ok": 2}


def test_other_bytes_under_a_waiting_sequence_are_a_fork_too(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(5, 8))
    assert mark(hq.take(station, seal(station, 8, [fuelling("other")], station.heads[7]))) == (0, GENESIS)
    assert hq.alarms(station) == {"FORKED": 1}
    assert mark(hq.take(station, station.seal(1, 4))) == (8, station.heads[8])


def test_a_batch_that_does_not_continue_the_chain_is_not_kept(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 4))
    assert mark(hq.take(station, station.seal(5, 8, head_before=b"x" * 32))) == (4, station.heads[4])
    assert hq.alarms(station) == {"BROKEN_LINK": 1}
    assert mark(hq.take(station, station.seal(5, 8))) == (8, station.heads[8])


def test_a_waiting_batch_with_a_broken_link_stops_only_that_watermark(hq: Hq, station: Station) -> None:
    other = Station("cn-0002", b"T")
    other.write(fuelling("g1"))
    hq.store.add_station(other.name, other.key.public.raw, NOW_MS)
    hq.take(station, station.seal(5, 8, head_before=b"x" * 32))
    assert mark(hq.take(station, station.seal(1, 4))) == (4, station.heads[4])
    assert mark(hq.take(station, station.seal(1, 4))) == (4, station.heads[4])
    assert hq.alarms(station) == {"BROKEN_LINK": 2}
    assert hq.store.standings(station.name)[0].waiting == 4
    assert mark(hq.take(other, other.seal(1, 1))) == (1, other.heads[1])
    assert mark(hq.take(station, station.seal(5, 8))) == (8, station.heads[8]), "sent again, rightly joined"


def test_an_envelope_that_ends_at_the_watermark_must_end_with_its_head(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 4))
    hq.take(station, station.seal(3, 4, head_before=b"x" * 32))
    assert hq.alarms(station) == {"BROKEN_LINK": 1}


def test_one_fact_with_two_stories_is_an_alarm_and_counts_once(hq: Hq) -> None:
    station = Station()
    station.write(fuelling("f1"), fuelling("f1", amount_fen=9_000), fuelling("f1"))
    assert mark(hq.take(station, station.seal(1, 3))) == (3, station.heads[3])
    assert hq.alarms(station) == {"ENTITY_CONFLICT": 1}
    assert hq.totals(station) == {"fuelling ok": 1, "fuelling entity_conflict": 1, "fuelling duplicate": 1}
    report = hq.store.reconcile(station.name)
    assert report is not None
    assert report.items("fuelling") == 1


def test_the_first_story_of_a_fact_stays_the_one_that_counts(hq: Hq) -> None:
    station = Station()
    station.write(*(fuelling("f1", amount) for amount in (10_000, 9_000, 10_000, 9_000)))
    for seq in range(1, 5):
        hq.take(station, station.seal(seq, seq))
    assert hq.totals(station) == {"fuelling ok": 1, "fuelling entity_conflict": 2, "fuelling duplicate": 1}


def test_a_station_that_runs_far_ahead_is_told_where_hq_stands(hq: Hq, station: Station) -> None:
    far = seal(station, intake.MAX_AHEAD + 1, [fuelling("far")], GENESIS)
    assert mark(hq.take(station, far)) == (0, GENESIS)
    assert hq.alarms(station) == {"TOO_FAR_AHEAD": 1}
    assert hq.store.standings() == ()
    assert mark(hq.take(station, seal(station, intake.MAX_AHEAD, [fuelling("far")], GENESIS))) == (0, GENESIS)
    assert hq.store.standings()[0].waiting == 1


# --- what HQ judges otherwise ---------------------------------------------------------------------


def test_a_mismatch_is_an_alarm_and_is_kept_and_acknowledged(hq: Hq) -> None:
    station = Station()
    station.write(fuelling("f1"), award("a1", of=1, minor=1_001))
    assert mark(hq.take(station, station.seal(1, 2))) == (2, station.heads[2])
    assert hq.alarms(station) == {"MISMATCH": 1}
    assert hq.totals(station) == {"fuelling ok": 1, "award mismatch": 1}
    assert hq.store.alarms(station.name)[0].detail == "epoch 1, ledger 2"


NESTED = b"[" * 100_000
UNREADABLE = (
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[1]",
    b'{"kind":1}',
    b'{"kind":"A"}',
    b'{"kind":"a\\u0000"}',
    NESTED,
    b'{"kind":"award","n":' + b"9" * 5_000 + b"}",
)


@pytest.mark.parametrize("body", UNREADABLE, ids=[repr(body[:20]) for body in UNREADABLE])
def test_a_signed_item_that_is_none_is_kept_as_evidence(hq: Hq, body: bytes) -> None:
    station = Station()
    station.write(fuelling("f1"), body, fuelling("f3"))
    assert mark(hq.take(station, station.seal(1, 3))) == (3, station.heads[3])
    assert hq.alarms(station) == {"MALFORMED": 1}
    assert hq.totals(station) == {"? malformed": 1, "fuelling ok": 2}


@pytest.mark.parametrize("name", ["x" * 201, "a\x00b", "a\nb"])
def test_an_item_that_no_column_could_hold_is_malformed(hq: Hq, name: str) -> None:
    station = Station()
    station.write(fuelling(name), fuelling("f2"), award("a2", of=2, minor=10**12 + 1))
    assert mark(hq.take(station, station.seal(1, 3))) == (3, station.heads[3])
    assert hq.alarms(station) == {"MALFORMED": 2}
    assert hq.totals(station) == {"fuelling malformed": 1, "fuelling ok": 1, "award malformed": 1}


# --- what is not believed -------------------------------------------------------------------------


def bombs() -> dict[str, bytes]:
    return {
        "NOT_ZLIB": b"hello",
        "TOO_LARGE": zlib.compress(bytes(10_000_000)),
        "MALFORMED": zlib.compress(b"{}\n" + b"A" * 88),
    }


@pytest.mark.parametrize("reason", sorted(bombs()))
def test_garbage_is_refused_counted_and_leaves_nothing(hq: Hq, station: Station, reason: str) -> None:
    for _ in range(3):
        assert hq.take(station, bombs()[reason]) is None
    assert hq.alarms(station) == {reason: 3}
    assert hq.receiver.counters()[reason] == 3
    assert (hq.store.standings(), hq.totals(station)) == ((), {})


def test_a_forged_batch_is_refused(hq: Hq, station: Station) -> None:
    forger = Station(seed=b"F")
    forger.write(fuelling("mine"))
    assert hq.take(station, forger.seal(1, 1)) is None
    assert hq.alarms(station) == {"BAD_SIGNATURE": 1}
    assert hq.totals(station) == {}


def test_every_flipped_bit_of_a_batch_is_refused_or_harmless(hq: Hq, station: Station) -> None:
    """zlib has bits that mean nothing; whatever passes must be the very batch that was signed."""
    payload = station.seal(1, 2)
    for at, bit in itertools.product(range(0, len(payload), 3), (0x01, 0x80)):
        torn = payload[:at] + bytes([payload[at] ^ bit]) + payload[at + 1 :]
        ack = hq.take(station, torn)
        assert ack is None or mark(ack) == (2, station.heads[2])
    assert sum(hq.alarms(station).values()) > 100


def test_a_stranger_is_refused_under_no_name(hq: Hq) -> None:
    stranger = Station("xx-9999", b"X")
    stranger.write(fuelling("f1"))
    assert hq.take(stranger, stranger.seal(1, 1)) is None
    assert hq.alarms() == {"UNKNOWN_STATION": 1}
    assert hq.alarms(stranger) == {}, "names from strangers must not fill HQ's tables"


def test_a_station_writes_under_its_own_name_only(hq: Hq, station: Station) -> None:
    other = Station("cn-0002", b"T")
    hq.store.add_station(other.name, other.key.public.raw, NOW_MS)
    assert hq.receiver.handle(topics.up(other.name, "ledger"), station.seal(1, 2)) == []
    assert hq.receiver.handle(topics.up(station.name, "urgent"), station.seal(1, 2)) == []
    assert hq.alarms(other) == {"WRONG_TOPIC": 1}
    assert hq.alarms(station) == {"WRONG_TOPIC": 1}
    assert hq.store.standings() == ()


@settings(deadline=None, max_examples=100)
@given(topic=st.text(max_size=60) | st.sampled_from(["fs/v1/cn-0001/up/ledger", "x"]), payload=st.binary())
def test_no_topic_and_no_bytes_make_it_raise_or_answer(shared_hq: Hq, topic: str, payload: bytes) -> None:
    assert shared_hq.receiver.handle(topic, payload) == []


@pytest.fixture(scope="module")
def shared_hq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hq]:
    hq = Hq(tmp_path_factory.mktemp("shared") / "hq.db", Station())
    yield hq
    hq.store.close()


# --- hello and state ------------------------------------------------------------------------------


def test_hello_tells_the_watermark_of_every_stream_and_the_time(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 4))
    answer = hq.hello(station)
    assert answer is not None
    assert {one.stream: (one.seq, one.head) for one in answer.streams} == {
        "urgent": (0, encode_head(GENESIS)),
        "ledger": (4, encode_head(station.heads[4])),
        "service": (0, encode_head(GENESIS)),
    }
    assert (answer.highest_epoch, answer.refused, answer.hq_time_ms) == (1, "", NOW_MS)


def test_hello_of_an_old_epoch_is_told_so_and_given_no_marks(hq: Hq, station: Station) -> None:
    hq.hello(Station(epoch=3))
    answer = hq.hello(station)
    assert answer is not None
    assert (answer.refused, answer.highest_epoch, answer.streams) == ("EPOCH_OLD", 3, ())
    assert hq.alarms(station) == {"EPOCH_NEW": 1, "EPOCH_OLD": 1}


def test_a_forged_hello_gets_no_answer(hq: Hq, station: Station) -> None:
    assert hq.hello(station, key_of=Station(seed=b"F")) is None
    assert hq.alarms(station) == {"BAD_SIGNATURE": 1}


def test_hello_and_state_of_one_station_under_anothers_name_are_refused(hq: Hq, station: Station) -> None:
    other = Station("cn-0002", b"T")
    hq.store.add_station(other.name, other.key.public.raw, NOW_MS)
    question = wire.HelloAsk(station=station.name, epoch=1, nonce="0" * 32, agent_version="1", streams=())
    state = wire.State(
        station=station.name, epoch=1, online=False, since_ms=5, agent_version="1", clock_quality="SYNCED"
    )
    signed = wire.sign_hello_ask(question, station.key.sign)
    assert hq.receiver.handle(topics.rpc(other.name, topics.HELLO), signed) == []
    assert hq.receiver.handle(topics.state(other.name), wire.sign_state(state, station.key.sign)) == []
    assert hq.alarms(other) == {"WRONG_TOPIC": 2}
    assert [line.state for line in hq.store.stations()] == [None, None]


def test_the_last_state_of_a_station_is_kept_if_it_signed_it(hq: Hq, station: Station) -> None:
    state = wire.State(
        station=station.name, epoch=1, online=True, since_ms=5, agent_version="1", clock_quality="SYNCED"
    )
    assert hq.receiver.handle(topics.state(station.name), wire.sign_state(state, station.key.sign)) == []
    forged = state.model_copy(update={"online": False})
    hq.receiver.handle(topics.state(station.name), wire.sign_state(forged, HQ_KEY.sign))
    assert hq.receiver.handle(topics.state(station.name), b"") == [], "a cleared retained message"
    [line] = hq.store.stations()
    assert line.state is not None
    assert json.loads(line.state)["online"] is True
    assert hq.alarms(station) == {"BAD_SIGNATURE": 1}
