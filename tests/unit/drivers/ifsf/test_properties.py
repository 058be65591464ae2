"""Property: no bytes make the IFSF session raise or grow, and what is written is read back the same."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import Answer, Monotonic, Outcome
from drivers.ifsf.codec import (
    HEADER_BYTES,
    LONGEST_BODY_BYTES,
    Kind,
    Message,
    Reader,
    encode,
    field_map,
    fields,
    measure,
    parse,
)
from drivers.ifsf.figures import Figure, parse_figure
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from drivers.ifsf.view import explain
from drivers.ifsf.wrapper import frame_of, framing_of
from drivers.ifsf_road.heartbeat import parse_heartbeat
from tests.unit.drivers.ifsf.ifsf_desk import Desk, decoded

TRANSPORTS = st.sampled_from(["tcp", "serial"])
HEADS = [
    b"\x02\x01\x01\x01\x00\x80",
    b"\xfd\x02\x01\x01\x00",
    b"\xff\x01",
    b"\xfe",
    b"\xfd",
    b"\xfc",
    b"\xff",
]
ANY_BYTES = st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(HEADS)), max_size=40)
PLACES = st.binary(min_size=1, max_size=8)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(list(Kind)))
    pairs = draw(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=1))
    pairs += draw(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=8)), max_size=4))
    data = b"".join(_field(id_no, value) for id_no, value in pairs)
    if kind is Kind.READ:
        data = draw(st.binary(max_size=12))
    elif kind is Kind.ACK:
        data = draw(st.binary(min_size=1, max_size=9).filter(lambda data: len(data) % 2 == 1))
    ends = [b"\x02\x01", b"\x01" + draw(st.binary(min_size=1, max_size=1))]
    return Message(*draw(st.permutations(ends)), kind, draw(st.integers(0, 31)), draw(PLACES), data)


def _field(id_no: int, value: bytes) -> bytes:
    size = bytes((len(value),)) if len(value) < 255 else b"\xff" + len(value).to_bytes(2, "big")
    return bytes((id_no,)) + size + value


@given(messages())
@settings(deadline=None, max_examples=80)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    frame = encode(message)
    assert measure(frame, b"") == len(frame)
    assert measure(frame, message.to + message.sender) == len(frame)
    assert parse(frame) == message
    assert all(
        measure(frame[:size], b"") is None or measure(frame[:size], b"") > size
        for size in range(1, len(frame))
    )  # type: ignore[operator]


@given(ANY_BYTES, TRANSPORTS, st.integers(0, 50))
@settings(deadline=None, max_examples=80)
def test_any_bytes_are_survived_and_clear_nothing(pieces: list[bytes], transport: str, seed: int) -> None:
    session = IfsfSession("1", IfsfOptions(transport=transport))  # type: ignore[arg-type]
    rng, refused = random.Random(seed), Answer(Outcome.UNAVAILABLE, durable=False)
    now = Monotonic(0)
    for piece in pieces:
        now = Monotonic(now + rng.randrange(1, 400))
        session.receive(piece, now)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            session.confirm(event, refused, now)
        if said := session.bytes_to_send(now):
            assert decoded(said, transport).kind is not Kind.WRITE
    session.disconnected(now)


@given(st.lists(messages(), max_size=6), TRANSPORTS, st.integers(1, 30), st.binary(max_size=6))
@settings(deadline=None, max_examples=60)
def test_pieces_do_not_matter(sent: list[Message], transport: str, size: int, noise: bytes) -> None:
    write = encode if transport == "tcp" else (lambda message: b"\xfe\xff\x01" + frame_of(encode(message)))
    data = noise.join(write(message) for message in sent)
    whole, pieces = Reader(framing_of(transport), b""), Reader(framing_of(transport), b"")
    expected = list(whole.feed(data))
    heard = [message for at in range(0, len(data), size) for message in pieces.feed(data[at : at + size])]
    assert heard == expected
    assert whole.bad_frames == pieces.bad_frames
    if not noise:
        assert heard == sent


@given(st.binary(max_size=4_000), TRANSPORTS)
@settings(deadline=None, max_examples=40)
def test_a_reader_keeps_no_more_than_one_frame(data: bytes, transport: str) -> None:
    reader = Reader(framing_of(transport), b"\x02\x01\x01\x01")
    for at in range(0, len(data), 100):
        list(reader.feed(data[at : at + 100]))
        assert len(reader._buffer) <= HEADER_BYTES + LONGEST_BODY_BYTES + 8


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_fields_put_together_are_the_data(data: bytes) -> None:
    found = fields(data)
    if found is not None and b"\xff" not in data:
        assert b"".join(_field(id_no, value) for id_no, value in found) == data


@given(st.integers(0, 8), st.integers(0, 99_999_999), st.integers(0, 5))
@settings(deadline=None)
def test_scaling_is_exact_or_says_so(before: int, value: int, wanted: int) -> None:
    figure = parse_figure(bytes((before,)) + bytes.fromhex(f"{value:08d}"))
    assert figure == Figure(f"{value:08d}", 8 - before)
    assert figure is not None
    scaled, exact = figure.scaled(wanted)
    assert (scaled * 10 ** (8 - before) == value * 10**wanted) == exact
    assert 0 <= value * 10**wanted - scaled * 10 ** (8 - before) < 10 ** (8 - before)


@given(
    nozzle_no=st.integers(1, 8),
    point_no=st.integers(1, 2),
    volume_cl=st.integers(1, 999_999),
    amount_fen=st.integers(0, 999_999),
    price=st.integers(1, 999),
    transport=TRANSPORTS,
)
@settings(deadline=None, max_examples=30)
def test_what_was_sold_is_what_is_reported(
    nozzle_no: int, point_no: int, volume_cl: int, amount_fen: int, price: int, transport: str
) -> None:
    desk = Desk(transport=transport)
    sale = desk.simulator.sell(point_no, nozzle_no, volume_cl, amount_fen, price * 10)
    desk.run(800)
    (fuelling,) = desk.fuellings
    assert (fuelling.nozzle, fuelling.sequence_no) == (f"{point_no}{nozzle_no}", sale.sequence_no)
    assert (fuelling.volume_ml, fuelling.amount_fen) == (volume_cl * 10, amount_fen)
    assert fuelling.unit_price_milli == price * 10
    total_ml = volume_cl * 10 if transport == "tcp" else None
    assert fuelling.totalizer_after_ml == total_ml
    assert fuelling.totalizer_modulus_ml == (10**13 if transport == "tcp" else None)


@given(ANY_BYTES, TRANSPORTS, st.lists(messages(), max_size=3))
@settings(deadline=None, max_examples=80)
def test_views_hide_nothing(pieces: list[bytes], transport: str, sent: list[Message]) -> None:
    write = encode if transport == "tcp" else (lambda message: frame_of(encode(message)))
    data = b"".join([*pieces[:3], *map(write, sent), *pieces[3:]])
    views = explain(data, IfsfOptions(transport=transport))  # type: ignore[arg-type]
    assert b"".join(view.data for view in views) == data


@given(st.binary(max_size=12))
@settings(deadline=None)
def test_a_heartbeat_has_ten_bytes_and_its_mark(data: bytes) -> None:
    beat = parse_heartbeat(data)
    assert (beat is not None) == (len(data) == 10 and data[8] == 1)


def test_a_single_damaged_bit_in_a_wrapped_sale_is_never_heard() -> None:
    simulator = IfsfSimulator(transport="serial")
    simulator.sell(1, 1, 2_567, 6_574, 2_561)
    simulator.receive(b"\xff\x01", Monotonic(0))
    said = simulator.bytes_to_send(Monotonic(0))
    route = b"\x02\x01\x01\x00"
    honest = list(Reader(framing_of("serial"), route).feed(said))
    assert field_map(honest[-1])[0x05].hex() == "0400657400"
    for bit in range(len(said) * 8):
        damaged = bytearray(said)
        damaged[bit // 8] ^= 1 << bit % 8
        assert all(message in honest for message in Reader(framing_of("serial"), route).feed(bytes(damaged)))
