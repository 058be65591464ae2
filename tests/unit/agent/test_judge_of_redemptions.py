"""Unit: does HQ tell right from wrong in redemptions, and which fact each item of a station is about?"""

import json

import pytest

from agent.cli.contract import examples
from agent.messages.items import ITEMS
from agent.messages.judge import judge_with
from sync.hq.judging import MISMATCH, NOT_AN_ITEM, OK, Booked, ItemContext

MEMBER, REDEMPTION = "m-4711", "cn-0001-r-000017"
HOLD, CAPTURE = 1, 2


class Hq:
    """HQ holds an authorisation at seq 1 and its capture at seq 2 of the stream `urgent`."""

    def __init__(self) -> None:
        self.judge = judge_with({})
        self.items: dict[tuple[str, int], tuple[str, bytes]] = {}
        self.put("urgent", HOLD, "redemption.authorised")
        self.put("urgent", CAPTURE, "redemption.captured")
        self.put("ledger", 7, "fuelling")

    def put(self, stream: str, seq: int, kind: str, **changes: object) -> None:
        self.items[stream, seq] = (kind, json.dumps(examples()[f"up.{kind}"] | changes).encode())

    def hears(self, kind: str, *, stream: str = "", at_seq: int = 10, **changes: object) -> Booked:
        place = stream or ITEMS[kind].stream
        context = ItemContext("cn-0001", 1, place, at_seq, lambda *where: self.items.get(where))
        return self.judge(context, kind, json.dumps(examples()[f"up.{kind}"] | changes).encode())


def moved(booked: Booked) -> tuple[str | None, str | None, int, str]:
    return booked.entity_id, booked.member, booked.minor, booked.verdict


def test_a_hold_moves_nothing_yet() -> None:
    assert moved(Hq().hears("redemption.authorised")) == (REDEMPTION, MEMBER, 0, OK)


@pytest.mark.parametrize(
    "changes", [{"rights_minor": 80_001}, {"standin_minor": 0}, {"grant": ""}, {"grant_epoch": 0}]
)
def test_a_hold_that_is_not_the_sum_of_its_parts(changes: dict[str, object]) -> None:
    assert Hq().hears("redemption.authorised", **changes).verdict == MISMATCH


def test_a_capture_takes_the_points_of_the_hold_s_member() -> None:
    assert moved(Hq().hears("redemption.captured")) == (REDEMPTION, MEMBER, -100_000, OK)


def test_a_capture_of_part_of_the_hold() -> None:
    part = {"minor": 60_000, "rights_minor": 60_000, "standin_minor": 0, "lots": [["912", 60_000, 2]]}
    assert moved(Hq().hears("redemption.captured", **part)) == (REDEMPTION, MEMBER, -60_000, OK)


@pytest.mark.parametrize(
    "changes",
    [
        {"minor": 100_001, "rights_minor": 80_001, "lots": [["912", 100_001, 2]]},
        {"rights_minor": 79_999},
        {"lots": [["912", 60_000, 2]]},
    ],
)
def test_a_capture_that_takes_more_or_from_nowhere(changes: dict[str, object]) -> None:
    assert Hq().hears("redemption.captured", **changes).verdict == MISMATCH


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("redemption.captured", {"hold": 3}),
        ("redemption.captured", {"hold": 10}),
        ("redemption.captured", {"hold": CAPTURE}),
        ("redemption.captured", {"id": "cn-0001-r-000099"}),
        ("redemption.captured", {"stream": "ledger"}),
        ("redemption.released", {"hold": HOLD, "id": "cn-0001-r-000099"}),
        ("redemption.done", {"captured": HOLD}),
        ("redemption.reversed", {"captured": HOLD}),
        ("payment", {"of": 8}),
        ("voucher.entered", {"of": 8}),
    ],
)
def test_what_follows_from_nothing_is_no_item(kind: str, changes: dict[str, object]) -> None:
    """A seq where something else stands, that is not before it, or of another redemption."""
    assert Hq().hears(kind, **changes) == NOT_AN_ITEM  # type: ignore[arg-type]


SHOP = [["coffee", 1000, 1500], ["map", 1000, 990]]


@pytest.mark.parametrize(
    ("of", "tenders", "goods_fen", "verdict"),
    [
        ("fuelling", [["cash", 39_250]], 0, OK),
        ("fuelling", [["cash", 30_000], ["wechat", 9_350]], 0, OK),
        ("fuelling", [["cash", 39_351]], 0, MISMATCH),
        ("fuelling", [["cash", 39_149]], 0, MISMATCH),
        ("fuelling", [["cash", 40_750]], 1_500, OK),
        ("fuelling", [["cash", 39_250]], 1_500, MISMATCH),
        ("basket", [["cash", 2_000], ["coupon", 490]], 0, OK),
        ("basket", [["cash", 2_491]], 0, MISMATCH),
        ("basket", [["cash", 2_489]], 0, MISMATCH),
        ("basket", [["cash", 3_490]], 1_000, MISMATCH),
    ],
)
def test_tenders_are_the_money_of_the_fact(
    of: str, tenders: list[list[object]], goods_fen: int, verdict: str
) -> None:
    hq = Hq()
    hq.put("ledger", 8, "basket", lines=SHOP)
    seq = 7 if of == "fuelling" else 8
    booked = hq.hears("payment", of=seq, tenders=tenders, goods_fen=goods_fen)
    assert booked.verdict == verdict


def test_a_reversal_gives_back_no_more_than_was_taken() -> None:
    hq = Hq()
    assert moved(hq.hears("redemption.reversed")) == (f"{REDEMPTION}/1", MEMBER, 100_000, OK)
    assert hq.hears("redemption.reversed", minor=100_001).verdict == MISMATCH


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("redemption.fulfilling", REDEMPTION),
        ("redemption.released", REDEMPTION),
        ("redemption.in_doubt", REDEMPTION),
        ("redemption.done", REDEMPTION),
        ("redemption.reissued", f"{REDEMPTION}/1"),
    ],
)
def test_the_steps_between_move_nothing(kind: str, entity: str) -> None:
    about = {"hold": HOLD} if "hold" in examples()[f"up.{kind}"] else {"captured": CAPTURE}
    booked = Hq().hears(kind, id=REDEMPTION, **about)
    assert (booked.entity_id, booked.minor, booked.verdict) == (entity, 0, OK)


def test_a_compensation_is_a_share_of_what_was_attempted() -> None:
    hq = Hq()
    assert moved(hq.hears("compensation.pending")) == ("cn-0001-r-000018", MEMBER, 0, OK)
    assert hq.hears("compensation.pending", minor=10_001).verdict == MISMATCH


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("grant.statement", "g-4711-a/3/2"),
        ("incident.updated", "i-000031/1"),
        ("freeze.changed", "f-000003/LIFTED"),
        ("case.note", "cn-0001-20260714-0009-B/1"),
        ("pickup.scan", "P-5567/in"),
        ("voucher.entered", "V-0201"),
        ("station.profile", None),
        ("station.key", None),
    ],
)
def test_what_an_item_is_about(kind: str, entity: str | None) -> None:
    booked = Hq().hears(kind)
    assert (booked.entity_id, booked.verdict) == (entity, OK)


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_with_a_word_too_many_is_none(kind: str) -> None:
    assert Hq().hears(kind, surprise=1) == NOT_AN_ITEM
