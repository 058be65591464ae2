"""Unit: has every reason a sentence in both languages, and are points written exactly?"""

import ast
from pathlib import Path
from typing import get_args

import pytest

from agent.handlers import wording
from agent.language import Language
from agent.points.award import Reason

VALUES = {"point": "1", "points": "1", "balance": "1", "date": "2026-07-31", "yuan": "10"}
VALUES |= {"litres": "80", "tier": "gold"}
HANDLERS = Path(wording.__file__).parent


def reasons() -> set[str]:
    """Every reason code that a handler writes down: what `refused` and `said` are called with."""
    found = {reason for reason in get_args(Reason) if reason}
    for file in HANDLERS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                words = [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
                named = [
                    k.value.value
                    for k in node.keywords
                    if k.arg == "reason" and isinstance(k.value, ast.Constant)
                ]
                if node.func.id in ("refused", "said", "sentence", "receipt"):
                    found.update(words)
                if node.func.id in ("Binding", "replace"):
                    found.update(str(reason) for reason in named if reason)
    return found | {"SALE_REFUNDED", "MEMBER_CLOSED", "WRONG_SCALE", "NO_RULES"}


def test_reasons_are_found() -> None:
    assert {"TOO_LATE", "NO_MEMBER", "TWO_MEMBERS", "REFUND_TOO_LARGE"} <= reasons()


@pytest.mark.parametrize("language", get_args(Language))
def test_every_reason_has_a_sentence(language: Language) -> None:
    for reason in sorted(reasons()):
        assert wording.sentence(reason, language, **VALUES), reason


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ("TEST_DRAW", "Test draw, no points", "加油机自检出油，不积分"),
        ("RETURNED_TO_TANK", "Fuel returned to the tank, no points", "油品已回罐，不积分"),
        (
            "MEMBER_FROZEN",
            "Your membership is frozen: you earn points but cannot spend them for now",
            "您的会员账户已冻结：仍可积分，暂不能使用积分",
        ),
        ("POINTS_LAPSED", "50 points lapsed on 2026-07-31", "50 分已于 2026-07-31 到期"),
        ("EXPIRES_SOON", "50 points lapse on 2026-07-31", "50 分将于 2026-07-31 到期"),
        ("PENDING", "50 points from 2026-07-31", "50 分自 2026-07-31 起可用"),
        (
            "RATE_PROTECTED",
            "50 points are worth 10 yuan, protected until 2026-07-31",
            "50 分可抵 10 元，此比例保留至 2026-07-31",
        ),
    ],
)
def test_news_in_both_languages(code: str, english: str, chinese: str) -> None:
    values = {"points": "50", "date": "2026-07-31", "yuan": "10"}
    assert wording.sentence(code, "en", **values) == english
    assert wording.sentence(code, "zh", **values) == chinese


def test_one_point_is_singular_in_english() -> None:
    assert wording.sentence("POINTS", "en", points="1") == "1 point for this sale"
    assert wording.sentence("POINTS", "en", points="0.01") == "0.01 points for this sale"
    assert wording.sentence("POINTS", "zh", points="1") == "本次积分 1 分"


def test_a_code_has_one_sentence() -> None:
    assert not wording._SENTENCES.keys() & wording._NEWS.keys()


@pytest.mark.parametrize(
    ("minor", "scale", "text"),
    [
        (14_400, 100, "144"),
        (9_998, 100, "99.98"),
        (5, 100, "0.05"),
        (0, 100, "0"),
        (-5, 100, "-0.05"),
        (-14_400, 100, "-144"),
        (144, 1, "144"),
        (1_005, 1_000, "1.005"),
    ],
)
def test_points_are_written_with_their_own_decimals(minor: int, scale: int, text: str) -> None:
    assert wording.points_text(minor, scale) == text
