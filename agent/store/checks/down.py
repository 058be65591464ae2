"""What headquarters told the station: no number missing, each as HQ was told of it; its lists of keys."""

import base64
import json
import sqlite3
from collections.abc import Iterator

from agent.store.checks.finding import Finding
from agent.store.checks.outbox import Said
from agent.store.down import KEPT

_ITEMS = "SELECT down_seq, id, verdict, detail, issued_at_ms, consumed_at_ms FROM down_item ORDER BY down_seq"
_LISTS = "SELECT version, document FROM trust ORDER BY version"


def check_down(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    """Signatures of the lists are checked where they are trusted: at every start of the agent."""
    yield from _items(connection, said)
    yield from _lists(connection)


def _items(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    told = dict(said.applied)
    seq_before, first = 0, 0
    for down_seq, id, verdict, detail, issued_at_ms, consumed_at_ms in connection.execute(_ITEMS):
        where = f"down {down_seq}"
        first = first or down_seq
        if down_seq != seq_before + 1 and seq_before:
            yield Finding("DOWN_GAP", where, f"follows {seq_before}")
        seq_before = down_seq
        ours = {"seq": down_seq, "id": id, "verdict": verdict, "detail": detail}
        ours |= {"issued_at_ms": issued_at_ms, "at_ms": consumed_at_ms}
        item = told.pop(down_seq, None)
        if item is None:
            if said.everything("urgent"):
                yield Finding("DOWN_ITEM", where, "HQ was not told of it")
        elif {"verdict": "", "detail": ""} | item != ours | {"kind": "applied"}:
            yield Finding("DOWN_ITEM", where, "HQ was told something else of it")
    if first > 1 and seq_before - first + 1 < KEPT:
        yield Finding("DOWN_GAP", f"down {first}", f"the last {KEPT} must be there")
    for down_seq in told:
        if down_seq >= first:
            yield Finding("DOWN_ITEM", f"down {down_seq}", "HQ was told of it, and it is not here")


def _lists(connection: sqlite3.Connection) -> Iterator[Finding]:
    """One step at a time, each a list of the version that its row says."""
    for expected, (version, document) in enumerate(connection.execute(_LISTS), start=2):
        if version != expected:
            yield Finding("TRUST", f"keys {version}", f"version {expected} is not there")
            return
        try:
            payload = json.loads(base64.b64decode(json.loads(document)["payload"]))
            told = (payload["schema"], payload["version"])
        except (ValueError, KeyError, TypeError):
            told = ("", 0)
        if told != ("keys/1", version):
            yield Finding("TRUST", f"keys {version}", "its document is no list of this version")
