"""Integration: does a forged, foreign, torn or huge message on the road to HQ, or on the socket, do harm?

The stranger of these tests may write to every topic at the broker. After each test the same processes
run, and station and headquarters hold each sale once.
"""

import json
import random
import socket
import time
import zlib
from dataclasses import dataclass

import pytest

from sync import topics, wire
from sync.dictionary import DICTIONARY
from sync.envelope import GENESIS, MAX_INFLATED_BYTES, Header, encode_head, seal
from sync.keys import SigningKey
from sync.outbox import STREAMS
from sync.signing import MEMBERS_TYPE, sign_document
from tests.integration.station.odd_station import odd_station, until

MINE, OTHER = "odd-1", "odd-2"
STRANGER = SigningKey(b"s" * 32)
BOMB = zlib.compress(bytes(100_000_000), 9)
GARBAGE = random.Random(7).randbytes(500)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with odd_station(tmp_path_factory.mktemp("odd")) as station:
        yield station


@pytest.fixture
def station(opened):
    yield opened
    opened.sell_everywhere()
    opened.is_unharmed()


# What comes to the station.


@dataclass
class Standing:
    """Where the ledger stream stands at the station, as an ack would say it."""

    seq: int
    head: bytes

    def ack(self, **changes: object) -> wire.Ack:
        said = {"station": MINE, "epoch": 1, "stream": "ledger", "seq": self.seq}
        said |= {"head": encode_head(self.head), "hq_time_ms": 1_783_476_000_000}
        return wire.Ack(**(said | changes))  # type: ignore[arg-type]


@pytest.fixture
def standing(station):
    assert station.stage.drain(20)
    [(seq, head)] = station.rows(
        "SELECT seq, hex(head) FROM outbox WHERE stream = 'ledger' ORDER BY seq DESC"
    )[:1]
    return Standing(seq, bytes.fromhex(head))


def test_acks_that_nobody_or_a_stranger_signed_prune_nothing(station, standing):
    mine = wire.sign_ack(standing.ack(), STRANGER.sign)
    torn = wire.sign_ack(standing.ack(), station.hq_sign)[:-9]
    with station.seen_in_status(
        {"road ACK_BAD_SIGNATURE": 2, "road ACK_MALFORMED": 3, "road ACK_TOO_LARGE": 1}
    ):
        for payload in (mine, mine.replace(b'"seq":', b'"seq":9', 1), torn, GARBAGE, b""):
            station.publish(topics.ack(MINE), payload)
        station.publish(topics.ack(MINE), bytes(100_000))


def test_acks_of_headquarters_about_something_else_prune_nothing(station, standing):
    foreign = {
        "ACK_FOREIGN": standing.ack(station=OTHER),
        "ACK_OTHER_EPOCH": standing.ack(epoch=2),
        "ACK_BEYOND_END": standing.ack(seq=standing.seq + 1_000),
    }
    with station.seen_in_status({f"road {code}": 1 for code in foreign}):
        for ack in foreign.values():
            station.publish(topics.ack(MINE), wire.sign_ack(ack, station.hq_sign))


def test_an_ack_of_other_rows_halts_the_stream_until_headquarters_is_asked_again(station, standing):
    ack = standing.ack(head=encode_head(bytes(32)))
    with station.seen_in_status({"road CHAIN_MISMATCH": 1}):
        station.publish(topics.ack(MINE), wire.sign_ack(ack, station.hq_sign))
    shown = station.shown()
    assert shown["road"]["halted"] == {"ledger": "CHAIN_MISMATCH"}
    assert not shown["ok"]
    station.sell_everywhere()
    station.stage.relay.reset()
    until(lambda: not station.stage.status()["road"]["halted"], "the stream to move again")
    assert station.stage.drain(20)


