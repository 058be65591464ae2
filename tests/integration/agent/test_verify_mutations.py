"""Integration: is every change that root makes to the books found, by `store verify` or the heads file?

reliability.md S5 and R12. One change at a time, of every kind: a column of a row, a row, two rows
exchanged, the tail of a chain, an old copy of the file put back. What no check can see, by design:

- `bundle.in_force_from_ms` while no award lies between the old and the new time (one that does is
  named, see below): no other record has that time.
- an acknowledged item at the very front of a stream that is gone, as it is after pruning, or, where rows
  before it were pruned, its bytes: HQ has it, and the head before it went with the rows before.
- what nothing promises: alarms, shadow and guard figures, presentations, device clocks, times at which
  rows of other tables were written.

A bit that is turned round in the file is found, or it changes nothing of the books: SQLite's pages have no
checksum, so a bit in a table that promises nothing (an alarm's text) stays unseen.
"""

import hashlib
import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import ClockQuality, Instant
from agent.points.ledger import Posting
from agent.store.database import Store
from agent.store.heads import HeadsFile
from agent.store.integrity import Finding, verify
from agent.store.ledger import entry_bytes
from agent.store.migrations import schema
from sync.chain import GENESIS, next_head
from tests.integration.agent.station_history import Station, opened, rules
from tests.integration.agent.vandal import TABLES, Vandal, cut_ledger, cut_stream, flipped


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    return Station(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def heads(station: Station, tmp_path_factory: pytest.TempPathFactory) -> HeadsFile:
    file = HeadsFile(tmp_path_factory.mktemp("heads") / "station.heads")
    file.write(station.heads)
    return file


def found(connection: sqlite3.Connection, heads: HeadsFile) -> list[Finding]:
    return verify(connection, heads=heads)


def codes(connection: sqlite3.Connection, heads: HeadsFile) -> set[str]:
    with closing(connection):
        return {finding.code for finding in found(connection, heads)}


def unnoticed(station: Station, heads: HeadsFile, seeds: Iterable[int]) -> list[str]:
    missed = []
    for seed in seeds:
        vandal = Vandal(station, seed)
        with closing(vandal.strike()) as connection:
            if not found(connection, heads):
                missed.append(f"seed {seed}: {vandal.did}")
    return missed


def test_the_untouched_history_is_sound(station: Station, heads: HeadsFile) -> None:
    assert found(station.copy(), heads) == []


def test_300_mutations_are_found(station: Station, heads: HeadsFile) -> None:
    assert unnoticed(station, heads, range(300)) == []


@pytest.mark.storm
def test_1000_mutations_are_found(station: Station, heads: HeadsFile) -> None:
    assert unnoticed(station, heads, range(10_000, 11_000)) == []


COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda name: name)
def test_a_change_of_every_column_is_found(
    station: Station, heads: HeadsFile, table: str, column: str
) -> None:
    for seed in range(4):
        vandal = Vandal(station, seed)
        with closing(station.copy()) as connection:
            try:
                vandal.edit_column(connection, table, column)
            except sqlite3.IntegrityError:
                continue
            assert found(connection, heads), vandal.did


def changed(station: Station, sql: str, *parameters: object) -> sqlite3.Connection:
    connection = station.copy()
    before = schema(connection)
    connection.execute(sql, parameters)
    assert connection.total_changes > 0 or schema(connection) != before
    return connection


def test_an_edited_entry_is_named_as_the_first_bad_one(station: Station, heads: HeadsFile) -> None:
    edit = """UPDATE ledger_entry SET body = cast(replace(body, '"award"', '"gift"') AS BLOB)"""
    with closing(changed(station, edit + ", kind = 'gift' WHERE seq BETWEEN 3 AND 9")) as connection:
        first = next(f for f in found(connection, heads) if f.code == "LEDGER_CHAIN")
    assert first.where == "ledger entry 3"


def test_a_chain_that_was_hashed_anew_meets_the_heads_file(station: Station, heads: HeadsFile) -> None:
    """Root can make every row agree again; not with what stands outside the database."""
    connection = station.copy()
    head = GENESIS
    for seq, kind, ref, at_ms in connection.execute(
        "SELECT seq, kind, ref, at_ms FROM ledger_entry"
    ).fetchall():
        rows = connection.execute(
            "SELECT account, minor FROM posting WHERE seq = ? ORDER BY account DESC", (seq,)
        )
        later_ms = at_ms + (seq == 1)
        body = entry_bytes(seq, kind, ref, tuple(Posting(*row) for row in rows), later_ms)
        head = next_head(head, body)
        connection.execute(
            "UPDATE ledger_entry SET at_ms = ?, body = ?, head = ? WHERE seq = ?", (later_ms, body, head, seq)
        )
    with closing(connection):
        assert "LEDGER_FORKED" in {f.code for f in found(connection, heads)}
        assert not {f.code for f in verify(connection)} & {"LEDGER_CHAIN", "LEDGER_ROWS", "LEDGER_SUM"}


