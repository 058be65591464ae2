"""Property: no bytes make AZT 2.0 raise, grow or confirm, and damage is never believed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.azt2 import codec
from drivers.azt2.codec import Frame, Reader, Short
from drivers.azt2.options import AztOptions
from drivers.azt2.reading import moved_ml
from drivers.azt2.session import AztMaster
from drivers.azt2.tap import AztTap
from drivers.azt2.view import explain
from drivers.azt2.words import Command
from drivers.events import Answer, Monotonic, Outcome
from drivers.views import Check
from tests.unit.drivers.azt2.azt_bench import MasterBench, answer, said

SALE = "0300001500005000"
REPLIES = ["0", "1", "3", "40", "41", "401", SALE, "0" * 20, "00001030000000000001", "000001", "0" * 30]
TRAFFIC = [answer(reply) for reply in REPLIES] + [answer(short) for short in Short]
TRAFFIC += [codec.ask(1, command) for command in Command] + [b"\x7f", b"\x7f\x02", b"\x7f\x02\x03\x03"]
PIECES = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TRAFFIC)), max_size=60)


@given(PIECES)
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_survived_and_confirm_nothing_that_holds_fuel(pieces: list[bytes]) -> None:
    master, tap = AztMaster("1", AztOptions(mode="master")), AztTap("1", AztOptions())
    refused = Answer(Outcome.UNAVAILABLE, durable=False)
    holds_fuel = [piece for piece in pieces if piece != answer("0" * 16)]
    for step, piece in enumerate(holds_fuel):
        now = Monotonic(step * 100)
        for session in (master, tap):
            session.receive(piece, now)
            session.handle_timer(now)
            while (event := session.next_event()) is not None:
                session.confirm(event, refused, now)
        assert tap.bytes_to_send(now) == b""
        data = master.bytes_to_send(now)
        assert not data or said(data) != Command.CONFIRM


@given(PIECES, st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_pieces_do_not_matter(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, cut = Reader(), Reader()
    expected = list(whole.feed(data))
    heard = [found for at in range(0, len(data), size) for found in cut.feed(data[at : at + size])]
    assert heard == expected
    assert whole.bad_frames == cut.bad_frames


@given(PIECES)
@settings(deadline=None, max_examples=60)
def test_no_byte_gets_lost_between_pieces(pieces: list[bytes]) -> None:
    reader, data = Reader(), b"".join(pieces)
    assert b"".join([piece.data for piece in reader.pieces(data)]) + reader.rest() == data


@given(PIECES)
@settings(deadline=None, max_examples=60)
def test_views_hide_nothing_and_believe_only_whole_frames(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    views = explain(data, AztOptions())
    assert b"".join(view.data for view in views) == data
    believed = [view for view in views if view.check is Check.OK]
    heard = [found for found in Reader().feed(data) if isinstance(found, Frame)]
    assert [list(Reader().feed(view.data)) for view in believed] == [[found] for found in heard]


@given(st.integers(1, codec.LAST_CHANNEL), st.integers(0x31, 0x5D), st.binary(max_size=20))
@settings(deadline=None)
def test_what_is_framed_is_read_back(channel: int, command: int, data: bytes) -> None:
    plain = bytes(0x20 + byte % 0x40 for byte in data)
    (frame,) = Reader().feed(b"\x7fnoise" + codec.ask(channel, command, plain))
    assert isinstance(frame, Frame)
    assert (frame.channel, frame.plain[1:]) == (channel, bytes((command,)) + plain)


@given(st.integers(2, len(answer(SALE)) - 1), st.integers(0, 7))
@settings(deadline=None)
def test_one_wrong_bit_is_never_believed(at: int, bit: int) -> None:
    frame = bytearray(answer(SALE))
    frame[at] ^= 1 << bit
    assert list(Reader().feed(bytes(frame))) == []


@given(st.integers(0, 99_999), st.integers(0, 10**7 - 1), st.integers(0, 9_999), st.integers(0, 10**10 - 1))
@settings(deadline=None, max_examples=20)
def test_what_was_sold_is_what_is_reported(
    volume_cl: int, amount_fen: int, price_fen: int, total_cl: int
) -> None:
    bench = MasterBench()
    bench.simulator.start_totals(total_cl)
    bench.simulator.sell(volume_cl, amount_fen, price_fen, bench.now)
    bench.run_until_confirmed()
    reported = [(each.volume_ml, each.amount_fen, each.totalizer_after_ml) for each in bench.fuellings]
    after_ml = (total_cl + volume_cl) % 10**10 * 10
    assert reported == ([(volume_cl * 10, amount_fen, after_ml)] if volume_cl else [])


@given(st.integers(0, 10**10 - 1), st.integers(0, 10**5))
@settings(deadline=None)
def test_the_totals_wrap(before: int, sold: int) -> None:
    after = f"{(before + sold) % 10**10:010d}"
    assert moved_ml(f"{before:010d}", after, AztOptions()) == sold * 10
    assert moved_ml("", after, AztOptions()) is None
    assert moved_ml(f"{before:010d}", after[1:], AztOptions()) is None
