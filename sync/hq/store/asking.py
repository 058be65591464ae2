"""How often a station may still ask, and what was asked about members: kept for whoever must explain it."""

import sqlalchemy as sa

from sync.hq.allowance import Allowance
from sync.hq.store.member_tables import allowance, asked
from sync.hq.store.queries import upsert


class AskingVerbs:
    """Verbs and questions about questions, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take(self, station: str, method: str, rate: Allowance, now_ms: int) -> bool:
        """Use up one question of the station; False if it has none left. All workers count together."""
        full = {"left_milli": rate.full_milli, "at_ms": now_ms}
        key = {"station": station, "method": method}
        self._connection.execute(upsert(self._connection, allowance), key | full)
        a = allowance.c
        here = (a.station == station, a.method == method)
        row = self._connection.execute(sa.select(a.left_milli, a.at_ms).where(*here).with_for_update()).one()
        left_milli = rate.left_milli(row.left_milli, row.at_ms, now_ms)
        rest_milli = rate.after_one_milli(left_milli)
        change = {"left_milli": left_milli if rest_milli is None else rest_milli, "at_ms": now_ms}
        self._connection.execute(allowance.update().where(*here).values(change))
        return rest_milli is not None

    def note(self, station: str, nonce: str, member: str, code: str, at_ms: int) -> None:
        """Keep that a station asked who somebody is; the same question again is one question."""
        row = {"station": station, "nonce": nonce, "member": member, "code": code, "at_ms": at_ms}
        self._connection.execute(upsert(self._connection, asked), row)

    def asked_about(self, member: str) -> int:
        """How many questions there were about a member."""
        query = sa.select(sa.func.count()).select_from(asked).where(asked.c.member == member)
        return self._connection.scalar(query) or 0
