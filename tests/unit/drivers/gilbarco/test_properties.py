"""Property: no bytes make the Gilbarco codec, views or sessions raise or grow, and no single damage makes
another sale."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import Answer, Fuelling, Monotonic, Outcome
from drivers.gilbarco import codec, words
from drivers.gilbarco.codec import Block, Reader
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.session import GilbarcoMaster
from drivers.gilbarco.tap import GilbarcoTap
from drivers.gilbarco.view import explain
from drivers.views import Check
from tests.unit.drivers.gilbarco.gilbarco_bench import sale, totals

SIX = st.integers(0, 999_999).map("{:06d}".format)
EIGHT = st.integers(0, 99_999_999).map("{:08d}".format)
FOUR = st.integers(0, 9_999).map("{:04d}".format)
SALES = st.builds(sale, SIX, SIX, FOUR, st.integers(0, 5), st.integers(1, 16))
TOTALS = st.lists(EIGHT, min_size=1, max_size=3).map(lambda volumes: totals(*volumes))
WORDS = st.integers(0, 0xDF).map(lambda byte: bytes((byte,)))
TRAFFIC = st.lists(
    st.one_of(
        SALES,
        TOTALS,
        WORDS,
        st.binary(max_size=40),
        st.sampled_from([b"\x01\x91\x01\x91\x01\xb1", b"\x41", b"\x51", b"\xff", b"\xfc"]),
    ),
    max_size=30,
)


def _said(data: bytes) -> list[object]:
    """What is believed to be said: sales and totals, without the words."""
    blocks = [heard for heard in Reader().feed(data) if isinstance(heard, Block)]
    told: list[object] = [words.sale(block.data) for block in blocks]
    told += [words.totals(block.data) for block in blocks]
    return [each for each in told if each]


def _damages(data: bytes) -> Iterator[bytes]:
    """One wrong bit, or one lost byte."""
    for at in range(len(data)):
        yield data[:at] + data[at + 1 :]
        for bit in range(8):
            yield data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]


@given(st.one_of(SALES, TOTALS))
@settings(deadline=None, max_examples=25)
def test_one_wrong_bit_or_lost_byte_makes_no_other_sale_and_no_other_totals(data: bytes) -> None:
    told = _said(data)
    assert len(told) == 1
    for damaged in _damages(data):
        assert _said(damaged) in ([], told)


@given(TRAFFIC, st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_pieces_make_no_difference(parts: list[bytes], size: int) -> None:
    data, reader = b"".join(parts), Reader()
    in_pieces = [heard for at in range(0, len(data), size) for heard in reader.feed(data[at : at + size])]
    assert in_pieces == list(Reader().feed(data))


@given(TRAFFIC)
@settings(deadline=None, max_examples=60)
def test_views_hide_nothing_and_call_only_true_blocks_ok(parts: list[bytes]) -> None:
    data = b"".join(parts)
    views = explain(data, GilbarcoOptions())
    assert b"".join(view.data for view in views) == data
    for view in views:
        assert (view.check is Check.OK) == codec.is_whole(view.data)


@given(TRAFFIC, st.sampled_from(["master", "listen"]), st.booleans())
@settings(deadline=None, max_examples=80)
def test_no_traffic_raises_and_only_what_was_said_is_reported(
    parts: list[bytes], mode: str, durable: bool
) -> None:
    options = GilbarcoOptions.model_validate({"mode": mode, "pumps": (1, 2)})
    session = GilbarcoMaster("1", options) if mode == "master" else GilbarcoTap("1", options)
    now, told = Monotonic(0), set()
    for part in parts:
        told |= {(each.volume, each.amount) for each in _said(part) if isinstance(each, words.Sale)}
        now = Monotonic(now + 40)
        said = session.bytes_to_send(now)
        assert mode == "master" or said == b""
        session.receive(part, now)
        timer = session.next_timer()
        if timer is not None and timer <= now:
            session.handle_timer(now)
        while (event := session.next_event()) is not None:
            if isinstance(event, Fuelling):
                assert (event.raw.volume, event.raw.amount) in told
            session.confirm(event, Answer(Outcome.DONE, durable=durable), now)


def test_a_block_without_end_does_not_grow() -> None:
    reader = Reader()
    assert list(reader.feed(b"\xff" + b"\xe1" * 100_000)) != []
    assert reader.bad_blocks == 1
    assert list(reader.feed(sale("000001", "000002")))[-1:] == [Block(sale("000001", "000002"))]
