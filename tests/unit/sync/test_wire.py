"""Unit: do signed lines open only as what they were signed as, and only inside the contract?"""

import base64
import json

import pytest

from sync import questions, signed_line, wire
from sync.envelope import GENESIS, encode_head
from sync.keys import SigningKey
from sync.refusal import Refusal

HQ = SigningKey(bytes(range(32)))
STATION = SigningKey(bytes(range(1, 33)))
HEAD = encode_head(GENESIS)
ACK = wire.Ack(station="cn-0001", epoch=1, stream="ledger", seq=9, head=HEAD, hq_time_ms=5)
ASK = wire.HelloAsk(
    station="cn-0001",
    epoch=1,
    nonce="0" * 32,
    agent_version="0.1.0",
    streams=(wire.StreamEnd(stream="ledger", last_seq=9, watermark=3),),
)
REPLY = wire.HelloReply(
    station="cn-0001",
    epoch=1,
    nonce="0" * 32,
    highest_epoch=1,
    streams=(wire.StreamMark(stream="ledger", seq=9, head=HEAD),),
    hq_time_ms=5,
)
STATE = wire.State(
    station="cn-0001", epoch=1, online=True, since_ms=1, agent_version="0.1.0", clock_quality="SYNCED"
)

MAY = questions.AuthoriseAsk(
    station="cn-0001", nonce="0" * 32, redemption="r-17", member="m-1", minor=1000, at_ms=1
)
ALLOWED = questions.AuthoriseReply(
    station="cn-0001", nonce="0" * 32, redemption="r-17", balance_minor=5000, as_of_ms=2
)
CREDENTIAL = "k1:" + "A" * 22
WHO = questions.LookupAsk(station="cn-0001", nonce="0" * 32, credential=CREDENTIAL, at_ms=1)
NOBODY = questions.LookupReply(station="cn-0001", nonce="0" * 32, code="MEMBER_UNKNOWN", as_of_ms=2)


def test_each_kind_opens_as_itself() -> None:
    trusted = [SigningKey(bytes(32)).public.verify, HQ.public.verify]
    assert wire.open_ack(wire.sign_ack(ACK, HQ.sign), trusted) == ACK
    assert wire.open_hello_reply(wire.sign_hello_reply(REPLY, HQ.sign), trusted) == REPLY
    known = {"cn-0001": STATION.public.verify}.get
    assert wire.open_hello_ask(wire.sign_hello_ask(ASK, STATION.sign), known) == ASK
    assert wire.open_state(wire.sign_state(STATE, STATION.sign), known) == STATE
    asked, answered = (
        questions.sign_authorise_ask(MAY, STATION.sign),
        questions.sign_authorise_reply(ALLOWED, HQ.sign),
    )
    assert questions.open_authorise_ask(asked, known) == MAY
    assert questions.open_authorise_reply(answered, trusted) == ALLOWED
    asked, answered = (
        questions.sign_lookup_ask(WHO, STATION.sign),
        questions.sign_lookup_reply(NOBODY, HQ.sign),
    )
    assert questions.open_lookup_ask(asked, known) == WHO
    assert questions.open_lookup_reply(answered, trusted) == NOBODY
    assert _reason(
        questions.open_lookup_reply(questions.sign_authorise_reply(ALLOWED, HQ.sign), trusted)
    ) == ("BAD_SIGNATURE")


def test_a_lookup_asks_for_one() -> None:
    for both_or_none in ({"member": "m-1", "credential": CREDENTIAL}, {}):
        with pytest.raises(ValueError, match="one of them"):
            questions.LookupAsk.model_validate(
                {"station": "cn-0001", "nonce": "0" * 32, "at_ms": 1, **both_or_none}
            )


def test_the_bytes_of_an_ack_are_as_written_down() -> None:
    line, _, signature = wire.sign_ack(ACK, HQ.sign).partition(b"\n")
    assert json.loads(line) == {
        "v": 1,
        "station": "cn-0001",
        "epoch": 1,
        "stream": "ledger",
        "seq": 9,
        "head": HEAD,
        "hq_time_ms": 5,
        "mismatched": 0,
    }
    assert HQ.public.verify(b"forecourt/ack/1\n" + line + b"\n", base64.b64decode(signature))


def test_no_kind_opens_as_another() -> None:
    trusted = [HQ.public.verify]
    line = ACK.model_dump_json().encode() + b"\n"
    disguised = line + base64.b64encode(HQ.sign(b"forecourt/hello/1\n" + line))
    assert _reason(wire.open_ack(disguised, trusted)) == "BAD_SIGNATURE"


def test_station_messages_need_the_stations_own_key() -> None:
    forged = wire.sign_hello_ask(ASK, HQ.sign)
    assert _reason(wire.open_hello_ask(forged, lambda s: STATION.public.verify)) == "BAD_SIGNATURE"
    assert _reason(wire.open_hello_ask(forged, lambda s: None)) == "UNKNOWN_STATION"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\n",
        b"{}",
        b"{}\n",
        b"{}\n!!!",
        b"{}\n" + base64.b64encode(bytes(63)),
        wire.sign_ack(ACK, HQ.sign) + b"\n",
        wire.sign_ack(ACK, HQ.sign).replace(b"\n", b"\n\n"),
    ],
)
def test_malformed(payload: bytes) -> None:
    assert _reason(wire.open_ack(payload, [HQ.public.verify])) == "MALFORMED"


def test_oversized() -> None:
    assert _reason(wire.open_ack(bytes(signed_line.MAX_BYTES + 1), [HQ.public.verify])) == "TOO_LARGE"


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"seq": 2**53},
        {"seq": 1.0},
        {"seq": "9"},
        {"seq": True},
        {"head": HEAD[:-1]},
        {"v": 2},
        {"stream": "x"},
        {"mismatched": -1},
        {"more": 1},
    ],
)
def test_signed_but_outside_the_contract(change: dict[str, object]) -> None:
    line = json.dumps(ACK.model_dump() | change).encode() + b"\n"
    payload = line + base64.b64encode(HQ.sign(b"forecourt/ack/1\n" + line))
    assert _reason(wire.open_ack(payload, [HQ.public.verify])) == "MALFORMED"


def test_reply_says_the_same_as_acks() -> None:
    assert REPLY.acks() == (ACK,)
    told = REPLY.model_copy(update={"mismatched": 3})
    assert [ack.mismatched for ack in told.acks()] == [3]


@pytest.mark.parametrize("fork", [(3, ""), (0, HEAD), (-1, HEAD), (3, HEAD[:-1])])
def test_half_a_fork_is_outside_the_contract(fork: tuple[int, str]) -> None:
    end = ASK.streams[0].model_dump() | {"fork_seq": fork[0], "fork_head": fork[1]}
    line = json.dumps(ASK.model_dump() | {"streams": [end]}).encode() + b"\n"
    payload = line + base64.b64encode(STATION.sign(b"forecourt/hello-ask/1\n" + line))
    assert _reason(wire.open_hello_ask(payload, lambda s: STATION.public.verify)) == "MALFORMED"


def _reason(outcome: object) -> str:
    assert isinstance(outcome, Refusal)
    return outcome.reason