def test_answers_to_questions_that_were_not_asked_move_nothing(station, standing):
    start = {"seq": 0, "head": encode_head(GENESIS)}
    marks = [{"stream": name} | start for name in STREAMS]
    reply = wire.HelloReply.model_validate(
        {"station": MINE, "epoch": 1, "nonce": "0" * 32, "highest_epoch": 1}
        | {"streams": tuple(map(wire.StreamMark.model_validate, marks)), "hq_time_ms": 0}
    )
    told = {
        "HELLO_STALE": wire.sign_hello_reply(reply, station.hq_sign),
        "HELLO_BAD_SIGNATURE": wire.sign_hello_reply(reply, STRANGER.sign),
        "HELLO_MALFORMED": GARBAGE,
        "HELLO_TOO_LARGE": bytes(100_000),
    }
    with station.seen_in_status({f"road {code}": 1 for code in told}):
        for payload in told.values():
            station.publish(topics.down_rpc(MINE), payload, correlation=b"hello:" + b"0" * 32)


def test_whatever_else_comes_down_is_counted_and_left(station):
    with station.seen_in_status(
        {"road DOWN_IGNORED": 2, "road DOWN_MALFORMED": 2, "road DOCUMENT_MALFORMED": 2}
    ):
        station.publish(topics.down_rpc(MINE), GARBAGE)
        station.publish(topics.down_items(MINE), BOMB)
        station.publish(topics.down_items(MINE), b"")
        station.publish(topics.down_keys(MINE), GARBAGE)
        station.publish(f"fs/v1/{MINE}/down/x/y/z", bytes(200_000))
        station.publish(topics.bundle("demo-cn"), GARBAGE)
        station.publish(topics.bundle("another-programme"), GARBAGE)


# What comes to headquarters.


def header(**changes: object) -> Header:
    said = {"station": MINE, "epoch": 1, "stream": "ledger", "first_seq": 1, "count": 1}
    return Header.model_validate(said | {"head_before": encode_head(GENESIS)} | changes)


