"""Unit: is what a member showed nowhere on the disk, in no table, page, log or free space?"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.handlers.adopt_coupons import adopt_coupons
from agent.handlers.apply_ack import apply_ack
from agent.handlers.cases import note_case
from agent.handlers.reopen import reopen
from agent.store.heads import LEDGER_CUT
from agent.store.outbox import LEDGER
from drivers.events import BasketLine, Credential, CredentialKind, DeviceTime
from drivers.quality import Usual
from tests.unit.agent.made_rules import rules, tell, word
from tests.unit.agent.told_by_hq import order
from tests.world import World

PAN = "6225880137060000009"
SHOWN = {
    CredentialKind.CARD: "SECRETCARD77",
    CredentialKind.PHONE_CODE: "13800138000",
    CredentialKind.PLATE: "沪A9Z8Y7",
    CredentialKind.TAG: "E2801160BEEF",
}


def traffic(world: World) -> None:
    """Everything that can carry a credential, answered and refused, with known and unknown members."""
    shown = [Credential(kind, value) for kind, value in SHOWN.items()]
    hashes = [world.hash(credential) for credential in shown[:2]]
    world.adopt_members(2, {"member": "m-1", "tier": "gold", "credentials": hashes})
    for number, credential in enumerate([*shown, Credential(CredentialKind.CARD, PAN)]):
        world.present(credential)
        fuelling = world.fuel(50_000, credential=credential)
        world.pay(f"R-{number}", fuelling.amount_fen, credential=credential)
        world.pay(
            f"S-{number}", 0, point=None, credential=credential, lines=(BasketLine("coffee", 1_000, 1_500),)
        )
        second = world.fuel(20_000)
        world.pay(f"T-{number}", second.amount_fen)
        world.identify(f"T-{number}", credential)
        world.identify(f"R-{number}", credential)
        world.refund(f"F-{number}", f"R-{number}", 100)
        world.present(credential, "no such point")


def files(world: World) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in world.path.parent.iterdir()}


def spellings(value: str) -> list[bytes]:
    spaced = " ".join(value)
    return [
        text.encode(code)
        for text in (value, value.lower(), spaced)
        for code in ("utf-8", "utf-16-le", "gb18030")
    ]


@pytest.mark.parametrize("value", [*SHOWN.values(), PAN, PAN[:12], PAN[-12:]])
def test_no_raw_credential_is_in_any_byte_on_the_disk(world: World, value: str) -> None:
    traffic(world)
    before = files(world)
    assert any(name.endswith("-wal") and content for name, content in before.items())
    world.store.close()
    after = files(world)
    world.store = World(world.path).store
    for name, content in [*before.items(), *after.items()]:
        for spelling in spellings(value):
            assert spelling not in content, name


def test_the_search_can_find_something(world: World, tmp_path: Path) -> None:
    """The same search finds what does belong there: the hash, the POS's sale id."""
    traffic(world)
    content = b"".join(files(world).values())
    assert world.hash(Credential(CredentialKind.CARD, SHOWN[CredentialKind.CARD])).encode() in content
    assert b"T-3" in content


