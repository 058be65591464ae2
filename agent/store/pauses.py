"""Whether HQ has paused redemptions at this station; earning never pauses."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pause:
    """In force until wall time `until_ms`, by a clock that is believed."""

    until_ms: int
    reason: str
    since_ms: int


_GET = "SELECT until_ms, reason, since_ms FROM redemption_pause"
_CLEAR = "DELETE FROM redemption_pause"
_SET = "INSERT INTO redemption_pause (only_row, until_ms, reason, since_ms) VALUES (1, ?, ?, ?)"


class Pauses:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def redemptions(self) -> Pause | None:
        """What HQ said last, over or not; None if redemptions are taken."""
        row = self._connection.execute(_GET).fetchone()
        return Pause(*row) if row else None

    def pause_redemptions(self, pause: Pause) -> None:
        self._connection.execute(_CLEAR)
        self._connection.execute(_SET, (pause.until_ms, pause.reason, pause.since_ms))

    def resume_redemptions(self) -> None:
        self._connection.execute(_CLEAR)
