"""Integration: what does a sale ask of the database, and does that grow with what is in it? Never: how fast.

Every statement of a sale is looked at: none goes through a big table, and the steps of SQLite's
machine that a sale takes are as many after four times the sales.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import Instant
from agent.handlers import dispatch
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.dispatch import Report
from agent.handlers.site import Site
from agent.handlers.told import Seen, Told
from agent.store.database import Store
from drivers.events import (
    Credential,
    CredentialKind,
    FuellingStarted,
    MemberIdentified,
    MemberPresented,
    SaleRefunded,
)
from tests.bench.history import COLLECTOR, History
from tests.bench.recording import Recorder, Statement
from tests.bench.rig import BUNDLE, Customers, Sale, card, member_id, site, tag

GROWS = {
    *("fact", "correction", "pos_sale", "binding", "presentation", "refund", "award", "usage", "lot"),
    *("ledger_entry", "posting", "lot_move", "account", "outbox", "member", "credential", "bucket"),
    *("usage_elsewhere", "reminder", "notice", "snapshot", "daily_close", "run", "dark_spell"),
}
"""Tables with a row for each sale, member or day."""
ENDS = {
    "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1",
}
"""One row from the end of the key: SQLite's plan calls that a scan too."""
ORDINARY = 7
ROLLOUT = """
[rollout]
id = "next"
percent = 0
shadow_sales = 100
least_sales = 10
declined_bp = 500
mismatched = 1
crashes = 3
"""
MOST_STATEMENTS = {"fuelling": 12, "payment": 44, "both at once": 45}
"""A sale of a known member, without COMMIT and savepoints; more must be a decision. Decided: what HQ may
have told the station is asked for, that is prices, wordings, notices and revoked cards."""


class Station:
    """The store of a `History` and a sale after it."""

    def __init__(self, path: Path, entries: int) -> None:
        self.here = site()
        history = History(path, self.here)
        history.grow(entries)
        history.close()
        self._now_ms = history.now_ms
        self._recorder = Recorder()
        self.store = Store.open(
            path, self.here.station, self.here.programme, self.later(), self._recorder.connect
        )
        self.connection = self._recorder.connection

    def later(self) -> Instant:
        self._now_ms += 1_000
        return Instant(self._now_ms)

    def tell(
        self, event: Report, line: str = "pos", here: Site | None = None
    ) -> tuple[Told, list[Statement]]:
        """The answer, and the statements between the savepoints."""
        at, before = self.later(), len(self._recorder.statements)
        with self.store.transaction() as tx, self.store.savepoint():
            told = dispatch.handle(event, line, Seen(at.wall_ms, at.wall_ms), tx, here or self.here, at)
        said = self._recorder.statements[before:]
        return told, [
            one for one in said if one[0].lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
        ]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path / "station.db", 2_000)
    yield station
    station.store.close()


def paid_by(sale: Sale, member: int) -> Sale:
    return replace(sale, paid=replace(sale.paid, credential=card(member)))


def scans(connection: sqlite3.Connection, statements: list[Statement]) -> list[str]:
    """Each plan step that goes through a table that grows, with its statement."""
    found = []
    for sql, parameters in statements:
        if sql.strip() in ENDS:
            continue
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters):
            words = step.split()
            if words[0] == "SCAN" and words[1] in GROWS | {"row", "entry", "first", "tip"}:
                found.append(f"{step}: {sql}")
    return found


def test_the_search_for_scans_finds_one(station: Station) -> None:
    assert scans(station.connection, [("SELECT * FROM fact WHERE product = ?", ("petrol-92",))])
    assert scans(station.connection, [("SELECT fact_id FROM award ORDER BY fact_id", ())])
    assert not scans(station.connection, [("SELECT * FROM fact WHERE fact_id = ?", (b"",))])


@pytest.mark.parametrize("member", [ORDINARY, COLLECTOR], ids=["ordinary", "with many lots"])
def test_no_statement_of_a_sale_goes_through_a_table_that_grows(station: Station, member: int) -> None:
    with_candidate(station)
    first, second, third = Customers(random.Random(1)).take(3)
    told = [
        station.tell(MemberPresented("till-1", first.paid.point or "", card(member))),
        station.tell(FuellingStarted("0", first.nozzle), first.line),
        station.tell(first.fuelling, first.line),
        station.tell(replace(first.paid, credential=None)),
        station.tell(SaleRefunded("till-1", "r1", first.paid.pos_sale_id, first.amount_fen // 2)),
        station.tell(SaleRefunded("till-1", "r2", first.paid.pos_sale_id, first.amount_fen // 4)),
        station.tell(paid_by(second, member).paid),
        station.tell(second.fuelling, second.line),
        station.tell(third.fuelling, third.line),
        station.tell(replace(third.paid, credential=None)),
        station.tell(MemberIdentified("till-1", third.paid.pos_sale_id, card(member))),
        station.tell(third.fuelling, third.line),
    ]
    points = [answer.answer.points_minor for answer, _ in told]
    assert [point is not None for point in points] == [n in (3, 4, 5, 10) for n in range(12)]
    assert told[7][0].notices, "the payment that waited was bound"
    assert [scans(station.connection, statements) for _, statements in told] == [[]] * 12


def test_a_sale_asks_as_few_statements_as_it_did(station: Station) -> None:
    sale, at_once = Customers(random.Random(1)).take(2)
    _, fuelling = station.tell(sale.fuelling, sale.line)
    told, payment = station.tell(paid_by(sale, ORDINARY).paid)
    assert told.answer.points_minor
    with_tag = replace(at_once.fuelling, credential=Credential(CredentialKind.TAG, tag(ORDINARY)))
    _, both = station.tell(with_tag, at_once.line, site(award_on_fuelling=True))
    asked = {"fuelling": len(fuelling), "payment": len(payment), "both at once": len(both)}
    assert all(asked[name] <= most for name, most in MOST_STATEMENTS.items()), asked


def test_the_work_of_a_sale_does_not_grow_with_what_was_sold_before(tmp_path: Path) -> None:
    short, long = (steps_of_a_sale(tmp_path / f"{n}.db", n) for n in (350, 1_400))
    assert abs(long - short) < short // 20, (
        "a day that begins makes a row of its own; nothing else may differ"
    )


def steps_of_a_sale(path: Path, entries: int) -> int:
    """Steps of SQLite's virtual machine for a fuelling and its payment by a member who has one lot."""
    sale = paid_by(Customers(random.Random(1)).take(1)[0], ORDINARY)
    station, steps = Station(path, entries), 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(station.store):
        station.connection.set_progress_handler(count, 1)
        station.tell(sale.fuelling, sale.line)
        told, _ = station.tell(sale.paid)
        station.connection.set_progress_handler(None, 1)
        with station.store.transaction() as tx:
            assert len(tx.lots.of_member(member_id(ORDINARY), with_rest=True)) == 2
    assert told.answer.points_minor
    return steps


def with_candidate(station: Station) -> None:
    """Rules that are judged beside the active ones."""
    text = BUNDLE.read_text(encoding="utf-8").replace("version = 42", "version = 43")
    text += ROLLOUT
    with station.store.transaction() as tx:
        adopted = adopt_bundle(text.encode(), tx, station.here, station.later())
        assert adopted.reason == "", adopted
        assert tx.bundles.candidate() is not None
