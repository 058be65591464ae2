"""A new epoch of a station begins here: HQ checks where its rows part from the former ones.

A station whose database was put back goes on under a new epoch behind the last row that it knows HQ
to hold (the fork). HQ takes that only if it holds this very row: the chain's head there must be the
same. Up to the fork the former epoch's rows are the new one's too, and nothing is sent twice; what
the former epoch holds behind the fork stays, and counts once wherever it comes again.
"""

from dataclasses import dataclass

from sync import wire
from sync.chain import GENESIS
from sync.envelope import decode_head
from sync.hq.store import Mark, StreamKey, Writing
from sync.outbox import STREAMS
from sync.refusal import Refusal

_START = Mark(0, GENESIS)
_NONE_BEFORE = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of a hello: `refused` is the code to answer with, or ""; `alarm` is what to keep of it."""

    refused: str = ""
    alarm: Refusal | None = None


def enter(tx: Writing, ask: wire.HelloAsk, at_ms: int) -> Entry:
    """Whether the station may speak in the epoch of its verified hello; begins a new one.

    Refused: EPOCH_OLD (a newer one has begun), FORK_UNKNOWN (HQ does not hold the row behind which the
    new one goes on, or holds another there). A new one is an alarm, EPOCH_NEW: somebody should look.
    """
    tx.lock(ask.station)
    newest = tx.chains(ask.station).newest_epoch
    if ask.epoch < newest:
        return _refused("EPOCH_OLD", f"hello of epoch {ask.epoch}, the newest is {newest}")
    if ask.epoch <= max(newest, 1):
        return Entry()
    forks = _forks(ask)
    formers = {stream: _former(tx, ask.station, stream, fork) for stream, fork in forks.items()}
    unknown = [f"{stream} {forks[stream].seq}" for stream, former in formers.items() if former is None]
    if unknown:
        return _refused("FORK_UNKNOWN", f"epoch {ask.epoch} behind {', '.join(unknown)}: no such row here")
    for stream, former in formers.items():
        tx.begin(StreamKey(ask.station, ask.epoch, stream), forks[stream], former or _NONE_BEFORE, at_ms)
    where = ", ".join(f"{stream} {fork.seq}" for stream, fork in forks.items())
    return Entry(alarm=Refusal("EPOCH_NEW", f"epoch {ask.epoch} after {newest}, behind {where}"))


def _refused(reason: str, detail: str) -> Entry:
    return Entry(refused=reason, alarm=Refusal(reason, detail))


def _forks(ask: wire.HelloAsk) -> dict[str, Mark]:
    said = {end.stream: end for end in ask.streams if end.fork_seq}
    return {
        stream: Mark(said[stream].fork_seq, decode_head(said[stream].fork_head)) if stream in said else _START
        for stream in STREAMS
    }


def _former(tx: Writing, station: str, stream: str, fork: Mark) -> int | None:
    """The newest epoch that holds the fork's row; 0 for the beginning; None if there is none."""
    if fork == _START:
        return _NONE_BEFORE
    for span in tx.spans(station, stream):
        key = StreamKey(station, span.epoch, stream)
        if span.fork_seq <= fork.seq <= span.seq and tx.head_at(key, fork.seq) == fork.head:
            return span.epoch
    return None