def a_month(world: World) -> None:
    """Then whatever else a station can be told or do in a month, until no table is empty."""
    traffic(world)
    card = Credential(CredentialKind.CARD, SHOWN[CredentialKind.CARD])
    known = {"member": "m-1", "tier": "gold", "credentials": [world.hash(card)], "balance_minor": 5_000}
    buckets = [{"lapses_on": "2026-07-20", "minor": 900}, {"lapses_on": "2026-07-09", "minor": 700}]
    usage = [{"period": "2026-07", "minor": 10**6, "fills": 90, "volume_ml": 10**7}]
    world.adopt_members(3, known | {"buckets": buckets, "usage": usage})
    _adopt(world, rules(43, rollout={"percent": 0}), word(world, 1, 43, 0))
    coupons = {"schema": "coupons/1", "version": 1, "issued_at_ms": 1, "pool": []}
    held = {"serial": "W-1", "member": "m-1", "kind": "welcome"}
    coupons |= {"coupons": [held | {"valid_from": "2026-07-01", "valid_until": "2026-07-31"}]}
    coupons |= {"station": world.site.station, "programme": world.site.programme}
    payload = json.dumps(coupons).encode()
    assert not world.run(lambda tx, at: adopt_coupons(payload, tx, world.site, at)).reason
    world.present(card)
    world.lift()
    world.gauge()
    world.totalizer_ml["08"] += 7_000
    for number in range(4):
        scaled = world.fuelling(50_000, "09", credential=card)
        world.book(replace(scaled, volume_ml=scaled.volume_ml // 10, volume_step_ml=1))
        world.pay(f"U-{number}", scaled.amount_fen, credential=card)
    world.wait(3_600)
    world.pay("U-9", world.fuel(20_000, "09", credential=card).amount_fen, credential=card)
    world.fuel(30_000, "08", credential=card, device_time=DeviceTime(2026, 7, 8, 11, 30))
    world.run(lambda tx, at: tx.darkness.begin(at.wall_ms))
    world.pass_days(1)
    world.adopt_members(4, known | {"status": "FROZEN", "buckets": buckets, "usage": usage})
    world.present(card)
    world.pass_days(30)
    _be_told(world)
    end = world.run(lambda tx, at: tx.outbox.next_seq(LEDGER) - 1)
    world.run(lambda tx, at: apply_ack(LEDGER, end, tx.outbox.head_at(LEDGER, end) or b"", tx, at))
    world.run(lambda tx, at: reopen(LEDGER_CUT, 1, "boot", tx, world.site, at))


def _be_told(world: World) -> None:
    """Everything that HQ can leave here; and staff who write a card's number where it does not belong."""
    assert [order(world, kind, body) for kind, body in ORDERS] == [""] * len(ORDERS)
    world.fuel(12_000)
    notes = ("they wait here", f"their card is {PAN}", f"card {PAN[:4]} {PAN[4:8]} {PAN[8:]}")
    noted = [world.run(lambda tx, at, text=text: note_case("c-1", "staff-4", text, tx, at)) for text in notes]
    assert [note.reason for note in noted] == ["", "NOTE_HOLDS_CARD", "NOTE_HOLDS_CARD"]
    world.run(lambda tx, at: tx.trust.adopt(2, b"a list of keys", at.wall_ms))
    usual = {"island-1": Usual(9_990, 6, 4, 9_900, 178_000)}
    world.run(lambda tx, at: tx.line_usuals.keep(usual, at.wall_ms))


ORDERS: tuple[tuple[str, dict[str, object]], ...] = (
    ("pause", {"what": "redemptions", "until_ms": 2**43, "reason": "audit"}),
    ("adjust", {"member": "m-1", "minor": 700, "reason": "goodwill"}),
    ("grant", {"grant": "g-1", "epoch": 1, "member": "m-1", "minor": 500, "valid_until_ms": 2**43}),
    ("price.table", {"version": 1, "valid_from_ms": 0, "prices": [["petrol-92", 7_830]]}),
    ("revocations", {"version": 1, "credentials": [["k1:" + "A" * 22, 0]]}),
    ("catalogue", {"version": 1, "texts": [["TOO_LATE", "en", "Too late"]]}),
    (
        "notice",
        {"notice": "n-1", "version": 1, "audience": "staff"}
        | {"from_ms": 0, "until_ms": 2**43, "zh": "", "en": "shut"},
    ),
    ("case.update", {"case": "c-1", "version": 1, "state": "OPEN", "owner": "hq-1", "at_ms": 1}),
)


def _adopt(world: World, bundle: bytes, rollout: bytes) -> None:
    assert not world.adopt_bundle(bundle).reason
    assert not tell(world, rollout).reason


def test_item_15_no_table_holds_a_raw_credential_after_a_month_of_traffic(world: World) -> None:
    """points.md 9 item 15, I26: dump every table; each has something in it that could have been wrong."""
    a_month(world)
    tables = [name for (name,) in world.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    dump = {table: "\n".join(map(repr, world.rows(f"SELECT * FROM {table}"))) for table in tables}
    assert [table for table, rows in dump.items() if not rows] == []
    assert len(tables) >= 36
    for table, rows in dump.items():
        for value in (*SHOWN.values(), PAN):
            assert value not in rows, table
            assert value.encode().hex() not in rows, table


def test_item_15_every_column_is_one_that_somebody_has_thought_about(world: World) -> None:
    """I26: free text of people has no column; a new column has to be read and put here."""
    columns = {
        f"{table}.{column}"
        for (table,) in world.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (column,) in world.rows("SELECT name FROM pragma_table_info(?)", table)
    }
    suspicious = ("name", "phone", "plate", "pan", "email", "address", "birth", "comment", "note", "person")
    assert {column for column in columns if any(word in column.partition(".")[2] for word in suspicious)} == {
        "member.birth_month",  # with consent
        "member.birth_day",
        "case_note.note",  # of staff on a case; card numbers are refused
        "case_note.note_no",
        "schema_migration.name",  # of a file of ours
    }


def test_only_keyed_hashes_stand_in_credential_columns(world: World) -> None:
    traffic(world)
    for table in ("fact", "pos_sale", "binding", "presentation", "credential"):
        for (credential,) in world.rows(f"SELECT DISTINCT credential FROM {table}"):
            assert credential == "" or (str(credential).startswith("k1:") and len(str(credential)) == 25)
