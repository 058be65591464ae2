"""Integration: do `sale explain`, `compare` and `show` say why a sale earned what it did, from the books?"""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.kept_station import Kept


def _told(kept: Kept, *command: str) -> list[str]:
    shown = kept.run(*command)
    assert (shown.returncode, shown.stderr) == (0, "")
    return shown.stdout.splitlines()


def _answer(kept: Kept, *command: str) -> dict[str, Any]:
    shown = kept.run(*command, "--json")
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def test_a_sale_is_explained_line_by_line(kept: Kept) -> None:
    assert _told(kept, "sale", "explain", "S1") == [
        "2026-07-08 10:00:00, point 1: 50.00 L petrol 92, 392.50 yuan",
        "50.00 L petrol 92 at 2.00 points per litre = 100.00",
        "x1.2 as a gold member (tier-gold): +20.00",
        "total: 120 points",
        "valid until 2028-01-31",
        "refund R1: 60 points taken back",
    ]


def test_and_in_chinese(kept: Kept) -> None:
    told = _told(kept, "sale", "explain", "S1", "--language", "zh")
    assert told[0] == "2026-07-08 10:00:00，1 号位：92 号汽油 50.00 升，392.50 元"
    assert "合计：120 分" in told
    assert "退款 R1：扣回积分 60 分" in told


def test_every_name_of_a_sale_gives_the_same_answer(kept: Kept) -> None:
    by_sale = _answer(kept, "sale", "explain", "S1")
    code = by_sale["code"]
    typed = code.replace("-", "").lower().replace("0", "o").replace("1", "l")
    for name in (by_sale["fact_id"], "till-1/S1", code, typed):
        assert _answer(kept, "sale", "explain", name) == by_sale


def test_a_mistyped_code_is_said_to_be_one(kept: Kept) -> None:
    code = _answer(kept, "sale", "explain", "S1")["code"]
    wrong = ("X" if code[0] != "X" else "Y") + code[1:]
    shown = kept.run("sale", "explain", wrong)
    assert shown.returncode == 1
    assert shown.stderr.startswith(f"CODE_MISTYPED: {wrong}")
    unknown = kept.run("sale", "explain", "00000-00000-0")
    assert unknown.stderr.startswith("SALE_UNKNOWN")


@pytest.mark.parametrize(
    ("sale", "reason", "said"),
    [
        ("S1", "", "You get 120 points: 100 for 50 litres, times 1.2 as a gold member."),
        ("S3", "TENDER_EXCLUDED", "I am sorry, no points this time: this way of paying does not earn any."),
        ("S4", "NO_MEMBER", "No member: identify within 30 minutes"),
        ("S5", "WAITING", "Waiting for the dispenser, points follow"),
        ("S6", "TEST_DRAW", "Test draw, no points"),
        ("S7", "NO_MEMBER", "No member: identify within 30 minutes"),
    ],
)
def test_the_till_gets_one_sentence_also_of_a_decline(kept: Kept, sale: str, reason: str, said: str) -> None:
    assert _told(kept, "sale", "explain", sale, "--till") == [said]
    answer = _answer(kept, "sale", "explain", sale, "--till")
    assert (answer["reason"], answer["spoken"], answer["sentences"]) == (reason, said, [said])
    assert _told(kept, "sale", "explain", sale, "--till", "--language", "zh")[0].isascii() is False


def _facts(kept: Kept) -> dict[str, list[dict[str, Any]]]:
    facts: dict[str, list[dict[str, Any]]] = {}
    for sale in _answer(kept, "sale", "list")["sales"]:
        facts.setdefault(sale["kind"] if sale["pos_sale_id"] is None else sale["pos_sale_id"], []).append(
            sale
        )
    return facts


def test_litres_without_a_record_and_an_unpaid_fuelling_earn_nothing_and_say_so(kept: Kept) -> None:
    facts = _facts(kept)
    (gap,) = facts["gap"]
    assert gap["volume_ml"] == 5_000
    assert _told(kept, "sale", "explain", gap["fact_id"])[-1].startswith("Litres that passed the meter")
    assert "gap, litres that passed the meter" in kept.run("sale", "show", gap["fact_id"]).stdout
    (unpaid,) = facts["fuelling"]
    assert _told(kept, "sale", "explain", unpaid["fact_id"], "--till")[0].startswith("Not paid at a register")


