"""Unit: does HQ's judge tell right from wrong in what a station says of lots, days, draws and gaps?"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.messages.judge import Bundles, judge_with
from agent.points.rules import Bundle, parse_bundle
from agent.store.reading import connect
from sync.hq.judging import MISMATCH, NOT_AN_ITEM, OK, UNKNOWN_BUNDLE, Booked, ItemContext
from tests.unit.agent.earning import (
    AFTER_48_H,
    FILL_MINOR,
    ONE_MONTH,
    Station,
    fill,
    members,
    redeem,
    rules,
    stations,
)
from tests.world import BASIC, World

FUEL_FEN = 39_250
FACT = "A" * 22


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def bundles(*replacements: tuple[str, str]) -> Bundles:
    bundle = parse_bundle(rules(42, *replacements))
    assert isinstance(bundle, Bundle)
    return {(bundle.bundle, bundle.version): bundle}


class Hq:
    """HQ has the items of one station, and judges them, or others in their place."""

    def __init__(self, world: World, known: Bundles) -> None:
        self.judge = judge_with(known)
        with closing(connect(world.path)) as reader:
            rows = reader.execute("SELECT stream, seq, kind, body FROM outbox ORDER BY stream, seq")
            self.items = {(stream, seq): (kind, bytes(body)) for stream, seq, kind, body in rows}

    def everything(self) -> list[tuple[str, str]]:
        """(kind, verdict)"""
        return [(kind, self.at(*place).verdict) for place, (kind, _) in self.items.items()]

    def at(self, stream: str, seq: int, changes: Mapping[str, object] | None = None) -> Booked:
        """The verdict on the item there, with some fields changed."""
        kind, body = self.items[stream, seq]
        context = ItemContext("station-0042", 1, stream, seq, lambda *place: self.items.get(place))
        return self.judge(context, kind, json.dumps(json.loads(body) | dict(changes or {})).encode())

    def only(self, kind: str, **changes: object) -> Booked:
        """The last item of that kind."""
        [*_, place] = [place for place, item in self.items.items() if item[0] == kind]
        return self.at(*place, changes)

    def say(self, kind: str, **content: object) -> Booked:
        """An item that no station has sent."""
        context = ItemContext("station-0042", 1, "ledger", 10_000, lambda *place: self.items.get(place))
        return self.judge(context, kind, json.dumps({"kind": kind} | content).encode())


def delayed(station: Station) -> tuple[World, Hq]:
    """Earned, spendable after 48 hours, repaid what was owed, lapsed after a month; closed day by day."""
    world = station(*ONE_MONTH, AFTER_48_H, language="en")
    fill(world, "R-1")
    world.pass_days(2)
    redeem(world, 4_000)
    world.refund("F-1", "R-1", FUEL_FEN)
    fill(world, "R-2")
    world.pass_days(2)
    members(world, 2, status="FROZEN")
    world.pass_days(40)
    world.present(BASIC)
    return world, Hq(world, bundles(*ONE_MONTH, AFTER_48_H))


def test_all_that_an_honest_station_says_is_ok(station: Station) -> None:
    _, hq = delayed(station)
    told = hq.everything()
    assert {verdict for _, verdict in told} == {OK}
    kinds = {kind for kind, _ in told}
    assert {"award", "lot.activated", "lot.expired", "notice.shown", "daily.close", "refund"} <= kinds


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, OK),
        ({"late_s": 0}, MISMATCH),
        ({"late_s": 48 * 3600 + 1}, MISMATCH),
        ({"repaid_minor": 1}, MISMATCH),
        ({"late_s": -1}, NOT_AN_ITEM.verdict),
        ({"minor": FILL_MINOR + 1}, MISMATCH),
        ({"version": 41}, UNKNOWN_BUNDLE),
    ],
)
def test_a_delayed_award(station: Station, changes: dict[str, object], verdict: str) -> None:
    _, hq = delayed(station)
    assert hq.only("award", **changes).verdict == verdict


@pytest.mark.parametrize(
    ("repaid_minor", "verdict"), [(0, OK), (4_000, OK), (FILL_MINOR, OK), (FILL_MINOR + 1, MISMATCH)]
)
def test_an_award_repays_no_more_than_itself(station: Station, repaid_minor: int, verdict: str) -> None:
    world = station()
    fill(world)
    assert Hq(world, bundles()).only("award", repaid_minor=repaid_minor).verdict == verdict
    assert Hq(world, bundles()).only("award", late_s=1).verdict == MISMATCH


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, OK),
        ({"minor": FILL_MINOR + 1}, MISMATCH),
        ({"repaid_minor": FILL_MINOR + 1}, MISMATCH),
        ({"of": 1}, NOT_AN_ITEM.verdict),
        ({"of": 9_999}, NOT_AN_ITEM.verdict),
        ({"minor": 0}, NOT_AN_ITEM.verdict),
        ({"at_ms": 1.5}, NOT_AN_ITEM.verdict),
        ({"member": "m-basic"}, NOT_AN_ITEM.verdict),
    ],
)
def test_an_activation(station: Station, changes: dict[str, object], verdict: str) -> None:
    _, hq = delayed(station)
    booked = hq.only("lot.activated", **changes)
    assert booked.verdict == verdict
    if verdict == OK:
        assert (booked.member, booked.minor) == ("m-basic", 0)


def test_what_was_spendable_at_once_is_not_activated(station: Station) -> None:
    world = station()
    fill(world)
    hq = Hq(world, bundles())
    assert hq.say("lot.activated", of=2, minor=FILL_MINOR, at_ms=world.at_ms).verdict == MISMATCH


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, OK),
        ({"minor": FILL_MINOR}, OK),
        ({"minor": FILL_MINOR + 1}, MISMATCH),
        ({"on": "2026-07-09"}, MISMATCH),
        ({"of": 1}, NOT_AN_ITEM.verdict),
        ({"of": 0}, NOT_AN_ITEM.verdict),
        ({"minor": -1}, NOT_AN_ITEM.verdict),
        ({"on": "2026-02-30"}, NOT_AN_ITEM.verdict),
        ({"on": ""}, NOT_AN_ITEM.verdict),
    ],
)
def test_a_lapse(station: Station, changes: dict[str, object], verdict: str) -> None:
    """It moves points of the member of its award; the lot of the second sale had 6000 left."""
    _, hq = delayed(station)
    booked = hq.only("lot.expired", **changes)
    assert booked.verdict == verdict
    if not changes:
        assert (booked.member, booked.minor) == ("m-basic", -6_000)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, OK),
        ({"opening_minor": 1}, MISMATCH),
        ({"issued_minor": 9_999}, MISMATCH),
        ({"redeemed_minor": 1}, MISMATCH),
        ({"expired_minor": 1}, MISMATCH),
        ({"compensated_minor": 1}, MISMATCH),
        ({"goodwill_minor": 1}, MISMATCH),
        ({"pending_minor": 1}, MISMATCH),
        ({"active_minor": 9_999}, MISMATCH),
        ({"held_minor": 1}, MISMATCH),
        ({"debt_minor": -1}, MISMATCH),
        ({"outstanding": [[3, 9_999]]}, MISMATCH),
        ({"outstanding": []}, MISMATCH),
        ({"outstanding": [[2, 4_000], [3, 6_000]]}, OK),
        ({"active_minor": 10_001, "debt_minor": -1, "outstanding": [[3, 10_001]]}, OK),
        ({"first_seq": 3}, MISMATCH),
        ({"first_seq": 2}, OK),
        ({"head": "00"}, NOT_AN_ITEM.verdict),
        ({"date": "2026-13-01"}, NOT_AN_ITEM.verdict),
        ({"active_minor": 0.5}, NOT_AN_ITEM.verdict),
        ({"first_seq": 0}, NOT_AN_ITEM.verdict),
    ],
)
def test_a_daily_close(station: Station, changes: dict[str, object], verdict: str) -> None:
    world = station()
    fill(world)
    world.pass_days(1)
    booked = Hq(world, bundles()).only("daily.close", **changes)
    assert booked.verdict == verdict
    if verdict == OK:
        assert booked == Booked("2026-07-08", None, 0, OK)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("lot.honoured", {"of": 2, "lapses_on": "2026-08-07", "until": "2026-08-11", "minor": 5}),
        ("lot.honoured", {"lapses_on": "2026-08-07", "until": "2026-08-11", "minor": 5}),
        ("reminder.shown", {"lapses_on": "2026-08-07", "stage_days": 30, "minor": 5}),
        ("notice.shown", {"code": "MEMBER_FROZEN"}),
    ],
)
def test_what_is_only_told_moves_nothing_and_must_be_readable(
    station: Station, kind: str, content: dict[str, object]
) -> None:
    hq = Hq(station(), bundles())
    said = {"member": "m-basic", "at_ms": 1} | content
    assert hq.say(kind, **said) == Booked(None, None, 0, OK)
    for missing in ({"member"}, {"at_ms"}):
        assert hq.say(kind, **{key: said[key] for key in said.keys() - missing}) == NOT_AN_ITEM
    assert hq.say(kind, **said, name="somebody") == NOT_AN_ITEM
    if "minor" in said:
        assert hq.say(kind, **said | {"minor": 0}) == NOT_AN_ITEM


def test_a_gap_is_a_fact_of_its_own_without_points(station: Station) -> None:
    hq = Hq(station(), bundles())
    gap = {
        "id": FACT,
        "device": "cbc",
        "nozzle": "08",
        "volume_ml": 5_000,
        "totalizer_ml": 10**9,
        "event_ms": 1,
    }
    assert hq.say("gap", **gap) == Booked(FACT, None, 0, OK)
    assert hq.say("gap", **gap | {"volume_ml": 0}) == NOT_AN_ITEM
    assert hq.say("gap", **gap | {"id": FACT[1:]}) == NOT_AN_ITEM


def test_a_draw_is_about_a_fact_that_hq_has(station: Station) -> None:
    world = station()
    record = world.fuel(20_000)
    world.pay("T-1", record.amount_fen, tender="test")
    hq = Hq(world, bundles())
    booked = hq.only("draw")
    assert (booked.verdict, booked.minor, booked.member) == (OK, 0, None)
    assert booked.entity_id == json.loads(hq.items["ledger", 1][1])["id"]
    assert hq.only("draw", of=9_999) == NOT_AN_ITEM
    assert hq.only("draw", purpose="theft") == NOT_AN_ITEM


def test_a_refund_of_lapsed_points_takes_nothing_twice(station: Station) -> None:
    """HQ's balance of a member is the sum of these: the lapse took the points already."""
    world = station(*ONE_MONTH)
    fill(world)
    world.pass_days(31)
    world.refund("F-1", "R-1", FUEL_FEN)
    hq = Hq(world, bundles(*ONE_MONTH))
    assert replace(hq.only("refund"), entity_id=None) == Booked(None, "m-basic", 0, OK)
    assert hq.only("lot.expired").minor == -FILL_MINOR
    assert hq.only("refund", lapsed_minor=FILL_MINOR + 1).verdict == MISMATCH
    assert hq.only("refund", minor=FILL_MINOR - 1).verdict == MISMATCH
    assert hq.only("refund", award=9_999) == NOT_AN_ITEM


def test_a_kind_that_nobody_knows_is_not_an_item(station: Station) -> None:
    assert Hq(station(), bundles()).say("lot.doubled", of=1, at_ms=1) == NOT_AN_ITEM
