"""Unit: does what HQ issues reach its station once, in order, and is what became of it kept?"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from sync import topics, wire
from sync.authority_folder import AuthorityFolder
from sync.certificates import make_key, make_request
from sync.down import open_down
from sync.hq import editions
from sync.hq.certifying import Certifier
from sync.hq.delivery import WINDOW
from sync.hq.publisher import Issued, Order, Publisher
from sync.hq.store.documents import Edition
from sync.hq.view import STALE_MS, lags, nearest_rank
from sync.keys import SigningKey
from sync.refusal import Refusal
from tests.unit.hq.down_stand import DOWN_KEY, HOUR_MS, Headquarters, item, items_of, numbers
from tests.unit.hq.stand import HQ_KEY, NOW_MS, Station


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def other() -> Station:
    return Station("cn-0002", b"T")


@pytest.fixture
def hq(tmp_path: Path, station: Station, other: Station) -> Iterator[Headquarters]:
    hq = Headquarters(tmp_path / "hq.db", station, other)
    yield hq
    hq.store.close()


def test_numbers_have_no_gap_and_each_station_has_its_own(
    hq: Headquarters, station: Station, other: Station
) -> None:
    hq.issue(station)
    both = hq.issue(other, station, member="m-2")
    assert [(one.station, one.down_seq) for one in both] == [("cn-0001", 2), ("cn-0002", 1)]
    assert both[0].id == both[1].id, "one word, one name"
    downs = items_of(hq.hello(station), station)
    assert [(down.down_seq, down.kind, down.body["member"]) for down in downs] == [
        (1, "freeze", "m-1"),
        (2, "freeze", "m-2"),
    ]
    assert {(down.issued_at_ms, down.not_after_ms) for down in downs} == {(NOW_MS, NOW_MS + HOUR_MS)}


def test_the_same_id_is_issued_once_and_says_one_thing(hq: Headquarters, station: Station) -> None:
    [first] = hq.issue(station, id="case-7")
    [again] = hq.issue(station, id="case-7")
    assert (first.down_seq, first.is_new, again.down_seq, again.is_new) == (1, True, 1, False)
    order = Order("freeze", {"member": "m-9", "reason": "asked"}, NOW_MS + HOUR_MS, "case-7")
    refusal = hq.publisher.issue([station.name], order)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "DOWN_ID_TAKEN"
    assert numbers(hq.hello(station), station) == [1]


def test_what_cannot_be_issued_is_refused_before_anything_is(hq: Headquarters, station: Station) -> None:
    def reason(names: list[str], order: Order) -> str:
        refusal = hq.publisher.issue(names, order)
        assert isinstance(refusal, Refusal)
        return refusal.reason

    fine = Order("freeze", {}, NOW_MS, "x")
    assert reason([station.name, "cn-0009"], fine) == "UNKNOWN_STATION"
    assert reason([station.name], Order("freeze", {"text": "x" * 100_000}, NOW_MS)) == "DOWN_TOO_LARGE"
    assert reason([station.name], Order("freeze", {}, NOW_MS, "no spaces")) == "DOWN_MALFORMED"
    assert numbers(hq.hello(station), station) == []


def test_the_largest_item_that_is_taken_fits_the_wire(hq: Headquarters, station: Station) -> None:
    length = next(
        n
        for n in range(96_000, 90_000, -10)
        if not isinstance(
            hq.publisher.issue([station.name], Order("freeze", {"t": "x" * n}, NOW_MS, f"t{n}")), Refusal
        )
    )
    [down] = items_of(hq.hello(station), station)
    assert len(down.body["t"]) == length > 93_000


def test_a_hello_is_answered_with_what_lies_behind_its_number(hq: Headquarters, station: Station) -> None:
    for n in range(5):
        hq.issue(station, member=f"m-{n}")
    replies = hq.hello(station, down_seq=3)
    assert [reply.topic.rsplit("/", 1)[1] for reply in replies] == ["rpc", "items", "items"]
    answer = wire.open_hello_reply(replies[0].payload, [HQ_KEY.public.verify])
    assert isinstance(answer, wire.HelloReply)
    assert answer.down_seq == 5
    assert numbers(replies, station) == [4, 5]
    assert numbers(hq.hello(station, down_seq=3), station) == [4, 5], "asked again: said again"
    assert numbers(hq.hello(station, down_seq=5), station) == []


def test_at_most_a_window_is_on_its_way_and_applied_moves_it(hq: Headquarters, station: Station) -> None:
    for n in range(WINDOW + 5):
        hq.issue(station, member=f"m-{n}")
    first = items_of(hq.hello(station), station)
    assert [down.down_seq for down in first] == list(range(1, WINDOW + 1))
    assert hq.receiver.due() == []
    assert numbers(hq.apply(station, *first[:3]), station) == [WINDOW + 1, WINDOW + 2, WINDOW + 3]
    assert numbers(hq.apply(station, *first[3:]), station) == [WINDOW + 4, WINDOW + 5]


def test_what_is_issued_later_is_found_once_by_one_worker(
    hq: Headquarters, station: Station, other: Station, tmp_path: Path
) -> None:
    second = Headquarters(tmp_path / "hq.db")
    hq.hello(station)
    assert hq.receiver.due() == []
    hq.issue(station, other)
    found = hq.receiver.due()
    assert (numbers(found, station), numbers(found, other)) == ([1], [1])
    assert second.receiver.due() == []
    assert all(reply.is_item and not reply.retain for reply in found)
    second.store.close()


def test_a_verdict_is_kept_and_a_refusal_is_an_alarm(hq: Headquarters, station: Station) -> None:
    hq.issue(station, id="good")
    hq.issue(station, id="bad")
    good, bad = items_of(hq.hello(station), station)
    hq.clock.now_ms += 1_500
    hq.apply(station, good)
    hq.apply(station, bad, verdict="DOWN_EXPIRED")
    with hq.store.read() as asked:
        lines = asked.down.lines(station.name, 10)
    told = [(line.id, line.verdict, line.applied_at_ms) for line in lines]
    assert told == [("bad", "DOWN_EXPIRED", NOW_MS + 1_500), ("good", "", NOW_MS + 1_500)]
    [alarm] = hq.store.alarms(station.name)
    assert (alarm.code, alarm.detail) == ("DOWN_REFUSED", "2 freeze bad: DOWN_EXPIRED ")


def test_applied_of_something_that_was_never_issued_is_an_alarm(hq: Headquarters, station: Station) -> None:
    hq.issue(station, id="mine")
    hq.take(station, item("applied", seq=1, id="somebodys"), item("applied", seq=7, id="mine"))
    assert hq.alarms(station) == {"DOWN_UNKNOWN": 2}
    assert numbers(hq.hello(station), station) == [1]


def test_a_restored_hq_numbers_on_behind_what_the_station_has_seen(
    hq: Headquarters, station: Station
) -> None:
    hq.issue(station, id="before")
    hq.apply(station, *items_of(hq.hello(station), station))
    hq.issue(station, id="collides")
    assert numbers(hq.hello(station, down_seq=8), station) == []
    assert hq.alarms(station) == {"DOWN_BEHIND": 1}
    [again] = hq.issue(station, id="collides")
    [new] = hq.issue(station, id="new")
    assert (again.down_seq, again.is_new, new.down_seq) == (9, True, 10)
    assert [down.id for down in items_of(hq.hello(station, down_seq=8), station)] == ["collides", "new"]
    [kept] = hq.issue(station, id="before")
    assert (kept.down_seq, kept.is_new) == (1, False)
    assert hq.alarms(station) == {"DOWN_BEHIND": 1}


def test_a_restored_station_is_told_again(hq: Headquarters, station: Station) -> None:
    for n in range(4):
        hq.issue(station, member=f"m-{n}")
    hq.apply(station, *items_of(hq.hello(station), station))
    assert numbers(hq.hello(station, down_seq=1), station) == [2, 3, 4]
    assert hq.alarms(station) == {}


def test_a_station_of_an_old_epoch_is_told_nothing_but_why(hq: Headquarters, station: Station) -> None:
    hq.issue(station)
    hq.take(station, item("fuelling", id="f1"))
    assert numbers(hq.hello(Station(epoch=2)), station) == [1]
    [answer] = hq.hello(station)
    reply = wire.open_hello_reply(answer.payload, [HQ_KEY.public.verify])
    assert isinstance(reply, wire.HelloReply)
    assert reply.refused == "EPOCH_OLD"


def test_items_are_signed_by_every_key_and_anew_after_a_change(tmp_path: Path, station: Station) -> None:
    second, third = SigningKey(b"2" * 32), SigningKey(b"3" * 32)
    hq = Headquarters(tmp_path / "hq.db", station, down_keys=(DOWN_KEY, second))
    hq.issue(station, id="one")
    [reply] = [reply for reply in hq.hello(station) if reply.topic == topics.down_items(station.name)]
    before = open_down(reply.payload, [DOWN_KEY.public, second.public], threshold=2)
    assert not isinstance(before, Refusal)
    assert Publisher(hq.store, [third], hq.clock).sign_again(station.name) == 1
    [after] = items_of(hq.hello(station), station, [third.public])
    assert after == before
    assert isinstance(open_down(reply.payload, [third.public], 1), Refusal)
    hq.store.close()


def test_a_station_that_sells_nothing_changes_its_key_with_its_first_question(
    hq: Headquarters, station: Station
) -> None:
    old, new = station.key, SigningKey(b"N" * 32)
    announced = {"key": base64.b64encode(new.public.raw).decode()}
    assert hq.take(station, item("station.key", **announced)) != []
    assert hq.hello(station) != [], "the old one may still ask"
    assert hq.store.public_key(station.name) == old.public.raw
    station.key = new
    assert hq.hello(station) != []
    assert hq.store.public_key(station.name) == new.public.raw
    station.key = old
    assert hq.hello(station) == [], "the old one is over"


def test_a_station_changes_its_key_with_its_first_envelope(hq: Headquarters, station: Station) -> None:
    old, new = station.key, SigningKey(b"N" * 32)
    assert hq.take(station, item("fuelling", id="f0"), signed_by=new) == []
    station.bodies.clear()
    del station.heads[1:]
    announced = {"key": base64.b64encode(new.public.raw).decode()}
    assert hq.take(station, item("station.key", **announced)) != []
    assert hq.take(station, item("fuelling", id="f1")) != []
    assert hq.store.public_key(station.name) == old.public.raw
    assert hq.take(station, item("fuelling", id="f2"), signed_by=new) != []
    assert hq.store.public_key(station.name) == new.public.raw
    assert hq.take(station, item("fuelling", id="f3")) == [], "the old one is over"
    assert hq.alarms(station) == {"BAD_SIGNATURE": 2}


def test_a_question_for_a_certificate_is_answered_by_an_item(tmp_path: Path, station: Station) -> None:
    authority = AuthorityFolder.create(tmp_path / "ca", "tests", NOW_MS)
    assert isinstance(authority, AuthorityFolder)
    plain = Headquarters(tmp_path / "hq.db", station)
    certify = Certifier(authority, plain.publisher, plain.clock)
    hq = Headquarters(tmp_path / "hq.db", certify=certify)
    csr = make_request(make_key(), station.name)
    foreign = make_request(make_key(), "cn-0002")
    assert isinstance(csr, bytes)
    assert isinstance(foreign, bytes)
    replies = hq.take(station, item("certificate.request", id="q1", csr=csr.decode()))
    [down] = items_of(replies, station)
    assert down.kind == "certificate"
    [certificate] = x509.load_pem_x509_certificates(down.body["chain"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={station.name}"
    assert (
        numbers(hq.take(station, item("certificate.request", id="q2", csr=foreign.decode())), station) == []
    )
    assert hq.alarms(station) == {"UNKNOWN_STATION": 1}
    hq.store.close()
    plain.store.close()


def _adopted(content: bytes, what: str = "bundle", version: int = 7) -> bytes:
    sha256 = hashlib.sha256(content).hexdigest()
    return item("adopted", what=what, name="2026-07", version=version, sha256=sha256)


def test_two_contents_of_one_version_are_an_alarm(hq: Headquarters, station: Station, other: Station) -> None:
    hq.take(station, _adopted(b"rules"))
    hq.take(other, _adopted(b"rules"), _adopted(b"mine", what="members"))
    hq.take(station, _adopted(b"yours", what="members"))
    assert hq.alarms(station) == hq.alarms(other) == {}
    hq.take(other, _adopted(b"other rules"))
    assert hq.alarms(other) == {"EQUIVOCATION": 1}
    hq.take(station, _adopted(b"not yours", what="members"))
    assert hq.alarms(station) == {"EQUIVOCATION": 1}


def test_a_station_that_holds_other_rules_than_were_published_is_an_alarm(
    hq: Headquarters, station: Station
) -> None:
    published = Edition("bundle", "2026-07", 7, "", hashlib.sha256(b"rules").hexdigest())
    forged = Edition("bundle", "2026-07", 7, "", hashlib.sha256(b"others").hexdigest())
    with hq.store.write() as tx:
        assert editions.publish(tx, published, b"signed", NOW_MS, "demo-cn") is None
        refusal = editions.publish(tx, forged, b"forged", NOW_MS, "demo-cn")
    assert refusal is not None
    assert refusal.reason == "EDITION_TAKEN"
    hq.take(station, _adopted(b"others"))
    assert hq.alarms(station) == {"EQUIVOCATION": 1}


def test_rules_are_retained_for_the_programme_and_said_again_to_every_broker(
    hq: Headquarters, station: Station
) -> None:
    hq.take(station, _adopted(b"v8", version=8))
    with hq.store.write() as tx:
        for version in (7, 8):
            sha256 = hashlib.sha256(f"v{version}".encode()).hexdigest()
            edition = Edition("bundle", "2026-07", version, "", sha256)
            assert editions.publish(tx, edition, b"signed %d" % version, NOW_MS, "demo-cn") is None
    [reply] = hq.receiver.due()
    assert (reply.topic, reply.payload, reply.retain) == (topics.bundle("demo-cn"), b"signed 8", True)
    assert hq.receiver.due() == []
    assert hq.receiver.for_all() == [reply]


def test_the_lag_of_a_station_is_measured_from_issuing_to_knowing(
    hq: Headquarters, station: Station, other: Station
) -> None:
    hq.hello(station)
    for n in range(20):
        hq.issue(station, member=f"m-{n}")
    downs = items_of(hq.receiver.due(), station)
    for n, down in enumerate(downs, 1):
        hq.clock.now_ms = NOW_MS + n * 100
        hq.apply(station, down)
    hq.issue(station, other, member="last")
    hq.clock.now_ms += STALE_MS + 1
    hq.apply(other, *items_of(hq.hello(other), other))
    here, there = lags(hq.store, hq.clock.now_ms)
    assert (here.issued_seq, here.obeyed_seq, here.waiting, here.refused) == (21, 20, 1, 0)
    assert (here.p50_ms, here.p95_ms, here.oldest_ms, here.is_stale) == (1_000, 1_900, STALE_MS + 1, True)
    assert (there.p50_ms, there.waiting, there.oldest_ms, there.is_stale) == (STALE_MS + 1, 0, None, False)


@pytest.mark.parametrize(("percent", "rank"), [(50, 5), (95, 10), (100, 10), (10, 1), (11, 2)])
def test_percentiles_are_of_the_nearest_rank(percent: int, rank: int) -> None:
    assert nearest_rank(list(range(1, 11)), percent) == rank
    assert nearest_rank([], percent) is None


def test_what_is_issued_in_a_transaction_that_fails_was_never_issued(
    hq: Headquarters, station: Station
) -> None:
    def fail_after_issuing() -> None:
        with hq.store.write() as tx:
            issued = hq.publisher.issue_in(tx, station.name, Order("freeze", {}, NOW_MS), NOW_MS)
            assert isinstance(issued, Issued)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_issuing()
    assert numbers(hq.hello(station), station) == []
    [first] = hq.issue(station)
    assert first.down_seq == 1


def test_what_is_stored_is_what_is_sent(hq: Headquarters, station: Station) -> None:
    hq.issue(station)
    [reply] = [reply for reply in hq.hello(station) if reply.topic == topics.down_items(station.name)]
    with hq.store.read() as asked:
        [(down_seq, document)] = asked.down.unheard(station.name)
    assert (down_seq, document) == (1, reply.payload)
    assert json.loads(document)["payloadType"] == "application/vnd.forecourt.down+json"
