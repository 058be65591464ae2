"""Unit: does the slip of every answer fit the paper, say what it must, and say the same when asked again?"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.handlers.slip import COLUMNS, columns
from drivers.events import Answer, BasketLine, Outcome
from tests.unit.agent.earning import (
    AFTER_48_H,
    FILL_MINOR,
    ONE_MONTH,
    Station,
    adopt,
    at,
    fill,
    members,
    redeem,
    stations,
)
from tests.world import BASIC, GOLD, STRANGER, World

FUEL_FEN = 39_250
CODE_PAGE = {"en": "cp437", "zh": "gbk"}
COFFEE = BasketLine("coffee", 1_000, 1_250)
PROTECTED = ("lots_before = 2026-07-01\nratio_version = 2", "lots_before = 2026-07-10\nratio_version = 3")
DEARER = ("version = 3\npoints_minor = 100000", "version = 4\npoints_minor = 125000")
languages = pytest.mark.parametrize("language", ["en", "zh"])


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def every_answer(world: World) -> dict[str, Answer]:
    """What a counter can be told in a month: awards, refunds, no awards, pending, lapsing, frozen."""
    buckets = [{"lapses_on": "2026-07-20", "minor": 1_234_567}, {"lapses_on": "2026-07-31", "minor": 9_999}]
    members(world, 2, balance_minor=999_999_999_999, buckets=buckets)
    answers = {"presented": world.present(BASIC)}
    answers["pending"] = fill(world, "R-1")
    answers["repeated"] = world.pay("R-1", FUEL_FEN, credential=BASIC)
    answers["part refunded"] = world.refund("F-1", "R-1", 10_000)
    answers["refunded"] = world.refund("F-2", "R-1", FUEL_FEN - 10_000)
    answers["excluded"] = fill(world, "R-2", tender="fleet-card")
    answers["refund without points"] = world.refund("F-3", "R-2", 100)
    answers["unknown"] = fill(world, "R-3", credential=STRANGER)
    answers["test"] = fill(world, "R-4", tender="test")
    answers["with goods"] = fill(world, "R-5", lines=(COFFEE,))
    answers["basket"] = world.pay("R-6", 0, point=None, credential=BASIC, lines=(COFFEE,))
    world.wait(1_801)  # nobody is at the point any more
    answers["nobody"] = fill(world, "R-7", credential=None)
    answers["refund of nobody"] = world.refund("F-4", "R-7", 100)
    members(world, 3, status="FROZEN", balance_minor=-5)
    world.pass_days(40)
    answers["frozen and lapsed"] = fill(world, "R-8")
    return answers


@languages
def test_every_line_fits_the_paper_and_the_printer(station: Station, language: str) -> None:
    world = station(*ONE_MONTH, AFTER_48_H, language=language)
    answers = every_answer(world)
    assert [name for name, answer in answers.items() if not answer.slip] == ["refund of nobody"]
    for name, answer in answers.items():
        for line in answer.slip:
            assert 0 < columns(line) <= COLUMNS, (name, line)
            assert line == line.strip()
            line.encode(CODE_PAGE[language])


@languages
def test_every_slip_of_a_fact_has_the_code_to_ask_with(station: Station, language: str) -> None:
    world = station(*ONE_MONTH, AFTER_48_H, language=language)
    answers = every_answer(world)
    codes = {
        name: [line[-13:] for line in answer.slip if re.fullmatch(r"[^-]{5}-[^-]{5}-[^-]", line[-13:])]
        for name, answer in answers.items()
    }
    assert [name for name, found in codes.items() if len(found) != 1] == [
        "presented",
        "refund of nobody",
    ]
    assert codes["pending"] == codes["repeated"] == codes["part refunded"] == codes["refunded"]
    assert len({found[0] for found in codes.values() if found}) == 8


def test_an_award_in_the_customers_order(station: Station) -> None:
    world = station()
    answer = world.pay("R-1", world.fuel().amount_fen, credential=GOLD)
    assert answer.slip[:4] == (
        "Points: +120",
        "Balance: 1120",
        "as of 2026-07-08 10:00",
        "to be confirmed",
    )
    assert answer.text == "120 points for this sale, balance 1120 (to be confirmed by headquarters)"


def test_what_hq_has_confirmed_is_said_in_other_words(station: Station) -> None:
    world = station()
    fill(world)
    members(world, 2, balance_minor=FILL_MINOR, included_seq=1)
    answer = world.pay("R-1", FUEL_FEN, credential=BASIC)
    assert "confirmed" in answer.slip
    assert not answer.provisional
    assert answer.text == "100 points for this sale, balance 100"


def test_a_refund_says_what_was_taken_and_what_is_left(station: Station) -> None:
    world = station()
    fill(world)
    answer = world.refund("F-1", "R-1", FUEL_FEN // 2)
    assert answer.slip[:2] == ("Points: -50", "Balance: 50")


@pytest.mark.parametrize(
    ("changes", "reason", "first_line"),
    [
        ({"tender": "fleet-card"}, "TENDER_EXCLUDED", "This way of paying earns no"),
        ({"credential": STRANGER}, "MEMBER_UNKNOWN", "Member not known here yet,"),
        ({"credential": None}, "NO_MEMBER", "No member: identify within 30"),
        ({"tender": "test"}, "TEST_DRAW", "Test draw, no points"),
    ],
)
def test_without_points_the_slip_says_why(
    station: Station, changes: dict[str, object], reason: str, first_line: str
) -> None:
    world = station()
    answer = fill(world, "R-1", 50_000, **changes)
    assert (answer.reason, answer.slip[0]) == (reason, first_line)
    assert answer.slip[-1].startswith("Code: ")


def test_the_same_answer_twice_and_after_a_restart(station: Station) -> None:
    """Bound and awarded once; the only difference is that the second one says it is a repetition."""
    world = station(AFTER_48_H)
    first = fill(world)
    again = world.pay("R-1", FUEL_FEN, credential=BASIC)
    assert again == replace(first, outcome=Outcome.REPEATED)
    world.reopen()
    assert world.pay("R-1", FUEL_FEN, credential=BASIC) == again
    refunded = world.refund("F-1", "R-1", 10_000)
    assert world.refund("F-1", "R-1", 10_000) == replace(refunded, outcome=Outcome.REPEATED)


@pytest.mark.parametrize(
    "changes", [{"tender": "fleet-card"}, {"credential": STRANGER}, {"credential": None}]
)
def test_the_same_reason_twice(station: Station, changes: dict[str, object]) -> None:
    world = station()
    first = fill(world, "R-1", 50_000, **changes)
    again = world.pay("R-1", FUEL_FEN, **({"credential": BASIC} | changes))
    assert again == replace(first, outcome=Outcome.REPEATED)


def test_debt_that_was_repaid_is_in_the_balance(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    redeem(world, FILL_MINOR)
    world.refund("F-1", "R-1", FUEL_FEN)
    answer = fill(world, "R-2", 20_000)
    assert answer.slip[:2] == ("Points: +40", "Balance: -60")


def test_a_better_ratio_that_some_lots_keep_is_said(station: Station) -> None:
    """Earned when 1000 points bought 10 yuan; from version 43 on it takes 1250, but not for these."""
    world = station()
    fill(world, "R-1")
    said = [line for line in fill(world, "R-2").slip if "worth" in line]
    assert said == []
    at(world, "2026-07-10 12:00:00")
    adopt(world, 43, PROTECTED, DEARER)
    answer = world.pay("R-1", FUEL_FEN, credential=BASIC)
    assert "1000 points are worth 10.00 yuan, protected until 2027-12-31" in " ".join(answer.slip)
    at(world, "2028-01-01 00:00:00")
    assert not any("worth" in line for line in world.pay("R-1", FUEL_FEN, credential=BASIC).slip)
