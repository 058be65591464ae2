"""Unit: can a customer follow the explanation, in English and in Chinese?"""

from typing import get_args

import pytest

from agent.language import Language, translator
from agent.points.award import Alternative, Award, ExplanationLine, award
from agent.points.explanation import decimal_text, occasion_text, points_text, product_text, sentences
from agent.points.inputs import AwardInputs, Line
from tests.unit.points.sales import PROTECTED, THURSDAY, demo_bundle, fill, small_bundle


def said(inputs: AwardInputs, language: Language = "en") -> list[str]:
    return sentences(award(inputs, demo_bundle()), translator(language), 100)


def told(result: Award, language: Language = "en") -> list[str]:
    return sentences(result, translator(language), 100)


def line_of(language: Language = "en", **parts: object) -> str:
    """The sentence of one line."""
    line = ExplanationLine(**parts)  # type: ignore[arg-type]
    return told(Award(minor=0, ruleset="r", explanation=(line,)), language)[0]


CAPPED = fill("petrol-95", 50_000, tier="gold", day=THURSDAY, birthday=(7, 9), day_minor=40_000)


def test_a_capped_fill_in_english() -> None:
    assert said(CAPPED) == [
        "50.00 L petrol 95 at 2.00 points per litre = 100.00",
        "x1.2 for petrol 95 (grade-95): +20.00",
        "x1.2 as a gold member (tier-gold): +24.00",
        "x3 because it is Thursday (thursday-petrol): +288.00",
        "cap per-day: -332 (400 of 500 earned today)",
        "total: 100 points",
        "valid until 2028-01-31",
    ]


def test_a_capped_fill_in_chinese() -> None:
    assert said(CAPPED, "zh") == [
        "95 号汽油 50.00 升，每升 2.00 分 = 100.00 分",
        "95 号汽油 ×1.2（grade-95）：+20.00 分",
        "金卡会员 ×1.2（tier-gold）：+24.00 分",
        "周四 ×3（thursday-petrol）：+288.00 分",
        "上限 per-day：-332 分（今日已得 400 分，上限 500 分）",
        "合计：100 分",
        "有效期至 2028-01-31",
    ]


def test_rounding_and_unknown_products() -> None:
    lines = (Line(product="petrol-92", volume_ml=49_990), Line(product="magazine", amount_fen=900))
    assert said(fill("petrol-92", 1, lines=lines)) == [
        "49.99 L petrol 92 at 2.00 points per litre = 99.98",
        "no points for magazine",
        "rounded down to a multiple of 1: -0.98",
        "total: 99 points",
        "valid until 2028-01-31",
    ]


def test_amounts_and_the_better_ruleset() -> None:
    assert said(fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED))[:3] == [
        "392.00 yuan petrol 92 at 1.00 points per yuan = 392.00",
        "rules 2024 are the better ones for you, the others give 100",
        "total: 392 points",
    ]


def test_one_point_is_singular() -> None:
    assert "total: 1 point" in said(fill("petrol-92", 500))


BAND = {"kind": "base", "product": "topup", "amount_fen": 50_000, "points_minor": 120, "per_fen": 100}
BAND |= {"minor": 60_000}


