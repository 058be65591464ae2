"""Property: no bytes make the CBC session raise or grow, and what is written is read back the same."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.companytec import codec, horustech
from drivers.companytec.codec import RING, Pointers, Reader
from drivers.companytec.commands import parse_command, parse_question
from drivers.companytec.flow import FlowWatch
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.companytec.watches import RingWatch
from drivers.events import Answer, Fuelling, FuellingStarted, Monotonic, Outcome
from tests.unit.drivers.companytec.desk import Desk

TRAFFIC = [
    b">!00020245",
    b">!000E06000179000181B7",
    b">!00040",
    b">",
    b"(0)",
    b"(TP9907000683AE)",
    b"(?t)",
    b"(04000120)",
    b"(",
    b")",
    b"(A",
    b"((0)",
    b"(&I)",
]
ANY_BYTES = st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(TRAFFIC)), max_size=60)


SPOKEN = st.sampled_from(
    [
        {"record": "short"},
        {"record": "identified"},
        {"record": "dual", "unknown_tags": "count"},
        {"record": "auto"},
        {"protocol": "horustech"},
    ]
)


@given(ANY_BYTES, SPOKEN)
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_survived_and_release_nothing(pieces: list[bytes], options: dict[str, str]) -> None:
    session = CompanytecSession("1", CompanytecOptions.model_validate(options))
    refused = Answer(Outcome.UNAVAILABLE, durable=False)
    for step, piece in enumerate(pieces):
        now = Monotonic(step * 100)
        session.receive(piece, now)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            session.confirm(event, refused, now)
        assert session.bytes_to_send(now) not in (codec.STEP, horustech.STEP)


@given(ANY_BYTES, st.integers(1, 40), st.sampled_from([Reader, horustech.Reader]))
@settings(deadline=None)
def test_pieces_do_not_matter(
    parts: list[bytes], size: int, reader: type[Reader] | type[horustech.Reader]
) -> None:
    data = b"".join(parts)
    whole, pieces = reader(), reader()
    expected = list(whole.feed(data))
    heard = [body for at in range(0, len(data), size) for body in pieces.feed(data[at : at + size])]
    assert heard == expected
    assert (whole.bad_frames, whole.noise_bytes) == (pieces.bad_frames, pieces.noise_bytes)
    assert all(len(body) <= horustech.LONGEST_DATA + 1 for body in heard)


@given(
    nozzle=st.integers(0, 255),
    volume_ml=st.integers(1, 999_999),
    amount_fen=st.integers(0, 999_999),
    price=st.integers(1, 9_999),
    coarse=st.booleans(),
    tag=st.integers(1, 16**16 - 2),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_what_was_sold_is_what_is_reported(
    nozzle: int, volume_ml: int, amount_fen: int, price: int, coarse: bool, tag: int, seed: int
) -> None:
    price_milli = price * 10 if coarse else price
    record = random.Random(seed).choice(("identified", "dual", "paf1", "paf2", "auto"))
    desk = Desk(record=record)
    desk.run(200)
    sold = desk.simulator.sell(f"{nozzle:02X}", volume_ml, amount_fen, price_milli, f"{tag:016X}")
    desk.run(600)
    (fuelling,) = desk.fuellings
    assert (fuelling.nozzle, fuelling.sequence_no) == (sold.nozzle, sold.number)
    assert (fuelling.volume_ml, fuelling.amount_fen) == (volume_ml, amount_fen)
    assert fuelling.unit_price_milli == (price_milli if price_milli < 10_000 else price_milli // 10 * 10)
    assert fuelling.totalizer_after_ml == volume_ml // 10 * 10
    assert fuelling.credential is not None
    assert fuelling.credential.value == f"{tag:016X}"


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_body_is_understood_or_refused(body: str) -> None:
    ascii_body = body.encode("ascii", "replace").decode("ascii")
    for kind in ("short", "identified", "dual", "paf1", "paf2", "paf_extended", "position", "unknown_tag"):
        assert codec.parse_fields(ascii_body, kind) is None or len(ascii_body) > 30
    horustech.parse_record(ascii_body)
    horustech.parse_pointers(ascii_body)
    horustech.parse_flow(ascii_body)
    parse_question(ascii_body)
    codec.parse_pointers(ascii_body)
    codec.parse_flow(ascii_body)
    codec.parse_totals(ascii_body)
    codec.parse_error(ascii_body)
    parse_command(body)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=30), st.integers(0, RING - 1))
@settings(deadline=None)
def test_every_position_is_confirmed_or_fetched(moves: list[tuple[int, int]], start: int) -> None:
    """`ahead` positions go by, of which the last `skipped` were never read."""
    watch, safe, pointer = RingWatch(RING), set(), start
    watch.look(Pointers(start, start))
    watch.look(Pointers(start, start))
    watch.missed.clear()
    passed: list[int] = []
    for ahead, skipped in moves:
        for step in range(ahead):
            position = (pointer + step) % RING
            passed.append(position)
            if step < ahead - skipped:
                watch.durable(position)
                safe.add(position)
        pointer = (pointer + ahead) % RING
        for _ in range(2):
            watch.look(Pointers(pointer, pointer))
        safe |= set(watch.missed)
        watch.missed.clear()
    assert set(passed) <= safe
    assert watch.position == pointer


@given(st.lists(st.sets(st.sampled_from(["04", "05", "44"]))))
@settings(deadline=None)
def test_a_start_is_seen_twice_in_a_row_and_memory_is_bounded(answers: list[set[str]]) -> None:
    watch, previous = FlowWatch(), frozenset[str]()
    for step, nozzles in enumerate(answers):
        started = watch.look(frozenset(nozzles), Monotonic(step * 250))
        assert set(started) <= set(nozzles) & previous
        previous = frozenset(nozzles)


def test_a_single_damaged_bit_in_a_record_is_never_reported() -> None:
    simulator = CompanytecSimulator()
    simulator.sell("04", 12_340, 9_588, 7_770)
    simulator.read = 0
    simulator.receive(codec.READS["identified"], Monotonic(0))
    frame = simulator.bytes_to_send(Monotonic(0))
    for bit in range(len(frame) * 8):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        for body in Reader().feed(bytes(damaged)):
            assert codec.parse_record(body) is None


def test_the_events_of_a_desk_are_only_what_happened() -> None:
    desk = Desk()
    desk.run(5_000)
    assert not any(isinstance(event, Fuelling | FuellingStarted) for event in desk.events)