KINDS = {
    "posting of another amount": ("UPDATE posting SET minor = minor + 1 WHERE seq = 4", "LEDGER_ROWS"),
    "posting to another member": (
        "UPDATE posting SET account = replace(account, 'm-gold', 'm-mine') WHERE seq = 1",
        "LEDGER_ROWS",
    ),
    "entry gone": ("DELETE FROM ledger_entry WHERE seq = 5", "LEDGER_GAP"),
    "balance": (
        "UPDATE account SET minor = minor + 100 WHERE account = 'member:m-gold:active'",
        "ACCOUNT_CACHE",
    ),
    "usage": ("UPDATE usage SET fills = fills + 1 WHERE period = '2026-07'", "USAGE_CACHE"),
    "rest of a lot": ("UPDATE lot SET remaining_minor = 0 WHERE state = 'active'", "LOT_STATE"),
    "lapsed part of a lot": ("UPDATE lot SET lapsed_minor = 1 WHERE state = 'exhausted'", "LOT_STATE"),
    "lot that lives for ever": ("UPDATE lot SET lapses_on = '' WHERE state = 'active'", "LOT_TERMS"),
    "lot honoured longer": (
        "UPDATE lot SET honoured_until = '2027-01-01' WHERE honoured_until <> ''",
        "LOT_TERMS",
    ),
    "better ratio": ("UPDATE lot SET ratio_version = 2 WHERE rowid = 1", "LOT_TERMS"),
    "move of another lot": (
        "UPDATE lot_move SET lot_id = (SELECT lot_id FROM lot ORDER BY rowid DESC LIMIT 1) WHERE seq = 2",
        "LOT_STATE",
    ),
    "move without an entry": ("INSERT INTO lot_move SELECT lot_id, 9999, 5 FROM lot LIMIT 1", "LEDGER_ROWS"),
    "award": ("UPDATE award SET minor = minor + 100 WHERE rowid = 2", "AWARD"),
    "tier in the inputs": (
        """UPDATE award SET inputs = replace(inputs, '"tier":"basic"', '"tier":"gold"')""",
        "AWARD",
    ),
    "tender in the inputs": (
        """UPDATE award SET inputs = replace(inputs, '"tender":"cash"', '"tender":"card"')""",
        "AWARD_ITEM",
    ),
    "explanation": ("""UPDATE award SET result = replace(result, 'fuel-litre', 'fuel-liter')""", "AWARD"),
    "award of another bundle": ("UPDATE award SET version = 42 WHERE version = 43", "AWARD_RULES"),
    "award gone": ("DELETE FROM award WHERE rowid = 1", "AWARD_ITEM"),
    "award of another member": (
        "UPDATE award SET member = 'm-gold' WHERE member = 'm-basic'",
        "AWARD_WITHOUT_BINDING",
    ),
    "fuelled litres": ("UPDATE fact SET volume_ml = volume_ml + 10 WHERE rowid = 1", "FACT_ITEM"),
    "refund": ("UPDATE refund SET minor = minor - 1 WHERE refund_id = 'F-3'", "REVERSED"),
    "refund gone": ("DELETE FROM refund WHERE refund_id = 'F-4'", "REFUND"),
    "item": (
        "UPDATE outbox SET body = cast(replace(body, '30000', '30001') AS BLOB) WHERE stream = 'ledger'",
        "OUTBOX_CHAIN",
    ),
    "item before HQ had it": (
        "DELETE FROM outbox WHERE stream = 'service' AND seq <= 3",
        "OUTBOX_GAP",
    ),
    "watermark": ("UPDATE watermark SET head = zeroblob(32)", "WATERMARK"),
    "included part": ("UPDATE member SET included_minor = included_minor + 1", "WATERMARK"),
    "figures of a day": (
        "UPDATE daily_close SET figures = replace(figures, 'issued_minor\":', 'issued_minor\":1')",
        "DAILY_CLOSE",
    ),
    "frozen part of a day": (
        """UPDATE daily_close SET figures = replace(figures, 'frozen_minor":0', 'frozen_minor":5')""",
        "DAILY_CLOSE",
    ),
    "day gone": ("DELETE FROM daily_close WHERE business_date = '2026-07-20'", "DAILY_CLOSE"),
    "rules": (
        "UPDATE bundle SET body = cast(replace(body, 'bp = 12000', 'bp = 90000') AS BLOB) WHERE version = 43",
        "BUNDLE_BYTES",
    ),
    "state of the rules": ("UPDATE bundle SET state = 'RETIRED' WHERE version = 44", "BUNDLE_STATE"),
    "rules in force from another time, over an award": (
        "UPDATE bundle SET in_force_from_ms = in_force_from_ms + 864000000 WHERE version = 43",
        "AWARD_RULES",
    ),
    "a column for plates": ("ALTER TABLE fact ADD COLUMN plate TEXT", "SCHEMA"),
    "a column that takes fractions": ("ALTER TABLE award ADD COLUMN points REAL", "SCHEMA"),
    "a table of one's own": ("CREATE TABLE driver (name TEXT) STRICT", "SCHEMA"),
    "an index that is gone": ("DROP INDEX lot_remaining", "SCHEMA"),
    "a plate in the clear": ("UPDATE fact SET credential = 'A12345' WHERE rowid = 1", "RAW_CREDENTIAL"),
    "fork": ("UPDATE fork SET head = zeroblob(32) WHERE chain = 'ledger_entry'", "FORK"),
}


