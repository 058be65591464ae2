"""Unit: is a row forgotten only when HQ has really confirmed it, and does the stream stay whole?"""

import pytest

from agent.handlers.apply_ack import apply_ack, prune
from agent.store.outbox import LEDGER, SERVICE
from sync.chain import GENESIS, next_head
from tests.world import World

DAY_MS = 86_400_000


def ack(world: World, seq: int, head: bytes | None = None, stream: str = LEDGER) -> str:
    given = head if head is not None else head_at(world, seq, stream)
    return world.run(lambda tx, at: apply_ack(stream, seq, given, tx, at))


def head_at(world: World, seq: int, stream: str = LEDGER) -> bytes:
    [(head,)] = world.rows("SELECT head FROM outbox WHERE stream = ? AND seq = ?", stream, seq)
    assert isinstance(head, bytes)
    return head


def pruned(world: World, keep_ms: int = 0) -> int:
    return world.run(lambda tx, at: prune(LEDGER, keep_ms, tx, at))


def seqs(world: World, stream: str = LEDGER) -> list[object]:
    return [seq for (seq,) in world.rows("SELECT seq FROM outbox WHERE stream = ? ORDER BY seq", stream)]


def mark(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT seq, head, acked_at_ms FROM watermark WHERE stream = 'ledger'")


@pytest.fixture
def sold(world: World) -> World:
    """Ten facts, an hour apart."""
    for _ in range(10):
        world.fuel(10_000)
        world.wait(3_600)
    return world


def test_an_ack_raises_the_watermark(sold: World) -> None:
    head = head_at(sold, 4)
    assert ack(sold, 4) == ""
    assert mark(sold) == [(4, head, sold.at_ms)]
    assert ack(sold, 10) == ""
    assert mark(sold)[0][0] == 10


def test_nothing_goes_before_an_ack(sold: World) -> None:
    assert pruned(sold) == 0
    assert seqs(sold) == list(range(1, 11))


def test_pruning_keeps_the_watermark_s_row_and_everything_after(sold: World) -> None:
    ack(sold, 4)
    assert pruned(sold) == 3
    assert seqs(sold) == [4, 5, 6, 7, 8, 9, 10]
    assert pruned(sold) == 0


def test_pruning_keeps_what_is_young(sold: World) -> None:
    """The facts are 10 to 1 hours old; what is younger than 7 h stays though HQ has it."""
    ack(sold, 9)
    assert pruned(sold, 7 * 3_600_000) == 3
    assert seqs(sold) == [4, 5, 6, 7, 8, 9, 10]


def test_another_stream_is_not_touched(sold: World) -> None:
    before = seqs(sold, SERVICE)
    assert before
    ack(sold, 10)
    pruned(sold)
    assert seqs(sold, SERVICE) == before


def test_after_pruning_everything_the_stream_goes_on_without_a_gap(sold: World) -> None:
    ack(sold, 10)
    assert pruned(sold) == 9
    head = head_at(sold, 10)
    sold.reopen()
    sold.fuel(10_000)
    assert seqs(sold) == [10, 11]
    [(body, new_head)] = sold.rows("SELECT body, head FROM outbox WHERE stream = 'ledger' AND seq = 11")
    assert new_head == next_head(head, bytes(body))
    assert ack(sold, 11) == ""


def test_a_forged_head_prunes_nothing(sold: World) -> None:
    ack(sold, 2)
    before = mark(sold)
    assert ack(sold, 6, head_at(sold, 7)) == "CHAIN_MISMATCH"
    assert ack(sold, 6, GENESIS) == "CHAIN_MISMATCH"
    assert mark(sold) == before
    assert sold.alarms()["CHAIN_MISMATCH", "ledger"] == 2
    assert pruned(sold) == 1


def test_an_ack_beyond_the_end_is_not_ours(sold: World) -> None:
    assert ack(sold, 11, head_at(sold, 10)) == "ACK_BEYOND_END"
    assert mark(sold) == []
    assert sold.alarms()["ACK_BEYOND_END", "ledger"] == 1


def test_an_old_ack_changes_nothing(sold: World) -> None:
    ack(sold, 8)
    before = mark(sold)
    assert ack(sold, 3) == ""
    pruned(sold)
    assert ack(sold, 3, GENESIS) == ""
    assert ack(sold, 0, GENESIS) == ""
    assert mark(sold) == before
    assert sold.alarms() == {}


def test_the_same_ack_with_another_head_is_a_mismatch(sold: World) -> None:
    ack(sold, 8)
    pruned(sold)
    assert ack(sold, 8) == ""
    assert ack(sold, 8, GENESIS) == "CHAIN_MISMATCH"


def test_pruning_takes_five_hundred_at_a_time(world: World) -> None:
    def fill(tx, at):  # type: ignore[no-untyped-def]
        for _ in range(1_100):
            tx.outbox.put(LEDGER, "fuelling", b"{}", at.wall_ms)

    world.run(fill)
    world.wait(1)
    ack(world, 1_100)
    assert [pruned(world) for _ in range(4)] == [500, 500, 99, 0]
