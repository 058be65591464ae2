"""Balances that members bring along: a file of lines, taken in by chunks, each line once.

A file is known by the SHA-256 of its bytes, so the same file again goes on where it stopped. A member
has one opening balance: another one, of another line or file, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sync.hq.store.member_tables import credential, member_account, opening, opening_file
from sync.hq.store.queries import upsert
from sync.refusal import Refusal


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """What line `line_no` (from 1) brings for one member; `buckets` is JSON text and not looked at here.

    `status` and `tier` "" leave what is known; `credentials` are keyed hashes that name the member.
    """

    line_no: int
    member: str
    minor: int
    as_of_ms: int
    buckets: str = "[]"
    status: str = ""
    tier: str = ""
    credentials: tuple[str, ...] = ()


class OpeningVerbs:
    """Verbs and questions about imported balances, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def begin(self, file: str, lines: int, at_ms: int) -> int:
        """How many lines of this file are in already; nobody else takes of it until the transaction ends."""
        row = {"file": file, "lines": lines, "lines_done": 0, "started_at_ms": at_ms}
        self._connection.execute(upsert(self._connection, opening_file), row)
        query = sa.select(opening_file.c.lines_done).where(opening_file.c.file == file)
        done: int = self._connection.execute(query.with_for_update()).scalar_one()
        return done

    def take(self, file: str, chunk: Sequence[OpeningLine], at_ms: int) -> Refusal | None:
        """Take the next lines in, all or none; the caller rolls back on a refusal.

        OPENING_DIFFERS: a member has another opening balance. CREDENTIAL_TAKEN: it names another member.
        """
        refusal = self._another_opening(file, chunk) or self._another_owner(chunk)
        if refusal is not None:
            return refusal
        ordered = sorted(chunk, key=lambda one: one.member)
        accounts = [{"member": one.member, "balance_minor": one.minor, "pending_minor": 0} for one in ordered]
        self._connection.execute(
            upsert(self._connection, member_account, add=("balance_minor", "pending_minor")), accounts
        )
        rows = [
            {
                "member": one.member,
                "minor": one.minor,
                "as_of_ms": one.as_of_ms,
                "buckets": one.buckets,
                "file": file,
                "line": one.line_no,
            }
            for one in ordered
        ]
        self._connection.execute(opening.insert(), rows)
        self._describe(ordered)
        done = opening_file.update().where(opening_file.c.file == file)
        last = chunk[-1].line_no
        finished = sa.case((opening_file.c.lines == last, at_ms), else_=sa.null())
        self._connection.execute(done.values(lines_done=last, done_at_ms=finished))
        return None

    def _describe(self, ordered: Sequence[OpeningLine]) -> None:
        named = [{"hash": h, "member": one.member} for one in ordered for h in one.credentials]
        if named:
            self._connection.execute(upsert(self._connection, credential), named)
        for field in ("status", "tier"):
            said = [{"of": one.member, "said": getattr(one, field)} for one in ordered if getattr(one, field)]
            if said:
                a = member_account.c
                change = member_account.update().where(a.member == sa.bindparam("of"))
                values = {field: sa.bindparam("said"), "version": a.version + 1}
                self._connection.execute(change.values(values), said)

    def _another_opening(self, file: str, chunk: Sequence[OpeningLine]) -> Refusal | None:
        o = opening.c
        members = {one.member: one.line_no for one in chunk}
        if len(members) < len(chunk):
            return Refusal("OPENING_DIFFERS", "a member stands twice in these lines", "leave one line")
        query = sa.select(o.member, o.file, o.line).where(o.member.in_(list(members))).limit(1)
        held = self._connection.execute(query).one_or_none()
        if held is None:
            return None
        where = "this file" if held.file == file else f"file {held.file[:12]}"
        seen = f"line {members[held.member]}: this member has an opening balance, line {held.line} of {where}"
        return Refusal("OPENING_DIFFERS", seen, "correct the file, or adjust the balance instead")

    def _another_owner(self, chunk: Sequence[OpeningLine]) -> Refusal | None:
        owners: dict[str, OpeningLine] = {}
        for one in chunk:
            for name in one.credentials:
                if owners.setdefault(name, one).member != one.member:
                    return _taken(one.line_no)
        query = sa.select(credential.c.hash, credential.c.member).where(credential.c.hash.in_(list(owners)))
        for row in self._connection.execute(query):
            if owners[row.hash].member != row.member:
                return _taken(owners[row.hash].line_no)
        return None


def _taken(line: int) -> Refusal:
    return Refusal("CREDENTIAL_TAKEN", f"line {line}: a credential names another member", "correct the file")
