"""Unit: does HQ's judge say what waits, which hold has ended and how a loan stands?"""

import json

import pytest

from agent.messages import bodies
from agent.messages.judge import judge_with
from agent.messages.judge_points import change
from sync.hq.judging import MALFORMED, MISMATCH, OK, Booked, ItemContext
from sync.hq.points import Settled, Stated, Waits

AT = 1_800_000_000_000
FACT = Booked("fact", "m1", 500, OK)
HOLD = {"id": "r-1", "member": "m1", "reward": "wash", "reward_kind": "wash", "minor": 500, "by": "hq"}
HELD = {"kind": "redemption.authorised", **HOLD, "standin_minor": 500, "lapses_at_ms": AT, "at_ms": AT}


def award(*, minor: int, late_s: int) -> bodies.Award:
    return bodies.Award.model_construct(kind="award", minor=minor, late_s=late_s)


@pytest.mark.parametrize(
    ("item", "booked", "expected"),
    [
        (award(minor=500, late_s=60), FACT, Waits("fact", 500)),
        (award(minor=500, late_s=0), FACT, None),
        (award(minor=0, late_s=60), FACT, None),
        (award(minor=500, late_s=60), Booked("fact", "m1", 500, MISMATCH), Waits("fact", 500)),
        (award(minor=500, late_s=60), Booked(None, None, 0, MALFORMED), None),
        (bodies.LotActivated(kind="lot.activated", of=1, minor=9, at_ms=AT), FACT, Waits("fact", 0)),
        (
            bodies.LotExpired(kind="lot.expired", of=1, minor=9, on="2027-01-01", at_ms=AT),
            FACT,
            Waits("fact", 0),
        ),
    ],
)
def test_what_an_award_says_of_waiting(item: bodies.Body, booked: Booked, expected: Waits | None) -> None:
    assert change(item, booked) == expected


def said(kind: str, **content: object) -> Booked:
    """As the station says it in its urgent stream, behind a hold at seq 1."""
    items = {("urgent", 1): ("redemption.authorised", json.dumps(HELD).encode())}
    context = ItemContext("cn-0001", 1, "urgent", 2, lambda stream, seq: items.get((stream, seq)))
    return judge_with({})(context, kind, json.dumps({"kind": kind, "at_ms": AT} | content).encode())


def test_a_capture_and_a_release_end_their_hold() -> None:
    captured = said("redemption.captured", id="r-1", hold=1, minor=400, standin_minor=400)
    assert (captured.member, captured.minor, captured.change) == ("m1", -400, Settled("r-1", "captured"))
    released = said("redemption.released", id="r-1", hold=1, code="CANCELLED")
    assert (released.member, released.minor, released.change) == ("m1", 0, Settled("r-1", "released"))
    assert said("redemption.fulfilling", id="r-1", hold=1).change is None
    stranger = said("redemption.released", id="r-2", hold=1, code="CANCELLED")
    assert (stranger.verdict, stranger.change) == (MALFORMED, None)


def test_a_statement_says_how_its_loan_stands() -> None:
    grant = {"grant": "g-1", "grant_epoch": 3, "number": 2, "member": "m1"}
    stated = said("grant.statement", **grant, spent_minor=150, left_minor=50, closing=True)
    assert (stated.member, stated.minor, stated.verdict) == ("m1", 0, OK)
    assert stated.change == Stated("g-1", 3, 2, 150, closing=True)
    wash = said("grant.statement", **grant, entitlement="wash", spent_minor=1, left_minor=0)
    assert (wash.verdict, wash.change) == (OK, None), "units of something else, no points"
