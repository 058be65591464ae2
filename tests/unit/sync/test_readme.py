"""Unit: are the worked examples in sync/README.md true?"""

import base64
import re
from pathlib import Path

import pytest

import sync
from sync import questions, signing, wire
from sync.down import Down, open_down
from sync.envelope import GENESIS, Header, encode_head, leaf, next_head
from sync.keys import SigningKey
from sync.outbox import STREAMS

README = (Path(sync.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_worked_example() -> None:
    key = SigningKey(bytes(range(32)))
    item = b'{"kind":"fuelling","n":1}'
    header = Header(
        station="cn-0001", epoch=1, stream="ledger", first_seq=1, count=1, head_before=encode_head(GENESIS)
    )
    signed = header.model_dump_json().encode() + b"\n" + item + b"\n"
    for line in (
        f"item        {item.decode()}",
        f"leaf        {leaf(item).hex()}",
        f"head after  {encode_head(next_head(GENESIS, item))}",
        f"header      {header.model_dump_json()}",
        f"signature   {base64.b64encode(key.sign(b'forecourt/envelope/1' + bytes([10]) + signed)).decode()}",
    ):
        assert f"\n{line}\n" in README
    assert f"`{key.public.text}`" in README


STATION_KEY, HQ_KEY = SigningKey(bytes(range(32))), SigningKey(bytes(range(32, 64)))


def example(label: str) -> str:
    """What stands behind that label, on a line of its own."""
    [found] = re.findall(rf"^{label} {{2,}}(\S.*)$", README, re.MULTILINE)
    return str(found)


def signed(label: str) -> bytes:
    return f"{example(label)}\n{example(f'{label} signature')}".encode()


def test_worked_examples_of_signed_lines() -> None:
    asked = wire.open_hello_ask(signed("ask"), {"cn-0001": STATION_KEY.public.verify}.get)
    replied = wire.open_hello_reply(signed("reply"), [HQ_KEY.public.verify])
    acknowledged = wire.open_ack(signed("ack"), [HQ_KEY.public.verify])
    assert isinstance(asked, wire.HelloAsk)
    assert isinstance(replied, wire.HelloReply)
    assert isinstance(acknowledged, wire.Ack)
    assert replied.nonce == asked.nonce
    assert {mark.stream for mark in replied.streams} == set(STREAMS)
    assert f"head after  {acknowledged.head}\n" in README
    assert f"public `{HQ_KEY.public.text}`, `keyid` `{HQ_KEY.public.key_id}`" in README


LINES = {
    "ack": wire.Ack,
    "hello ask": wire.HelloAsk,
    "hello reply": wire.HelloReply,
    "state": wire.State,
    "metrics": wire.Metrics,
    "authorise ask": questions.AuthoriseAsk,
    "authorise reply": questions.AuthoriseReply,
    "lookup ask": questions.LookupAsk,
    "lookup reply": questions.LookupReply,
}


@pytest.mark.parametrize("name", LINES)
def test_the_table_of_signed_lines_names_every_member_and_the_context(name: str) -> None:
    [(signer, context, members)] = re.findall(
        rf"^\| {name} \| (station|HQ) \| `(forecourt/[a-z-]+/1)\\n` \| (.*) \|$", README, re.MULTILINE
    )
    fields = set(LINES[name].model_fields)
    assert fields <= set(re.findall(r"[a-z_]+", members))
    private = "_" + name.upper().replace(" ", "_")
    known = {**vars(wire), **vars(questions)}
    assert known[private] == context.encode() + b"\n"
    assert signer == ("HQ" if name == "ack" or name.endswith("reply") else "station")


def test_every_type_of_a_document_has_a_row() -> None:
    types = {made for name, made in vars(signing).items() if name.endswith("_TYPE") and name.isupper()}
    types -= {signing.CONTENT_TYPE}
    told = re.findall(r"^\| `(application/vnd\.forecourt\.[a-z+]+)` \|", README, re.MULTILINE)
    assert sorted(told) == sorted(types)
    assert signing.CONTENT_TYPE in README


def test_worked_example_of_a_down_item() -> None:
    payload, signature = example("down payload").encode(), example("down signature")
    over = example("down signed").replace("<the payload>", payload.decode()).encode()
    assert HQ_KEY.public.verify(over, base64.b64decode(signature))
    message = example("down message").replace("<the signature>", signature)
    message = message.replace("<base64 of the payload>", base64.b64encode(payload).decode())
    item = open_down(message.encode(), [HQ_KEY.public], 1)
    assert isinstance(item, Down)
    assert (item.station, item.down_seq, item.kind) == ("cn-0001", 1, "pause")
