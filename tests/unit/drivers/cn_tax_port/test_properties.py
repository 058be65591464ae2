"""Property: no bytes make the tax-control port raise, grow or invent; what was sold is what is reported."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.checksums import xor_lrc
from drivers.cn_tax_port import codec
from drivers.cn_tax_port.codec import Command, Reader
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.session import TaxPortSession
from drivers.cn_tax_port.view import explain
from drivers.events import Fuelling, Monotonic
from drivers.views import Check
from tests.unit.drivers.cn_tax_port.tax_desk import TaxDesk

LATEST = codec.encode(Command.LATEST, b"\x01" + b"3112590030000233100777")
GRAND = codec.encode(Command.GRAND, b"\x01" + b"0" * 24)
TRAFFIC = [LATEST, GRAND, codec.ask_latest(1), LATEST[:9], b"\xbb\x1a\xff", b"\xbb", b"\xbb\xff\xff"]
PIECES = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TRAFFIC)), max_size=60)


@given(PIECES)
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_survived_and_one_reading_is_no_sale(pieces: list[bytes]) -> None:
    session = TaxPortSession("1", TaxPortOptions())
    for step, piece in enumerate(pieces):
        now = Monotonic(step * 10)
        session.receive(piece, now)
        session.handle_timer(now)
        session.bytes_to_send(now)
        assert not isinstance(session.next_event(), Fuelling), "nothing has stood for long enough"


@given(PIECES, st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_pieces_do_not_matter(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, cut = Reader(), Reader()
    expected = list(whole.feed(data))
    heard = [frame for at in range(0, len(data), size) for frame in cut.feed(data[at : at + size])]
    assert heard == expected
    assert whole.bad_frames == cut.bad_frames


@given(st.integers(0, 255), st.binary(max_size=90))
@settings(deadline=None)
def test_what_is_framed_is_read_back(command: int, body: bytes) -> None:
    frame = codec.encode(command, body)
    assert xor_lrc(frame[2:]) == 0
    assert list(Reader().feed(b"noise" + frame)) == [codec.Frame(command, body)]


@given(PIECES)
@settings(deadline=None, max_examples=60)
def test_views_hide_nothing_and_believe_only_whole_frames(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    views = explain(data, TaxPortOptions())
    assert b"".join(view.data for view in views) == data
    for view in views:
        if view.check is Check.OK:
            assert len(list(Reader().feed(view.data))) == 1


@given(st.integers(2, len(LATEST) - 1), st.integers(0, 7))
@settings(deadline=None)
def test_one_wrong_bit_is_never_believed(at: int, bit: int) -> None:
    frame = bytearray(LATEST)
    frame[at] ^= 1 << bit
    assert list(Reader().feed(bytes(frame))) == []


@given(
    gun=st.sampled_from((1, 2)),
    volume_cl=st.integers(1, 999_999),
    amount_fen=st.integers(0, 999_999),
    price_fen=st.integers(0, 9_999),
    total_cl=st.integers(0, 10**12 - 1),
)
@settings(deadline=None, max_examples=15)
def test_what_was_sold_is_what_is_reported(
    gun: int, volume_cl: int, amount_fen: int, price_fen: int, total_cl: int
) -> None:
    desk = TaxDesk(guns=(gun,))
    desk.simulator = type(desk.simulator)((1, 2))
    desk.simulator.start_totals(gun, total_cl, 0)
    desk.run(5_500)
    desk.simulator.sell(gun, volume_cl, amount_fen, price_fen, desk.now)
    desk.run(1_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.nozzle, fuelling.volume_ml, fuelling.amount_fen) == (
        str(gun),
        volume_cl * 10,
        amount_fen,
    )
    assert fuelling.unit_price_milli == price_fen * 10
    assert fuelling.totalizer_after_ml == (total_cl + volume_cl) % 10**12 * 10
    assert fuelling.flags == ()
