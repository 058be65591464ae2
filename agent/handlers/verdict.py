"""What became of one item from HQ, as its `applied` item says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` "" where it took effect, else a stable code; `detail` for the technician, nobody's data.

    A handler that refuses leaves nothing else behind: its changes are taken back with its savepoint.
    """

    reason: str = ""
    detail: str = ""


DONE = Verdict()
