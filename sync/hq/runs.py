"""Batches of one stream that follow each other, taken in as one.

A station that drains a backlog has up to twenty batches on their way. What the database is asked per
batch is asked once for all of them: a third of HQ's work in such an hour.
"""

from collections.abc import Sequence
from dataclasses import replace

from sync.envelope import Envelope

MOST_BATCHES = 10
"""Of one run: about a thousand items, a tenth of a second in one transaction."""


def follows(batch: Envelope, before: Envelope) -> bool:
    """`batch` goes on where `before` ends: same stream, next seq, and the chain's head is the same."""
    mine, theirs = batch.header, before.header
    return (
        (mine.station, mine.epoch, mine.stream) == (theirs.station, theirs.epoch, theirs.stream)
        and mine.first_seq == before.last_seq + 1
        and batch.head_before == before.head_after
    )


def joined(run: Sequence[Envelope]) -> Envelope:
    """One envelope of all their items, for the intake only: more than a message may hold."""
    bodies = tuple(body for batch in run for body in batch.bodies)
    header = run[0].header.model_copy(update={"count": len(bodies)})
    return replace(run[0], header=header, bodies=bodies, head_after=run[-1].head_after)
