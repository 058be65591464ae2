"""Property: whatever bytes come, is the answer a value, and never something that was not signed?"""

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from sync import wire
from sync.dictionary import DICTIONARY
from sync.envelope import GENESIS, MAX_ITEMS, Envelope, Header, encode_head, next_head, open_, seal
from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, open_document, sign_document

KEY = SigningKey(bytes(range(32)))
BODY = st.binary(max_size=300).map(lambda raw: raw.replace(b"\n", b" "))
ACK = wire.Ack(station="cn-0001", epoch=1, stream="ledger", seq=9, head="A" * 43, hq_time_ms=5)
SIGNED_ACK = wire.sign_ack(ACK, KEY.sign)
DOCUMENT = sign_document(BUNDLE_TYPE, b"a = 1\n", KEY)


def _sealed(bodies: list[bytes], head: bytes = GENESIS) -> bytes:
    header = Header(
        station="cn-0001",
        epoch=1,
        stream="ledger",
        first_seq=1,
        count=len(bodies),
        head_before=encode_head(head),
    )
    return seal(header, bodies, KEY.sign)


def _open(payload: bytes) -> Envelope | Refusal:
    return open_(payload, lambda station: KEY.public.verify)


@settings(deadline=None)
@given(st.lists(BODY, min_size=1, max_size=MAX_ITEMS), st.binary(min_size=32, max_size=32))
def test_what_was_sealed_opens_verbatim_with_the_right_head(bodies: list[bytes], head: bytes) -> None:
    opened = _open(_sealed(bodies, head))
    assert isinstance(opened, Envelope)
    assert opened.bodies == tuple(bodies)
    for body in bodies:
        head = next_head(head, body)
    assert opened.head_after == head


@settings(deadline=None)
@given(st.binary(max_size=2_000), st.booleans())
def test_any_bytes_are_refused_without_an_exception(raw: bytes, squeeze: bool) -> None:
    payload = zlib.compress(raw) if squeeze else raw
    assert isinstance(_open(payload), Refusal)
    assert isinstance(wire.open_ack(raw, [KEY.public.verify]), Refusal)
    assert isinstance(wire.open_hello_reply(raw, [KEY.public.verify]), Refusal)
    assert isinstance(wire.open_hello_ask(raw, lambda station: KEY.public.verify), Refusal)
    assert isinstance(wire.open_state(raw, lambda station: KEY.public.verify), Refusal)
    assert isinstance(open_document(raw, BUNDLE_TYPE, [KEY.public]), Refusal)


@settings(deadline=None)
@given(st.data())
def test_one_changed_byte_never_opens_as_something_else(data: st.DataObject) -> None:
    payload = _sealed([b'{"kind":"fuelling","n":1}', b'{"kind":"award","n":2}'])
    text = zlib.decompressobj(zdict=DICTIONARY).decompress(payload)
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != text[at]))
    changed = text[:at] + bytes([byte]) + text[at + 1 :]
    opened = _open(zlib.compress(changed))
    assert isinstance(opened, Refusal)


@settings(deadline=None)
@given(st.integers(0, len(SIGNED_ACK) - 1), st.integers(1, 255))
def test_one_changed_byte_of_an_ack_never_opens(at: int, flip: int) -> None:
    changed = SIGNED_ACK[:at] + bytes([SIGNED_ACK[at] ^ flip]) + SIGNED_ACK[at + 1 :]
    assert isinstance(wire.open_ack(changed, [KEY.public.verify]), Refusal)


@settings(deadline=None)
@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_one_changed_byte_of_a_document_never_gives_another_payload(at: int, flip: int) -> None:
    changed = DOCUMENT[:at] + bytes([DOCUMENT[at] ^ flip]) + DOCUMENT[at + 1 :]
    opened = open_document(changed, BUNDLE_TYPE, [KEY.public])
    assert isinstance(opened, Refusal) or opened == b"a = 1\n"


@settings(deadline=None)
@given(st.lists(BODY, min_size=2, max_size=20), st.data())
def test_every_order_and_every_subset_has_another_head(bodies: list[bytes], data: st.DataObject) -> None:
    other = data.draw(st.permutations(bodies))[: data.draw(st.integers(0, len(bodies)))]
    heads = []
    for chain in (bodies, other):
        head = GENESIS
        for body in chain:
            head = next_head(head, body)
        heads.append(head)
    assert (heads[0] == heads[1]) == (list(bodies) == list(other))