@pytest.mark.parametrize(
    ("parts", "english", "chinese"),
    [
        (
            BAND | {"from_fen": 50_000},
            "500.00 yuan top-up at 1.20 points per yuan (the rate from 500.00 yuan) = 600.00",
            "充值 500.00 元，每元 1.20 分（满 500.00 元起适用此档） = 600.00 分",
        ),
        (
            BAND | {"from_fen": 50_000, "month_fen": 20_000},
            (
                "500.00 yuan top-up at 1.20 points per yuan "
                "(the rate from 500.00 yuan a month, 200.00 yuan came before) = 600.00"
            ),
            "充值 500.00 元，每元 1.20 分（当月满 500.00 元起适用此档，此前已计 200.00 元） = 600.00 分",
        ),
        (
            BAND | {"month_fen": 20_000},
            "500.00 yuan top-up at 1.20 points per yuan = 600.00",
            "充值 500.00 元，每元 1.20 分 = 600.00 分",
        ),
        (
            {
                "kind": "base",
                "product": "diesel-0",
                "volume_ml": 45_678,
                "points_minor": 1_000,
                "minor": 4_567,
            }
            | {"per_ml": 10_000, "from_ml": 40_000},
            "45.678 L diesel 0 at 10.00 points per 10.00 L (the rate from 40.00 L) = 45.67",
            "0 号柴油 45.678 升，每 10.00 升 10.00 分（满 40.00 升起适用此档） = 45.67 分",
        ),
        (
            {"kind": "base", "product": "diesel-0", "volume_ml": 1_000, "points_minor": 100, "minor": 100}
            | {"per_ml": 1_000, "from_ml": 40_000, "month_ml": 39_000},
            (
                "1.00 L diesel 0 at 1.00 points per litre "
                "(the rate from 40.00 L a month, 39.00 L came before) = 1.00"
            ),
            "0 号柴油 1.00 升，每升 1.00 分（当月满 40.00 升起适用此档，此前已计 39.00 升） = 1.00 分",
        ),
        (
            {"kind": "factor", "rule": "summer", "bp": 11_500, "minor": 1_500},
            "x1.15 by rule summer: +15.00",
            "规则 summer ×1.15：+15.00 分",
        ),
        (
            {"kind": "factor", "rule": "half", "bp": 5_000, "minor": -1_500},
            "x0.5 by rule half: -15.00",
            "规则 half ×0.5：-15.00 分",
        ),
        (
            {"kind": "bonus", "rule": "gift", "minor": 5_000},
            "bonus gift: +50",
            "奖励 gift：+50 分",
        ),
        (
            {"kind": "bonus", "rule": "first", "minor": 5_000, "fill_no": 1, "scope": "member_month"}
            | {"at_least_ml": 20_000, "volume_ml": 30_000},
            "bonus first (fill 1 of the month, at least 20.00 L): +50",
            "奖励 first（当月第 1 次加油，满 20.00 升）：+50 分",
        ),
        (
            {"kind": "bonus", "rule": "third", "minor": 50, "fill_no": 3, "scope": "member_day"}
            | {"at_least_fen": 20_000, "amount_fen": 30_000},
            "bonus third (fill 3 of the day, at least 200.00 yuan): +0.50",
            "奖励 third（当日第 3 次加油，满 200.00 元）：+0.50 分",
        ),
        (
            {"kind": "cap", "rule": "sale", "minor": -100, "scope": "transaction", "limit_minor": 1_000},
            "cap sale: -1 (one sale gives at most 10)",
            "上限 sale：-1 分（每笔最多 10 分）",
        ),
        (
            {"kind": "cap", "rule": "month", "minor": -100, "scope": "member_month", "limit_minor": 1_000}
            | {"used_minor": 950},
            "cap month: -1 (9.50 of 10 earned this month)",
            "上限 month：-1 分（本月已得 9.50 分，上限 10 分）",
        ),
        (
            {"kind": "rounding", "minor": 50, "mode": "half_up", "to_minor": 100},
            "rounded half up to a multiple of 1: 0.50",
            "四舍五入到 1 分的整数倍：0.50 分",
        ),
        (
            {"kind": "rounding", "minor": -50, "mode": "half_even", "to_minor": 100},
            "rounded half to even to a multiple of 1: -0.50",
            "四舍六入五成双到 1 分的整数倍：-0.50 分",
        ),
    ],
)
def test_every_other_line(parts: dict[str, object], english: str, chinese: str) -> None:
    assert line_of(**parts) == english
    assert line_of("zh", **parts) == chinese


