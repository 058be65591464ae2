"""Unit: are the bytes, the chain and the signature of an envelope what decisions.md 6 says?"""

import base64
import hashlib
import json
import zlib
from pathlib import Path

import pytest

import sync
from sync.dictionary import DICTIONARY
from sync.envelope import (
    GENESIS,
    MAX_INFLATED_BYTES,
    Envelope,
    Header,
    decode_head,
    encode_head,
    leaf,
    next_head,
    open_,
    seal,
)
from sync.keys import SigningKey
from sync.refusal import Refusal

KEY = SigningKey(bytes(range(32)))
BODIES = (b'{"kind":"fuelling","n":1}', b'{"kind":"award","n":2}')
HEADER = Header(
    station="cn-0001", epoch=1, stream="ledger", first_seq=7, count=2, head_before=encode_head(GENESIS)
)


def _open(payload: bytes, **options: int) -> Envelope | Refusal:
    return open_(payload, lambda s: KEY.public.verify if s == "cn-0001" else None, **options)


def _inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(zdict=DICTIONARY).decompress(payload)


def _resigned(lines: list[bytes], key: SigningKey = KEY) -> bytes:
    signed = b"\n".join(lines) + b"\n"
    return zlib.compress(signed + base64.b64encode(key.sign(b"forecourt/envelope/1\n" + signed)))


def _reason(payload: bytes, **options: int) -> str:
    refused = _open(payload, **options)
    assert isinstance(refused, Refusal)
    return refused.reason


def test_the_bytes_are_as_written_down() -> None:
    """Built here by hand, as an integrator in another language would."""
    lines = _inflated(seal(HEADER, BODIES, KEY.sign)).split(b"\n")
    assert json.loads(lines[0]) == {
        "v": 1,
        "station": "cn-0001",
        "epoch": 1,
        "stream": "ledger",
        "first_seq": 7,
        "count": 2,
        "head_before": "A" * 43,
    }
    assert tuple(lines[1:3]) == BODIES
    signed = b"forecourt/envelope/1\n" + b"\n".join(lines[:3]) + b"\n"
    assert KEY.public.verify(signed, base64.b64decode(lines[3]))
    assert len(lines) == 4


def test_the_stream_names_its_dictionary_whose_bytes_never_change() -> None:
    """RFC 1950, 2.2: the flag FDICT, and behind the header of two bytes the Adler-32 of the dictionary."""
    payload = seal(HEADER, BODIES, KEY.sign)
    assert payload[1] & 0x20
    assert payload[2:6].hex() == "2949c201"
    assert (Path(sync.__file__).parent / "dictionary-1.txt").read_bytes() == DICTIONARY
    assert len(DICTIONARY) <= 32_768, "what lies farther back cannot be pointed to"


def test_without_a_dictionary_it_is_the_same_envelope() -> None:
    assert _open(zlib.compress(_inflated(seal(HEADER, BODIES, KEY.sign)))) == _open(
        seal(HEADER, BODIES, KEY.sign)
    )


@pytest.mark.parametrize("dictionary", [DICTIONARY[:-1], b"another one", DICTIONARY + b"\n"])
def test_an_unknown_dictionary_is_not_taken(dictionary: bytes) -> None:
    deflater = zlib.compressobj(zdict=dictionary)
    text = _inflated(seal(HEADER, BODIES, KEY.sign))
    assert _reason(deflater.compress(text) + deflater.flush()) == "NOT_ZLIB"


def test_a_dictionary_does_not_lift_the_bound() -> None:
    deflater = zlib.compressobj(zdict=DICTIONARY)
    bomb = deflater.compress(DICTIONARY * 10_000) + deflater.flush()
    assert len(bomb) < 200_000
    assert _reason(bomb) == "TOO_LARGE"


def test_chain_is_the_published_formula() -> None:
    assert leaf(b"x") == hashlib.sha256(b"\x00x").digest()
    assert next_head(GENESIS, b"x") == hashlib.sha256(b"\x01" + bytes(32) + leaf(b"x")).digest()
    assert decode_head(encode_head(leaf(b"x"))) == leaf(b"x")


def test_opened_envelope_carries_bodies_verbatim_and_the_head_after_them() -> None:
    opened = _open(seal(HEADER, BODIES, KEY.sign))
    assert isinstance(opened, Envelope)
    assert opened.bodies == BODIES
    assert opened.head_after == next_head(next_head(GENESIS, BODIES[0]), BODIES[1])
    assert opened.last_seq == 8


def test_small_payload_that_inflates_without_end_is_cut() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert len(bomb) < 60_000
    assert _reason(bomb) == "TOO_LARGE"


def test_large_payload_is_refused_before_it_is_inflated() -> None:
    assert _reason(bytes(MAX_INFLATED_BYTES + 1)) == "TOO_LARGE"


def test_exactly_the_bound_is_taken_and_one_byte_less_is_not() -> None:
    payload = seal(HEADER, BODIES, KEY.sign)
    size = len(_inflated(payload))
    assert isinstance(_open(payload, max_bytes=size), Envelope)
    assert _reason(payload, max_bytes=size - 1) == "TOO_LARGE"


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_torn_payload(cut: int) -> None:
    assert _reason(seal(HEADER, BODIES, KEY.sign)[:-cut]) == "NOT_ZLIB"


def test_trailing_bytes_that_no_signature_covers() -> None:
    assert _reason(seal(HEADER, BODIES, KEY.sign) + b"x") == "NOT_ZLIB"


def test_another_stations_signature() -> None:
    other = SigningKey(bytes(32))
    assert _reason(seal(HEADER, BODIES, other.sign)) == "BAD_SIGNATURE"


def test_unknown_station() -> None:
    header = HEADER.model_copy(update={"station": "cn-0002"})
    assert _reason(seal(header, BODIES, KEY.sign)) == "UNKNOWN_STATION"


def test_signed_header_with_a_wrong_count() -> None:
    assert _reason(_resigned([HEADER.model_dump_json().encode(), BODIES[0]])) == "COUNT_MISMATCH"


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"epoch": 0},
        {"stream": "other"},
        {"first_seq": 0},
        {"count": 101},
        {"count": "2"},
        {"head_before": "short"},
        {"station": "a/b"},
        {"station": "#"},
        {"extra": 1},
    ],
)
def test_header_outside_the_contract(change: dict[str, object]) -> None:
    header = json.dumps(HEADER.model_dump() | change).encode()
    assert _reason(_resigned([header, *BODIES])) == "MALFORMED"


def test_signature_of_another_context_does_not_open_it() -> None:
    signed = b"\n".join((HEADER.model_dump_json().encode(), *BODIES)) + b"\n"
    payload = zlib.compress(signed + base64.b64encode(KEY.sign(b"forecourt/ack/1\n" + signed)))
    assert _reason(payload) == "BAD_SIGNATURE"


def test_signature_has_one_spelling_only() -> None:
    """The last letter before the padding has four bits that decode to nothing: they must be zero."""
    text = _inflated(seal(HEADER, BODIES, KEY.sign))
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(text[-3]) ^ 1]
    changed = text[:-3] + bytes([other]) + b"=="
    assert base64.b64decode(changed[-88:]) == base64.b64decode(text[-88:])
    assert _reason(zlib.compress(changed)) == "MALFORMED"


def test_a_body_with_a_newline_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        seal(HEADER, (b"a\nb", b"c"), KEY.sign)
