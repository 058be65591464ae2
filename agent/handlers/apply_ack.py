"""HQ has said, signed, that it holds a stream up to a row: only then may the row be forgotten."""

from agent.clock import Instant
from agent.store.database import Transaction
from agent.store.outbox import Watermark


def apply_ack(stream: str, seq: int, head: bytes, tx: Transaction, at: Instant) -> str:
    """Raise the watermark. Returns a reason code if this ack cannot be ours, and changes nothing then.

    The signature, station and epoch were checked by the courier; the head is checked here again,
    against the rows themselves, because a wrong watermark would be lost sales.
    """
    mark = tx.outbox.watermark(stream)
    if seq < mark.seq:
        return ""  # an old one, overtaken on the way
    ours = tx.outbox.head_at(stream, seq)
    reason = "ACK_BEYOND_END" if ours is None else "" if ours == head else "CHAIN_MISMATCH"
    if reason:
        tx.alarms.count(reason, stream, at.wall_ms, str(seq))
        return reason
    tx.outbox.raise_watermark(stream, Watermark(seq, head, at.wall_ms))
    return ""


def prune(stream: str, keep_ms: int, tx: Transaction, at: Instant) -> int:
    """Forget acknowledged rows older than `keep_ms`, a bounded number at a time; returns how many."""
    return tx.outbox.prune(stream, at.wall_ms - keep_ms)
