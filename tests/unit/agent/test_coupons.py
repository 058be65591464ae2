"""Unit: is a coupon used once and for ever, given once from the pool, and is HQ told of exactly that?"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.app.loading import load
from agent.app.trusted import TrustedKeys
from agent.handlers.adopt_coupons import adopt_coupons
from agent.handlers.adoption import Adoption
from agent.language import translator
from agent.messages import bodies
from agent.messages.judge import judge_with
from agent.store.integrity import verify
from drivers.events import Answer
from sync import signing
from sync.hq.judging import NOT_AN_ITEM, Booked, ItemContext
from sync.keys import SigningKey
from sync.trust import pinned
from tests.unit.agent.stations import bundle_bytes
from tests.world import BASIC, GOLD, World, site

BONUS = """
  [[ruleset.bonus]]
  id = "welcome-coupon"
  minor = 5000
  coupon = "welcome"

  [ruleset.combine]"""
ISSUE = """
[[issue]]
id = "next-wash"
kind = "wash"
valid_days = 7
at_least_ml = 20000

[[vector]]"""
RULES = bundle_bytes(("\n  [ruleset.combine]", BONUS), ("\n[[vector]]", ISSUE))


def coupon(serial: str, member: str = "m-gold", **changes: str) -> dict[str, str]:
    usual = {"kind": "welcome", "valid_from": "2026-07-01", "valid_until": "2026-07-31"}
    return {"serial": serial, "member": member, **usual, **changes}


def pooled(serial: str, valid_until: str = "2026-12-31") -> dict[str, str]:
    return {"serial": serial, "kind": "wash", "valid_until": valid_until}


def document(
    version: int, *held: dict[str, str], pool: tuple[dict[str, str], ...] = (), **other: object
) -> bytes:
    content: dict[str, object] = {"schema": "coupons/1", "station": "station-0042", "programme": "demo-cn"}
    content |= {"version": version, "issued_at_ms": 1, "coupons": held, "pool": pool}
    return json.dumps(content | other).encode()


def adopt(world: World, payload: bytes) -> Adoption:
    return world.run(lambda tx, at: adopt_coupons(payload, tx, world.site, at))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "station.db")
    with closing(made.store):
        assert made.adopt_bundle(RULES).reason == made.adopt_members(1).reason == ""
        yield made
        assert verify(made.store._connection) == []


def sell(world: World, name: str, volume_ml: int = 10_000, *, gold: bool = True) -> Answer:
    fuelling = world.fuel(volume_ml)
    return world.pay(name, fuelling.amount_fen, credential=GOLD if gold else BASIC)


def points(world: World, name: str, *, gold: bool = True) -> int | None:
    return sell(world, name, gold=gold).points_minor


def told(world: World, kind: str) -> list[dict[str, object]]:
    rows = world.rows("SELECT body FROM outbox WHERE stream = 'service' AND kind = ? ORDER BY seq", kind)
    return [json.loads(body) for (body,) in rows]


def used(world: World) -> list[str]:
    return [
        serial for (serial,) in world.rows("SELECT serial FROM coupon WHERE used_fact_id NOT NULL ORDER BY 1")
    ]


def test_a_coupon_is_used_once_by_its_member(world: World) -> None:
    adopt(world, document(1, coupon("W-1")))
    assert points(world, "S1", gold=False) == 2_000
    assert points(world, "S2") == 7_400
    assert points(world, "S3") == 2_400
    [(seq,)] = world.rows("SELECT stream_seq FROM award WHERE minor = 7400")
    [item] = told(world, "coupon.used")
    assert item == {"kind": "coupon.used", "of": seq, "serial": "W-1", "at_ms": world.at_ms}


def test_the_same_payment_heard_again_uses_nothing_more(world: World) -> None:
    adopt(world, document(1, coupon("W-1"), coupon("W-2")))
    fuelling = world.fuel(10_000)
    answers = [world.pay("S1", fuelling.amount_fen, credential=GOLD).points_minor for _ in range(2)]
    assert answers == [7_400, 7_400]
    assert used(world) == ["W-1"]


def test_the_soonest_to_lapse_goes_first_and_only_on_its_days(world: World) -> None:
    adopt(
        world,
        document(
            1,
            coupon("LAST", valid_until="2026-07-09"),
            coupon("FIRST", valid_until="2026-07-08"),
            coupon("PAST", valid_until="2026-07-07"),
            coupon("LATER", valid_from="2026-07-09"),
        ),
    )
    order = []
    for number in range(3):
        points(world, f"S{number}")
        order += [serial for serial in used(world) if serial not in order]
    assert order == ["FIRST", "LAST"]
    world.pass_days(1)
    points(world, "S9")
    assert used(world) == ["FIRST", "LAST", "LATER"]


def test_what_did_not_change_the_award_is_kept(world: World) -> None:
    """The cap of one day is reached without it."""
    adopt(world, document(1, coupon("W-1", member="m-basic")))
    assert sell(world, "S1", 300_000, gold=False).points_minor == 50_000
    assert used(world) == []
    [(inputs, result)] = world.rows("SELECT inputs, result FROM award")
    assert json.loads(inputs)["coupons"] == ["welcome"]
    assert "coupons_used" not in json.loads(result)


def test_a_used_serial_never_works_again(world: World) -> None:
    """Whatever a later document says of it, and whoever holds it then."""
    adopt(world, document(1, coupon("W-1")))
    assert points(world, "S1") == 7_400
    adopt(world, document(2, coupon("W-1"), coupon("W-2", member="m-basic")))
    assert points(world, "S2") == 2_400
    adopt(world, document(3, coupon("W-1", member="m-basic")))
    assert points(world, "S3", gold=False) == 2_000
    assert world.rows("SELECT serial, member FROM coupon") == [("W-1", "m-gold")]


def test_a_refund_of_the_whole_sale_gives_no_coupon_back(world: World) -> None:
    adopt(world, document(1, coupon("W-1")))
    fuelling = world.fuel(10_000)
    world.pay("S1", fuelling.amount_fen, credential=GOLD)
    world.refund("R1", "S1", fuelling.amount_fen)
    assert used(world) == ["W-1"]
    assert points(world, "S2") == 2_400


def test_a_fill_is_given_a_coupon_of_the_pool_and_its_slip_says_so(world: World) -> None:
    adopt(world, document(1, pool=(pooled("P-2"), pooled("P-1", "2026-07-10"))))
    assert not any("Coupon" in line for line in sell(world, "S0").slip)
    first, second = sell(world, "S1", 20_000), sell(world, "S2", 20_000, gold=False)
    assert first.slip[-2:] == ("Coupon wash: P-1, valid until", "2026-07-10")
    assert second.slip[-2:] == ("Coupon wash: P-2, valid until", "2026-07-15")
    rows = world.rows("SELECT serial, member, valid_from, valid_until FROM coupon ORDER BY 1")
    assert rows == [
        ("P-1", "m-gold", "2026-07-08", "2026-07-10"),
        ("P-2", "m-basic", "2026-07-08", "2026-07-15"),
    ]
    assert [
        (item["serial"], item["coupon"], item["valid_until"]) for item in told(world, "coupon.issued")
    ] == [
        ("P-1", "wash", "2026-07-10"),
        ("P-2", "wash", "2026-07-15"),
    ]


def test_the_slip_of_a_repeated_payment_says_it_again(world: World) -> None:
    adopt(world, document(1, pool=(pooled("P-1"), pooled("P-2"))))
    fuelling = world.fuel(20_000)
    slips = [world.pay("S1", fuelling.amount_fen, credential=GOLD).slip for _ in range(2)]
    assert slips[0] == slips[1]
    assert len(told(world, "coupon.issued")) == 1


def test_an_empty_pool_is_an_alarm_and_no_fault(world: World) -> None:
    adopt(world, document(1, pool=(pooled("P-1", "2026-07-07"),)))
    assert sell(world, "S1", 20_000).points_minor == 4_800
    assert world.alarms()["COUPON_POOL_EMPTY", "kind wash"] == 1
    assert told(world, "coupon.issued") == []


def test_what_was_given_stays_given_and_never_returns_to_the_pool(world: World) -> None:
    adopt(world, document(1, pool=(pooled("P-1"),)))
    sell(world, "S1", 20_000)
    adopt(world, document(2, pool=(pooled("P-1"),)))
    assert not any("P-1" in line for line in sell(world, "S2", 20_000, gold=False).slip)
    assert world.rows("SELECT serial, member FROM coupon") == [("P-1", "m-gold")]


def test_a_coupon_that_was_given_can_be_used_later(world: World) -> None:
    welcome = ISSUE.replace('kind = "wash"', 'kind = "welcome"')
    rules = bundle_bytes(
        ("\n  [ruleset.combine]", BONUS), ("\n[[vector]]", welcome), ("version = 42", "version = 43")
    )
    assert world.adopt_bundle(rules).reason == ""
    adopt(world, document(1, pool=(pooled("P-1") | {"kind": "welcome"},)))
    assert sell(world, "S1", 20_000).points_minor == 4_800
    assert sell(world, "S2", 10_000).points_minor == 7_400
    assert used(world) == ["P-1"]


def test_a_document_replaces_what_is_unused(world: World) -> None:
    adopt(world, document(1, coupon("W-1"), pool=(pooled("P-1"),)))
    answer = adopt(world, document(2, coupon("W-2"), coupon("W-3")))
    assert answer.text == "coupons version 2 adopted: 2 held by members, 0 in the pool"
    assert world.rows("SELECT serial FROM coupon ORDER BY 1") == [("W-2",), ("W-3",)]
    assert [item["version"] for item in told(world, "adopted") if item["what"] == "coupons"] == [1, 2]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (document(4), "COUPONS_ROLLBACK"),
        (document(5), "COUPONS_ROLLBACK"),
        (document(5, coupon("W-1")), ""),
        (document(6, station="station-0043"), "OTHER_STATION"),
        (document(6, programme="other"), "OTHER_STATION"),
        (document(6, schema="coupons/2"), "COUPONS_MALFORMED"),
        (document(6, coupon("W-2"), pool=(pooled("W-2"),)), "COUPONS_MALFORMED"),
        (document(6, coupon("W-2", valid_from="2026-08-01")), "COUPONS_MALFORMED"),
        (document(6, coupon("W-2", valid_until="2026-07-32")), "COUPONS_MALFORMED"),
        (document(6, coupon("W-2", member="")), "COUPONS_MALFORMED"),
        (document(6, coupon("a serial with blanks")), "COUPONS_MALFORMED"),
        (b"[]", "COUPONS_MALFORMED"),
        (b"{", "COUPONS_MALFORMED"),
    ],
)
def test_a_document_that_is_not_newer_or_not_ours_changes_nothing(
    world: World, payload: bytes, reason: str
) -> None:
    assert adopt(world, document(5, coupon("W-1"))).reason == ""
    assert adopt(world, payload).reason == reason
    assert world.rows("SELECT serial, member FROM coupon") == [("W-1", "m-gold")]


def test_the_slip_speaks_chinese(tmp_path: Path) -> None:
    world = World(tmp_path / "station.db", site(language="zh"))
    with closing(world.store):
        world.adopt_bundle(RULES)
        world.adopt_members(1)
        adopt(world, document(1, pool=(pooled("P-1"),)))
        assert "赠券 wash：P-1，有效期至" in "".join(sell(world, "S1", 20_000).slip)
    assert translator("zh").gettext("coupon {kind} ({serial}) was used up") == "券 {kind}（{serial}）已使用"


OTHER_SALE = "(SELECT fact_id FROM award WHERE minor = 2400)"
TAMPERINGS = {
    "another member's": "member = 'm-basic' WHERE serial = 'W-1'",
    "another kind": "kind = 'wash' WHERE serial = 'W-1'",
    "not valid then": "valid_until = '2026-07-07' WHERE serial = 'W-1'",
    "another time": "used_at_ms = used_at_ms + 1 WHERE serial = 'W-1'",
    "never used": "used_fact_id = NULL, used_at_ms = NULL WHERE serial = 'W-1'",
    "another serial": "serial = 'W-9' WHERE serial = 'W-1'",
    "of another sale": f"used_fact_id = {OTHER_SALE} WHERE serial = 'W-1'",
    "used too": f"used_fact_id = {OTHER_SALE}, used_at_ms = 1 WHERE serial = 'W-2'",
    "given for longer": "valid_until = '2026-12-31' WHERE serial = 'P-1'",
    "given another kind": "kind = 'gift' WHERE serial = 'P-1'",
    "given to another": "member = 'm-basic' WHERE serial = 'P-1'",
    "never given": "issued_fact_id = NULL, issued_at_ms = NULL WHERE serial = 'P-1'",
    "given at another time": "issued_at_ms = issued_at_ms + 1 WHERE serial = 'P-1'",
}


def two_sales(world: World) -> None:
    """W-1 is used and P-1 given after S1; W-2 comes before S2 and is not valid yet."""
    later = coupon("W-2", valid_from="2026-08-01", valid_until="2026-08-31")
    adopt(world, document(1, coupon("W-1"), later, pool=(pooled("P-1"),)))
    sell(world, "S1", 20_000)
    sell(world, "S2")


@pytest.mark.parametrize("change", TAMPERINGS.values(), ids=TAMPERINGS)
def test_verify_finds_what_somebody_changed(world: World, change: str) -> None:
    assert_found(world, f"UPDATE coupon SET {change}")


@pytest.mark.parametrize("serial", ["W-1", "P-1"])
def test_verify_finds_what_somebody_removed(world: World, serial: str) -> None:
    assert_found(world, f"DELETE FROM coupon WHERE serial = '{serial}'")


def assert_found(world: World, sql: str) -> None:
    two_sales(world)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        world.store._connection.backup(copy)
        assert verify(copy) == []
        assert copy.execute(sql).rowcount == 1
        assert {finding.code for finding in verify(copy)} == {"COUPON"}


def test_one_award_cannot_use_two_coupons_of_a_kind(world: World) -> None:
    adopt(world, document(1, coupon("W-1"), coupon("W-2")))
    sell(world, "S1")
    fact_id = world.newest_fact().fact_id
    with pytest.raises(sqlite3.IntegrityError):
        world.run(lambda tx, at: tx.coupons.use("W-2", fact_id, at.wall_ms))
    with pytest.raises(AssertionError):
        world.run(lambda tx, at: tx.coupons.use("W-1", fact_id, at.wall_ms))


@pytest.mark.parametrize(
    "item",
    [
        bodies.CouponUsed(kind="coupon.used", of=2, serial="W-1", at_ms=1),
        bodies.CouponIssued(
            kind="coupon.issued", of=2, serial="W-1", coupon="wash", valid_until="2026-07-31", at_ms=1
        ),
    ],
    ids=lambda item: str(item.kind),
)
def test_hq_knows_a_serial_as_the_entity(item: bodies.CouponUsed | bodies.CouponIssued) -> None:
    """So a second use of one serial is a conflict at HQ, with the bytes of both."""
    judge, context = judge_with({}), ItemContext("station-0042", 1, "service", 1, lambda stream, seq: None)
    assert judge(context, item.kind, item.encoded()) == Booked("W-1", None, 0, "ok")
    assert judge(context, item.kind, b'{"kind":"coupon.used"}') == NOT_AN_ITEM


def test_hq_computes_the_award_with_the_coupons_that_were_held(world: World) -> None:
    adopt(world, document(1, coupon("W-1")))
    sell(world, "S1")
    rows = world.rows("SELECT seq, kind, body FROM outbox WHERE stream = 'ledger' ORDER BY seq")
    items = {("ledger", seq): (kind, body) for seq, kind, body in rows}
    bundle = world.run(lambda tx, at: tx.bundles.parsed(42))
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    [(seq, body)] = [(seq, body) for seq, kind, body in rows if kind == "award"]
    context = ItemContext("station-0042", 1, "ledger", seq, lambda stream, at: items.get((stream, at)))
    assert judge(context, "award", body).verdict == "ok"
    assert body.count(b'"welcome"') == 1
    assert judge(context, "award", body.replace(b'"welcome"', b'"else"')).verdict == "mismatch"


def test_forecourt_load_takes_what_hq_signed_as_coupons(world: World) -> None:
    hq = SigningKey.generate()
    keys = TrustedKeys(pinned([hq.public], 1, 1), world.site.programme)
    till: Any = SimpleNamespace(submit=world.run)

    def loaded(payload_type: str, key: SigningKey) -> object:
        signed = signing.sign_document(payload_type, document(1, coupon("W-1")), key)
        request = {"document": base64.b64encode(signed).decode()}
        return load(request, world.site, till, keys)["reason"]

    assert loaded(signing.COUPONS_TYPE, SigningKey.generate()) == "DOCUMENT_UNTRUSTED"
    assert loaded(signing.MEMBERS_TYPE, hq) == "SNAPSHOT_MALFORMED"
    assert world.count("coupon") == 0
    assert loaded(signing.COUPONS_TYPE, hq) == ""
    assert world.count("coupon") == 1
