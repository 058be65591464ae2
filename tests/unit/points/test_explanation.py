"""Unit: can a customer follow the explanation, in English and in Chinese?"""

from string import Formatter

import pytest

from agent.points.award import award
from agent.points.explanation import TEXTS, Language, decimal_text, points_text, sentences
from agent.points.inputs import AwardInputs, Line
from tests.unit.points.sales import PROTECTED, THURSDAY, demo_bundle, fill


def said(inputs: AwardInputs, language: Language = "en") -> list[str]:
    return sentences(award(inputs, demo_bundle()), language, 100)


CAPPED = fill("petrol-95", 50_000, tier="gold", day=THURSDAY, birthday=(7, 9), day_minor=40_000)


def test_a_capped_fill_in_english() -> None:
    assert said(CAPPED) == [
        "50.00 L petrol-95 at 2.00 points per litre = 100.00",
        "grade-95 x1.2",
        "tier-gold x1.2",
        "thursday-petrol x3",
        "cap per-day: -332 (400 of 500 earned today)",
        "total: 100 points",
    ]


def test_a_capped_fill_in_chinese() -> None:
    assert said(CAPPED, "zh") == [
        "petrol-95 50.00 升，每升 2.00 分 = 100.00 分",
        "grade-95 ×1.2",
        "tier-gold ×1.2",
        "thursday-petrol ×3",
        "上限 per-day：-332 分（今日已得 400 分，上限 500 分）",
        "合计：100 分",
    ]


def test_rounding_and_unknown_products() -> None:
    lines = (Line(product="petrol-92", volume_ml=49_990), Line(product="magazine", amount_fen=900))
    assert said(fill("petrol-92", 1, lines=lines)) == [
        "49.99 L petrol-92 at 2.00 points per litre = 99.98",
        "no points for magazine",
        "rounded down to a multiple of 1: -0.98",
        "total: 99 points",
    ]


def test_amounts_and_the_better_ruleset() -> None:
    assert said(fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED)) == [
        "392.00 yuan petrol-92 at 1.00 points per yuan = 392.00",
        "rules 2024 are the better ones for you, the others give 100",
        "total: 392 points",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "change",
    [
        {"evidence": "none"},
        {"tender": "points"},
        {"time_quality": "estimated"},
        {"volume_ml": 2**53 - 1, "tier": "diamond", "day": THURSDAY},
        {"product": "magazine"},
        {"volume_ml": 600_000, "tier": "diamond"},
    ],
)
def test_every_kind_of_line_has_a_sentence(language: Language, change: dict[str, str | int]) -> None:
    arguments = {"product": "petrol-98", "volume_ml": 50_000} | change
    texts = said(fill(**arguments), language)  # type: ignore[arg-type]
    assert len(texts) >= 2
    assert all(text and "{" not in text for text in texts)


def test_both_languages_say_the_same_things() -> None:
    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    english = {key: placeholders(text) for key, text in TEXTS["en"].items()}
    chinese = {key: placeholders(text) for key, text in TEXTS["zh"].items()}
    assert english == chinese


@pytest.mark.parametrize(
    ("minor", "scale", "decimals", "short"),
    [
        (9_998, 100, "99.98", "99.98"),
        (14_400, 100, "144.00", "144"),
        (-33_200, 100, "-332.00", "-332"),
        (-5, 100, "-0.05", "-0.05"),
        (7, 1, "7", "7"),
        (1_234, 1000, "1.234", "1.234"),
    ],
)
def test_numbers(minor: int, scale: int, decimals: str, short: str) -> None:
    assert decimal_text(minor, scale) == decimals
    assert points_text(minor, scale) == short