def test_envelopes_that_are_none_are_refused_by_name(station):
    item = b'{"kind":"fuelling"}'
    sealed = seal(header(), [item], station.station_sign)
    text = zlib.decompressobj(zdict=DICTIONARY).decompress(sealed)
    too_many = zlib.compress(text.replace(b'"count":1', b'"count":2'))
    messages = [
        ("NOT_ZLIB", GARBAGE),
        ("NOT_ZLIB", sealed[: len(sealed) // 2]),
        ("NOT_ZLIB", b""),
        ("TOO_LARGE", BOMB),
        ("TOO_LARGE", bytes(MAX_INFLATED_BYTES + 1)),
        ("MALFORMED", zlib.compress(b"[" * 50_000 + b"\n" + b"A" * 88)),
        ("MALFORMED", zlib.compress(b"\n" * 100)),
        ("BAD_SIGNATURE", too_many),
        ("BAD_SIGNATURE", seal(header(), [item], STRANGER.sign)),
        ("FORKED", sealed),
        ("TOO_FAR_AHEAD", seal(header(first_seq=1_000_000), [item], station.station_sign)),
        ("BROKEN_LINK", seal(header(first_seq=station.next_seq()), [item], station.station_sign)),
    ]
    exactly: dict[str, int] = {}
    for code, _ in messages:
        exactly[f"{code} {MINE}"] = exactly.get(f"{code} {MINE}", 0) + 1
    with station.seen_at_hq(exactly):
        for _, payload in messages:
            station.publish(topics.up(MINE, "ledger"), payload)


def test_a_station_cannot_speak_under_another_name(station):
    """Signed by a known key, on the topic of somebody else; and stations that nobody knows."""
    batch = seal(header(), [b"{}"], station.station_sign)
    unknown = seal(header(station=OTHER), [b"{}"], STRANGER.sign)
    with station.seen_at_hq(
        {"WRONG_TOPIC ": 1, "WRONG_TOPIC odd-1": 1, "UNKNOWN_STATION ": 2, "UNKNOWN_STATION odd-1": 1}
    ):
        station.publish(topics.up(OTHER, "ledger"), batch)
        station.publish(topics.up(MINE, "service"), batch)
        station.publish(topics.up(OTHER, "ledger"), unknown)
        station.publish(topics.up("a-third", "ledger"), unknown)
        station.publish(topics.up(MINE, "ledger"), unknown)


def test_topics_that_are_none_are_counted_under_nobody(station):
    with station.seen_at_hq({"UNKNOWN_TOPIC ": 2, "UNKNOWN_TOPIC odd-1": 1}):
        station.publish("fs/v1/all/up/ledger", GARBAGE)
        station.publish("fs/v1/名字 \u202e/rpc/hello", GARBAGE)
        station.publish(topics.rpc(MINE, "member.guess"), GARBAGE)


def test_questions_and_states_that_are_none_are_refused_by_name(station):
    ask = wire.HelloAsk(station=MINE, epoch=1, nonce="0" * 32, agent_version="1", streams=())
    state = wire.State(
        station=MINE, epoch=1, online=True, since_ms=0, agent_version="1", clock_quality="SYNCED"
    )
    messages = (
        (topics.rpc(MINE, topics.HELLO), lambda sign: wire.sign_hello_ask(ask, sign)),
        (topics.state(MINE), lambda sign: wire.sign_state(state, sign)),
    )
    for topic, signed_by in messages:
        signed = signed_by(station.station_sign)
        deep = b"[" * 8_000 + signed[signed.index(b"\n") :]
        exactly = {"MALFORMED odd-1": 3, "BAD_SIGNATURE odd-1": 1, "TOO_LARGE odd-1": 1, "WRONG_TOPIC ": 1}
        with station.seen_at_hq(exactly):
            for payload in (GARBAGE, signed[:-1], deep, signed_by(STRANGER.sign), BOMB[:60_000]):
                station.publish(topic, payload)
            station.publish(topic.replace(MINE, OTHER), signed)


def test_what_is_more_than_the_broker_takes_reaches_nobody(station):
    with station.seen_at_hq({}), station.seen_in_status({"road ACK_TOO_LARGE": 0}):
        assert not station.publish(topics.up(MINE, "ledger"), bytes(1_000_000))
        assert not station.publish(topics.ack(MINE), bytes(1_000_000))


# What comes to the control socket.


def test_requests_on_the_socket_that_are_none_are_refused_by_name(station):
    say = station.on_the_socket
    with station.seen_in_status({"socket NOT_JSON": 5, "socket UNKNOWN_VERB": 6}):
        for nonsense in (b"\n", b"\xff\xfe\n", b"[" * 200_000 + b"\n", b'{"verb":\n', b"1" * 10_000 + b"\n"):
            assert say(nonsense)["reason"] == "NOT_JSON"
        for request in ([], 1, {}, {"verb": None}, {"verb": ["status"]}, {"verb": {"status": 1}}):
            assert say(json.dumps(request).encode() + b"\n")["reason"] == "UNKNOWN_VERB"


def test_documents_that_headquarters_did_not_sign_are_not_loaded(station):
    members = station.stage.status()["member_snapshot"]
    for document, reason in (
        (GARBAGE, "DOCUMENT_MALFORMED"),
        (b"[" * 100_000, "DOCUMENT_MALFORMED"),
        (b'{"payload":1,"payloadType":[],"signatures":{}}', "DOCUMENT_MALFORMED"),
        (sign_document(MEMBERS_TYPE, b"{}", STRANGER), "DOCUMENT_UNTRUSTED"),
        (station.hq_document("text/plain", b"{}"), "DOCUMENT_TYPE"),
        (station.hq_document(MEMBERS_TYPE, b"[" * 10_000), "SNAPSHOT_MALFORMED"),
        (bytes(17_000_000), "DOCUMENT_TOO_LARGE"),
    ):
        assert station.load(document)["reason"] == reason
    assert station.on_the_socket(b'{"verb":"load","document":{"a":1}}\n')["reason"] == "NOT_BASE64"
    assert station.stage.status()["member_snapshot"] == members


def test_who_is_slow_or_goes_away_holds_up_nobody(station):
    with station.seen_in_status({"socket CLIENT_GONE": 2}):
        for half in (b"", b'{"verb":'):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(station.stage.socket))
                client.sendall(half)
                began = time.monotonic()
                assert station.stage.status()["ok"]
                assert time.monotonic() - began < 5