@pytest.mark.parametrize(("sql", "code"), KINDS.values(), ids=KINDS.keys())
def test_each_kind_is_found_under_its_name(station: Station, heads: HeadsFile, sql: str, code: str) -> None:
    assert code in codes(changed(station, sql), heads)


def test_rules_signed_anew_do_not_reproduce_their_vectors(station: Station, heads: HeadsFile) -> None:
    body = rules(43, months=2, after="PT48H").replace(b"minor = 10000", b"minor = 10001")
    sql = "UPDATE bundle SET sha256 = ?, body = ? WHERE version = 43"
    found_codes = codes(changed(station, sql, hashlib.sha256(body).digest(), body), heads)
    assert found_codes == {"BUNDLE_VECTORS", "BUNDLE_STATE"}


def test_rules_by_which_more_litres_earn_less_are_found(station: Station, heads: HeadsFile) -> None:
    falling = b"""points_minor = 200
  bands = "whole"
  counted = "sale"
  band = [ { from = 60000, points_minor = 1 } ]
  # """
    body = rules(43, months=2, after="PT48H").replace(b"points_minor = 200 ", falling, 1)
    assert b"60000" in body
    sql = "UPDATE bundle SET sha256 = ?, body = ? WHERE version = 43"
    assert "BUNDLE_UNSOUND" in codes(changed(station, sql, hashlib.sha256(body).digest(), body), heads)


def test_what_was_never_held_cannot_be_captured(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "station.db", "s", "p", Instant(1, ClockQuality.SYNCED))
    captured = (Posting("member:m:held", -5), Posting("programme:redeemed", 5))
    with store.transaction() as tx:
        tx.ledger.post("redemption", bytes(16), captured, 1)
    assert "HELD" in {finding.code for finding in verify(store._connection)}
    store.close()


def test_a_cut_tail_of_the_ledger_is_found(station: Station, heads: HeadsFile) -> None:
    connection = station.copy()
    cut_ledger(connection, 3)
    assert "LEDGER_CUT" in codes(connection, heads)


def test_a_cut_tail_of_a_stream_is_found(station: Station, heads: HeadsFile) -> None:
    connection = station.copy()
    cut_stream(connection, "service", 1)
    assert "LEDGER_CUT" in codes(connection, heads)


def test_every_old_copy_is_sound_in_itself_and_found(station: Station, heads: HeadsFile) -> None:
    assert len(station.old) >= 5
    for image in station.old:
        with closing(opened(image)) as connection:
            assert verify(connection) == []
            assert [finding.code for finding in found(connection, heads)] == ["LEDGER_CUT"]


def books(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """Everything that the books say, in an order of its own."""
    dump = []
    for table, columns in TABLES.items():
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED").fetchall()
        dump.append(sorted(rows, key=repr))
    return dump


def test_200_flipped_bits_are_found_or_change_nothing_of_the_books(
    station: Station, heads: HeadsFile
) -> None:
    rng = random.Random(20_260_708)
    with closing(station.copy()) as connection:
        whole = books(connection)
    noticed = 0
    for _ in range(200):
        bit = rng.randrange(100 * 8, len(station.image) * 8)
        with closing(flipped(station, bit)) as connection:
            if found(connection, heads):
                noticed += 1
            else:
                assert books(connection) == whole, f"bit {bit}"
    assert noticed >= 40  # most bits of a young database lie where nothing is written


@pytest.mark.parametrize("eighths", range(1, 8))
def test_a_file_that_ends_early_is_found(
    station: Station, heads: HeadsFile, eighths: int, tmp_path: Path
) -> None:
    path = tmp_path / "short.db"
    path.write_bytes(station.image[: len(station.image) * eighths // 8 // 4096 * 4096])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert found(connection, heads)
