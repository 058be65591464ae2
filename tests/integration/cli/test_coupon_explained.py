"""Integration: do the commands say what became of a coupon, from what is stored with the sale?"""

import json

import pytest

from agent.handlers.adopt_coupons import adopt_coupons
from agent.store.heads import HeadsFile
from tests.integration.cli.kept_station import SETTINGS, Kept
from tests.world import BUNDLE, GOLD, World

RULES = """
  [[ruleset.bonus]]
  id = "welcome-coupon"
  minor = 5000
  coupon = "welcome"
  at_least_ml = 10000

  [ruleset.combine]"""
ISSUE = """
[[issue]]
id = "next-wash"
kind = "wash"
valid_days = 1
at_least_ml = 20000

[[vector]]"""


def _rules() -> str:
    text = BUNDLE.read_text(encoding="utf-8").replace("\n  [ruleset.combine]", RULES, 1)
    return text.replace("\n[[vector]]", ISSUE, 1)


def _coupons() -> bytes:
    def held(serial: str, first: str = "2026-07-01", kind: str = "welcome") -> dict[str, str]:
        days = {"valid_from": first, "valid_until": "2026-07-31"}
        return {"serial": serial, "member": "m-gold", "kind": kind} | days

    content = {"schema": "coupons/1", "station": "station-0042", "programme": "demo-cn", "version": 1}
    content |= {"issued_at_ms": 0, "coupons": [held("W-1"), held("L-1", "2026-07-20", "later")]}
    return json.dumps(
        content | {"pool": [{"serial": "P-1", "kind": "wash", "valid_until": "2026-12-31"}]}
    ).encode()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """S1 is too small for the coupon, S2 uses it and is given another one; for S3 the pool is empty."""
    state = tmp_path_factory.mktemp("state")
    config = state / "station.toml"
    config.write_text(SETTINGS.format(state=state), encoding="utf-8")
    (state / "rules.toml").write_text(_rules(), encoding="utf-8")
    world = World(state / "station.db")
    assert world.adopt_bundle(_rules().encode()).reason == world.adopt_members(1).reason == ""
    assert world.run(lambda tx, at: adopt_coupons(_coupons(), tx, world.site, at)).reason == ""
    for name, volume_ml in (("S1", 9_000), ("S2", 20_000), ("S3", 20_000)):
        world.pay(name, world.fuel(volume_ml).amount_fen, credential=GOLD)
    with HeadsFile(state / "station.heads") as heads:
        heads.write(world.store.heads())
    world.store.close()
    return Kept(config)


def _told(kept: Kept, *command: str) -> list[str]:
    shown = kept.run(*command)
    assert (shown.returncode, shown.stderr) == (0, "")
    return shown.stdout.splitlines()


LATER = "coupon later (L-1) is valid from 2026-07-20 to 2026-07-31"


def test_why_a_coupon_was_kept(kept: Kept) -> None:
    told = _told(kept, "sale", "explain", "S1")
    assert told[-2:] == ["coupon welcome was kept: this sale is too small for it", LATER]


def test_which_coupon_was_used_and_which_was_given(kept: Kept) -> None:
    told = _told(kept, "sale", "explain", "S2")
    assert "bonus welcome-coupon (at least 10.00 L): +50" in told
    assert told[-3:] == [
        "coupon welcome (W-1) was used up",
        LATER,
        "coupon wash (P-1) was given, valid until 2026-07-09",
    ]


def test_in_chinese_and_as_json(kept: Kept) -> None:
    assert "券 welcome（W-1）已使用" in _told(kept, "sale", "explain", "S2", "--language", "zh")
    answer = json.loads(kept.run("sale", "explain", "S1", "--json").stdout)
    reasons = [(coupon["kind"], coupon["serial"], coupon["reason"]) for coupon in answer["coupons"]]
    assert reasons == [("welcome", "", "COUPON_TOO_SMALL"), ("later", "L-1", "COUPON_WINDOW")]


def test_a_cashier_still_says_one_sentence(kept: Kept) -> None:
    assert len(_told(kept, "sale", "explain", "S2", "--till")) == 1


def test_two_sales_differ_by_what_was_held(kept: Kept) -> None:
    told = _told(kept, "sale", "compare", "S2", "S3")
    assert told[2:] == ["B against A: -50 points, made of", "-50  other coupons: welcome, then wash"]


def test_the_rules_say_what_they_take_and_give(kept: Kept) -> None:
    told = _told(kept, "rules", "show", "42")
    taken = "50 points more for the whole sale, with a coupon welcome, if it has at least 10.00 L"
    assert f"- {taken} (welcome-coupon)." in told
    given = "A coupon wash after a fill, if it has at least 20.00 L, valid that day and 1 day more"
    assert f"- {given} (next-wash)." in told


def test_a_preview_can_hold_a_coupon(kept: Kept) -> None:
    rules = str(kept.config.parent / "rules.toml")
    command = ("rules", "preview", "--litres", "10", "--at", "2026-07-08T10:00", "--rules", rules, "--json")
    without = json.loads(kept.run(*command).stdout)
    holding = json.loads(kept.run(*command, "--coupon", "welcome").stdout)
    assert (without["points_minor"], holding["points_minor"]) == (2_000, 7_000)


def test_the_books_are_sound(kept: Kept) -> None:
    assert kept.run("store", "verify").returncode == 0
