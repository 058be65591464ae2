"""Issuing: an item for a station gets the next number, HQ's signatures and a row, in one transaction.

Nothing is handed to a broker here. Workers find the row after the commit (`delivery.py`), so what was
sent is always kept, and what was kept is sent until the station says what became of it.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sync.down import MAX_BYTES, Down, sign_down
from sync.hq.store import HqStore, Writing
from sync.hq.store.down import BEHIND, DownRow
from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.signing import DOWN_TYPE, sign_document

AT_ONCE = 100
"""Stations whose items are issued in one transaction; until its end their batches wait."""
_SIGNATURE_BYTES = 160


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be said: `body` is the kind's own, already checked. It may be obeyed until `not_after_ms`.

    `id` is HQ's name for it, the same at every station; "" derives one from what is said and when.
    """

    kind: str
    body: dict[str, Any]
    not_after_ms: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """`is_new` False: it was issued before under this id, and is not issued again."""

    station: str
    down_seq: int
    id: str
    is_new: bool


class Publisher:
    """Issues with HQ's keys of the role `down`: as many as stations want signatures."""

    def __init__(self, store: HqStore, keys: Sequence[SigningKey], wall_ms: Callable[[], int]) -> None:
        assert keys
        self._store = store
        self._keys = keys
        self._wall_ms = wall_ms

    def issue(self, stations: Iterable[str], order: Order) -> list[Issued] | Refusal:
        """To each station of the list, `AT_ONCE` in a transaction.

        After a failure half-way: the same again with the same id issues what is missing. Reasons:
        UNKNOWN_STATION, DOWN_TOO_LARGE, DOWN_MALFORMED (nothing was issued); DOWN_ID_TAKEN (this id says
        something else at a station; those before it have theirs).
        """
        names = sorted(set(stations))
        at_ms = self._wall_ms()
        named = order if order.id else _named(order, at_ms)
        unknown = [name for name in names if self._store.public_key(name) is None]
        if unknown:
            return Refusal("UNKNOWN_STATION", unknown[0], "add it with `forecourt hq station add`")
        issued: list[Issued] = []
        for first in range(0, len(names), AT_ONCE):
            with self._store.write() as tx:
                for name in names[first : first + AT_ONCE]:
                    one = self.issue_in(tx, name, named, at_ms)
                    if isinstance(one, Refusal):
                        return one
                    issued.append(one)
        return issued

    def issue_in(self, tx: Writing, station: str, order: Order, at_ms: int) -> Issued | Refusal:
        """In a transaction of the caller's, who takes several stations in the order of their names."""
        tx.lock(station)
        named = order if order.id else _named(order, at_ms)
        said = _said(named)
        known = tx.down.named(station, named.id)
        if known is not None and known.verdict != BEHIND:
            if tx.down.said(station, known.down_seq) != said:
                return Refusal(
                    "DOWN_ID_TAKEN", f"{station}: {named.id} says something else", "take another id"
                )
            return Issued(station, known.down_seq, named.id, is_new=False)
        down_seq = tx.down.standing(station).issued_seq + 1
        document = self._signed(station, down_seq, named, at_ms)
        if isinstance(document, Refusal):
            return document
        row = DownRow(down_seq, named.id, named.kind, said, document, at_ms, named.not_after_ms)
        tx.down.issue(station, row)
        return Issued(station, down_seq, named.id, is_new=True)

    def sign_again(self, station: str) -> int:
        """Sign anew all that the station has not dealt with: after its keys were changed without overlap."""
        with self._store.write() as tx:
            tx.lock(station)
            unheard = tx.down.unheard(station)
            for down_seq, document in unheard:
                payload = base64.b64decode(json.loads(document)["payload"])
                again = sign_document(DOWN_TYPE, payload, *self._keys)
                tx.down.replace_document(station, down_seq, again)
        return len(unheard)

    def _signed(self, station: str, down_seq: int, order: Order, at_ms: int) -> bytes | Refusal:
        try:
            down = Down(
                station=station,
                down_seq=down_seq,
                id=order.id,
                kind=order.kind,
                issued_at_ms=at_ms,
                not_after_ms=order.not_after_ms,
                body=order.body,
            )
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            return Refusal("DOWN_MALFORMED", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        size_bytes = len(down.model_dump_json().encode()) * 4 // 3 + _SIGNATURE_BYTES * (len(self._keys) + 1)
        if size_bytes > MAX_BYTES:
            text = f"{size_bytes} bytes, a broker must take {MAX_BYTES}"
            return Refusal("DOWN_TOO_LARGE", text, "split it, or hand the file over by `forecourt load`")
        return sign_down(down, *self._keys)


def _named(order: Order, at_ms: int) -> Order:
    name = hashlib.sha256(_said(order) + str(at_ms).encode()).hexdigest()[:32]
    return Order(order.kind, order.body, order.not_after_ms, name)


def _said(order: Order) -> bytes:
    body = json.dumps(order.body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{order.kind}\n{body}".encode()).digest()