@pytest.mark.parametrize(
    ("award_of", "lapses", "other", "english"),
    [
        ("2026", ("2028-01-31", ""), None, "valid until 2028-01-31"),
        (
            "2024",
            ("2029-01-31", "2024"),
            "2028-01-31",
            "valid until 2029-01-31 by rules 2024, which last longer; the others until 2028-01-31",
        ),
        ("2026", ("2028-01-31", "2026"), "2028-01-31", "valid until 2028-01-31"),
        ("2024", ("2029-01-31", "2026"), "2029-01-31", "valid until 2029-01-31 by rules 2026"),
        (
            "2024",
            ("", "2024"),
            "2028-01-31",
            "valid without end by rules 2024; by the others until 2028-01-31",
        ),
    ],
)
def test_the_term(award_of: str, lapses: tuple[str, str], other: str | None, english: str) -> None:
    alternative = () if other is None else (Alternative(ruleset="other", minor=1, lapses_on=other),)
    result = Award(
        minor=100,
        ruleset=award_of,
        explanation=(),
        alternatives=alternative,
        lapses_on=lapses[0],
        lapses_by=lapses[1],
    )
    assert told(result)[1:] == [english]
    assert (lapses[0] or str(other)) in told(result, "zh")[1]


@pytest.mark.parametrize(("ruleset", "lapses_by"), [("2026", "2024"), ("2026", "2026"), ("2026", "")])
def test_points_that_never_lapse_have_no_term(ruleset: str, lapses_by: str) -> None:
    alternatives = (Alternative(ruleset="2024", minor=1),) if lapses_by else ()
    result = Award(minor=100, ruleset=ruleset, explanation=(), alternatives=alternatives, lapses_by=lapses_by)
    assert told(result) == ["total: 1 point"]


@pytest.mark.parametrize("language", get_args(Language))
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


def test_a_factor_is_about_the_goods_before_it() -> None:
    bundle = small_bundle("""
[[ruleset.base]]
id = "all"
product = ["petrol-92", "petrol-95"]
per = "volume"
points_minor = 100
quantum = 1000
step = 1
[[ruleset.modifier]]
id = "grade-95"
group = "grade"
bp = 12000
product = ["petrol-95"]
[ruleset.combine]
grade = "best"
""")
    lines = (Line(product="petrol-95", volume_ml=10_000), Line(product="petrol-92", volume_ml=10_000))
    assert told(award(fill("petrol-92", 1, lines=lines), bundle)) == [
        "10.00 L petrol 95 at 1.00 points per litre = 10.00",
        "x1.2 for petrol 95 (grade-95): +2.00",
        "10.00 L petrol 92 at 1.00 points per litre = 10.00",
        "total: 22 points",
    ]


@pytest.mark.parametrize(
    ("rule", "product", "english", "chinese"),
    [
        ("grade-95", "petrol-95", "for petrol 95", "95 号汽油"),
        ("grade-95", "petrol-98", "", ""),
        ("grade-", "petrol-", "", ""),
        ("tier-diamond", "petrol-95", "as a diamond member", "钻石会员"),
        ("tier-7", "petrol-95", "", ""),
        ("birthday", "shop", "for your birthday", "生日"),
        ("sunday", "shop", "because it is Sunday", "周日"),
        ("friday-diesel", "diesel-0", "because it is Friday", "周五"),
        ("friday-night", "diesel-0", "", ""),
        ("not-sunday", "shop", "", ""),
    ],
)
def test_known_words_of_rule_ids(rule: str, product: str, english: str, chinese: str) -> None:
    assert occasion_text(rule, product, translator("en")) == english
    assert occasion_text(rule, product, translator("zh")) == chinese


@pytest.mark.parametrize(
    ("product", "english", "chinese"),
    [
        ("petrol-92", "petrol 92", "92 号汽油"),
        ("diesel--10", "diesel -10", "-10 号柴油"),
        ("shop", "shop goods", "店内商品"),
        ("lng", "lng", "lng"),
        ("petrol", "petrol", "petrol"),
    ],
)
def test_products_have_their_names(product: str, english: str, chinese: str) -> None:
    assert product_text(product, translator("en")) == english
    assert product_text(product, translator("zh")) == chinese


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