def _spoiled(kept: Kept, directory: Path, statement: str, *parameters: object) -> Kept:
    """A copy in which somebody has changed the database by hand."""
    copy = directory / "state"
    shutil.copytree(kept.config.parent / "state", copy)
    config = directory / "station.toml"
    config.write_text(kept.config.read_text().replace(str(kept.config.parent / "state"), str(copy)))
    connection = sqlite3.connect(copy / "station.db")
    with connection:
        connection.execute(statement, parameters)
    connection.close()
    return Kept(config)


def test_explaining_needs_no_rules(kept: Kept, tmp_path: Path) -> None:
    """The stored bundle is made unreadable but for its scale: the explanation is the same."""
    without = _spoiled(kept, tmp_path, "UPDATE bundle SET body = ?", b"points_scale = 100")
    assert _told(without, "sale", "explain", "S1") == _told(kept, "sale", "explain", "S1")


def test_an_award_that_does_not_come_out_again_is_not_compared(kept: Kept, tmp_path: Path) -> None:
    wrong = _spoiled(kept, tmp_path, "UPDATE award SET minor = minor + 100 WHERE minor = 12000")
    shown = wrong.run("sale", "compare", "S1", "S2")
    assert (shown.returncode, shown.stdout) == (4, "")
    assert shown.stderr.startswith("AWARD_DIFFERS: S1 ")


def test_same_amount_other_points(kept: Kept) -> None:
    """The customers' question (S-072): only what matters, the largest effect first, and it adds up."""
    assert _told(kept, "sale", "compare", "S1", "S2") == [
        "A S1: 120 points",
        "B S2: 95 points",
        "B against A: -25 points, made of",
        "-19  another tier: gold, then basic",
        "-6  the same amount at another price: 7.85 yuan a litre is 50.00 L, 8.20 yuan is 47.87 L",
    ]


def test_effects_sum_to_the_difference_in_order(kept: Kept) -> None:
    for a, b in (("S1", "S2"), ("S2", "S1"), ("S1", "S8"), ("S8", "S3"), ("S3", "S2")):
        found = _answer(kept, "sale", "compare", a, b)
        effects = [effect["minor"] for effect in found["effects"]]
        assert sum(effects) == found["difference_minor"] == found["b_minor"] - found["a_minor"]
        assert effects == sorted(effects, key=lambda minor: -abs(minor))
    aspects = [effect["aspect"] for effect in _answer(kept, "sale", "compare", "S1", "S8")["effects"][:2]]
    assert aspects == ["time", "product"]


def test_a_tender_that_is_excluded_explains_the_whole_difference(kept: Kept) -> None:
    told = _told(kept, "sale", "compare", "S1", "S3")
    assert "another way of paying: cash, then fleet-card" in " ".join(told)


def test_equal_sales_and_sales_without_points(kept: Kept) -> None:
    assert _told(kept, "sale", "compare", "S1", "S1")[-1] == "nothing differs"
    shown = kept.run("sale", "compare", "S1", "S4")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == "NO_AWARD: S4 has no award to compare: No member: identify within 30 minutes\n"


def test_show_tells_lot_and_code(kept: Kept) -> None:
    shown = _answer(kept, "sale", "show", "S1")
    lot = shown["lot"]
    assert (lot["minor"], lot["remaining_minor"], lot["state"]) == (12_000, 6_000, "active")
    assert (lot["lapses_on"], lot["ratio_version"]) == ("2028-01-31", 3)
    text = "\n".join(_told(kept, "sale", "show", "S1"))
    for words in (shown["fact"]["code"], "60 of 120 points", "2028-01-31", "ratio 3"):
        assert words in text
    assert "a test draw, it never earns" in kept.run("sale", "show", "S6").stdout
