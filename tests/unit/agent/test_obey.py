"""Unit: is an order obeyed in its turn and term, once, and does a refused one leave only its refusal?"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.clock import ClockQuality, Instant
from agent.handlers.obey import Obeyed, attested
from agent.handlers.obey_kinds import AFTERWARDS, Doors, obedient
from agent.handlers.site import Site
from agent.handlers.verdict import Verdict
from agent.messages.down import KINDS, Resend
from agent.store import down as down_store
from agent.store.database import Transaction
from agent.store.integrity import verify
from agent.store.outbox import LEDGER, Watermark
from sync.down import Down
from tests.unit.agent.orders import HOUR_MS, RECALL, Orders, mark, order
from tests.world import WEDNESDAY_MS, World


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    world = World(tmp_path / "station.db")
    with closing(world.store):
        orders = Orders(world)
        yield orders
        assert verify(world.store._connection) == []


def test_an_order_is_carried_out_written_down_and_told(orders: Orders) -> None:
    assert orders.give(order(1)) == Obeyed(consumed=True)
    assert orders.carried_out() == {"o-1": 1}
    assert orders.world.rows("SELECT * FROM down_item")[0][:3] == (1, "o-1", "grant.recall")
    assert [json.loads(item) for item in orders.told()] == [
        {"kind": "applied", "seq": 1, "id": "o-1", "issued_at_ms": WEDNESDAY_MS, "at_ms": WEDNESDAY_MS}
    ]


def test_told_again_it_is_not_carried_out_again(orders: Orders) -> None:
    for _ in range(3):
        orders.give(order(1))
    orders.give(order(2))
    assert orders.give(order(1)) == Obeyed()
    assert orders.carried_out() == {"o-1": 1, "o-2": 1}
    assert len(orders.told()) == 2


@pytest.mark.parametrize(
    ("given", "reason", "asks"),
    [
        (order(2, station="station-0043"), "OTHER_STATION", False),
        (order(1, body={"grant": "g-2", "epoch": 1}), "DOWN_REPLAYED", False),
        (order(3), "DOWN_GAP", True),
        (order(2**53 - 1), "DOWN_GAP", True),
        (order(2, station="station-0043", not_after_ms=0), "OTHER_STATION", False),
    ],
    ids=["station", "number of another", "gap", "far ahead", "station before term"],
)
def test_what_is_not_the_next_order_consumes_no_number(
    orders: Orders, given: Down, reason: str, asks: bool
) -> None:
    orders.give(order(1))
    turned_away = orders.give(given)
    assert (turned_away.reason, turned_away.consumed, turned_away.ask_again) == (reason, False, asks)
    assert orders.verdicts() == {1: ""}
    assert orders.carried_out() == {"o-1": 1}
    assert len(orders.told()) == 1


CASE = {"case": "c-1", "version": 1, "state": "OPEN", "owner": "hq", "at_ms": 1}


def refuse(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    mark(body, tx, site, at, down)
    tx.outbox.put(LEDGER, "draw", b'{"kind":"draw","of":1,"at_ms":%d}' % at.wall_ms, at.wall_ms)
    return Verdict("NOT_TODAY", "x" * 300)


def stumble(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    mark(body, tx, site, at, down)
    raise KeyError(down.id)


def contradict(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    mark(body, tx, site, at, down)
    for _ in range(2):
        tx.runs._connection.execute("INSERT INTO trust VALUES (2, x'00', 0)")
    raise AssertionError("never reached")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (order(1, not_after_ms=WEDNESDAY_MS - 1), "DOWN_EXPIRED"),
        (order(1, kind="coffee"), "UNKNOWN_KIND"),
        (order(1, kind="pause", body={"what": "redemptions", "until_ms": 0, "reason": "x"}), "UNKNOWN_KIND"),
        (order(1, body={}), "BODY_MALFORMED"),
        (order(1, body=RECALL | {"epoch": "1"}), "BODY_MALFORMED"),
        (order(1, body=RECALL | {"epoch": 1.0}), "BODY_MALFORMED"),
        (order(1, body=RECALL | {"epoch": 10**30}), "BODY_MALFORMED"),
        (order(1, body=RECALL | {"more": 1}), "BODY_MALFORMED"),
        (order(1, kind="set-tier", body={"member": "m", "tier": "gold", "reason": "x"}), "NOT_TODAY"),
        (order(1, kind="rotate", body={}), "HANDLER_FAILED"),
        (order(1, kind="case.update", body=CASE), "HANDLER_FAILED"),
        (order(1, kind="coffee", not_after_ms=0), "DOWN_EXPIRED"),
        (order(1, kind="coffee", body={"x": []}), "UNKNOWN_KIND"),
    ],
)  # fmt: skip
def test_a_refused_order_leaves_its_refusal_and_nothing_else(
    orders: Orders, given: Down, reason: str
) -> None:
    orders.handlers |= {"set-tier": refuse, "rotate": stumble, "case.update": contradict}
    del orders.handlers["pause"]
    refused = orders.give(given)
    assert (refused.reason, refused.consumed) == (reason, True)
    assert orders.carried_out() == {}
    assert orders.world.count("trust") == 0
    assert orders.world.rows("SELECT DISTINCT stream FROM outbox") == [("urgent",)]
    [item] = map(json.loads, orders.told())
    assert (item["seq"], item["verdict"]) == (1, reason)
    assert len(item.get("detail", "")) <= 200
    assert orders.world.rows("SELECT code, subject, times FROM alarm") == [(reason, f"down {given.kind}", 1)]
    assert orders.give(given) == Obeyed()
    assert orders.give(order(2)).reason == ""
    assert orders.verdicts() == {1: reason, 2: ""}


def test_an_order_under_a_second_number_is_not_carried_out_twice(orders: Orders) -> None:
    """HQ numbers anew what it is not sure of; its name stays."""
    orders.give(order(1))
    assert orders.give(order(2, id="o-1")).reason == "ALREADY_APPLIED"
    orders.give(order(3, not_after_ms=0))
    assert orders.give(order(4, id="o-3")).reason == ""
    assert orders.carried_out() == {"o-1": 1, "o-3": 1}


def test_the_term_ends_with_its_last_millisecond(orders: Orders) -> None:
    orders.world.at_ms += HOUR_MS
    assert orders.give(order(1)).reason == ""
    orders.world.at_ms += 1
    assert orders.give(order(2)).reason == "DOWN_EXPIRED"


NOW, HQ = 5_000_000, 9_000_000


@pytest.mark.parametrize(
    ("quality", "hq_ms", "counts"),
    [
        (ClockQuality.SYNCED, HQ, NOW),
        (ClockQuality.SYNCED, None, NOW),
        (ClockQuality.HOLDOVER, HQ, HQ),
        (ClockQuality.HOLDOVER, None, NOW),
        (ClockQuality.UNTRUSTED, HQ, HQ),
        (ClockQuality.UNTRUSTED, None, None),
    ],
)
def test_whose_time_a_term_is_held_against(
    quality: ClockQuality, hq_ms: int | None, counts: int | None
) -> None:
    assert attested(Instant(NOW, quality), hq_ms) == counts


def test_without_a_time_nothing_is_consumed_and_hq_is_asked(orders: Orders) -> None:
    orders.quality = ClockQuality.UNTRUSTED
    unsure = orders.give(order(1))
    assert (unsure.reason, unsure.consumed, unsure.ask_again) == ("CLOCK_UNSURE", False, True)
    assert orders.last_seq == 0
    assert orders.told() == []
    orders.hq_ms = WEDNESDAY_MS
    assert orders.give(order(1)).reason == ""


def test_rows_are_sent_again_after_the_commit_if_they_are_kept(orders: Orders) -> None:
    world = orders.world
    for at_ms in range(3):
        world.run(lambda tx, at, at_ms=at_ms: tx.outbox.put(LEDGER, "draw", b"x%d" % at_ms, at.wall_ms))
    handlers = obedient(Doors(verify=None, certificates=None, keys=None))  # type: ignore[arg-type]
    orders.handlers = dict(handlers)
    body = {"stream": "ledger", "from_seq": 2}
    given = orders.give(order(1, kind="resend", body=body))
    assert (given.reason, given.afterwards) == ("", Resend(stream="ledger", from_seq=2))
    assert orders.give(order(1, kind="resend", body=body)).afterwards is None

    def acknowledge_and_prune(tx: Transaction, at: Instant) -> None:
        tx.outbox.raise_watermark(LEDGER, Watermark(3, tx.outbox.head_at(LEDGER, 3) or b"", at.wall_ms))
        tx.outbox.prune(LEDGER, at.wall_ms + 1)

    world.run(acknowledge_and_prune)
    pruned = orders.give(order(2, kind="resend", body=body))
    assert (pruned.reason, pruned.afterwards) == ("RESEND_PRUNED", None)


def test_every_kind_of_the_contract_is_obeyed() -> None:
    handlers = obedient(Doors(verify=None, certificates=None, keys=None))  # type: ignore[arg-type]
    assert set(handlers) == set(KINDS)
    assert set(handlers) >= AFTERWARDS


def test_only_the_last_orders_are_kept_and_old_ones_stay_unheard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    orders = Orders(World(tmp_path / "station.db"))
    monkeypatch.setattr(down_store, "KEPT", 5)
    monkeypatch.setattr("agent.store.checks.down.KEPT", 5)
    for seq in range(1, 13):
        orders.give(order(seq))
    assert list(orders.verdicts()) == [8, 9, 10, 11, 12]
    assert orders.give(order(1, kind="coffee")) == Obeyed()
    assert orders.carried_out() == {f"o-{seq}": 1 for seq in range(1, 13)}
    assert verify(orders.world.store._connection) == []
    orders.world.store.close()


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ("DELETE FROM down_item WHERE down_seq = 2", "DOWN_GAP"),
        ("DELETE FROM down_item WHERE down_seq = 1", "DOWN_GAP"),
        ("DELETE FROM down_item WHERE down_seq = 3", "DOWN_ITEM"),
        ("UPDATE down_item SET verdict = '' WHERE down_seq = 3", "DOWN_ITEM"),
        ("UPDATE down_item SET verdict = 'X' WHERE down_seq = 1", "DOWN_ITEM"),
        ("UPDATE down_item SET id = 'other' WHERE down_seq = 1", "DOWN_ITEM"),
        ("UPDATE down_item SET consumed_at_ms = 1 WHERE down_seq = 1", "DOWN_ITEM"),
        ("INSERT INTO down_item SELECT 4, id, kind, sha256, verdict, detail, 0, 0 FROM down_item LIMIT 1",
         "DOWN_ITEM"),
        ("INSERT INTO trust VALUES (2, x'00', 0)", "TRUST"),
        ("INSERT INTO trust VALUES (3, x'00', 0)", "TRUST"),
    ],
)  # fmt: skip
def test_verify_finds_what_somebody_changed(tmp_path: Path, harm: str, code: str) -> None:
    orders = Orders(World(tmp_path / "station.db"))
    with closing(orders.world.store):
        for given in (order(1), order(2), order(3, not_after_ms=0)):
            orders.give(given)
        connection = orders.world.store._connection
        assert verify(connection) == []
        connection.execute(harm)
        assert code in {finding.code for finding in verify(connection)}
