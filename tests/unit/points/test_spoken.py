"""Unit: can a cashier say in one sentence what a sale earned, or kindly why it earned nothing?"""

from typing import get_args

import pytest

from agent.language import Language, translator
from agent.points.award import Award, ExplanationLine, award
from agent.points.inputs import AwardInputs, Line
from agent.points.rules import Bundle
from agent.points.spoken import spoken
from tests.unit.points.sales import PROTECTED, THURSDAY, demo_bundle, fill, small_bundle

FUEL_AND_SHOP = (
    Line(product="petrol-95", volume_ml=30_000),
    Line(product="shop", amount_fen=999),
    Line(product="magazine", amount_fen=900),
)
EXTRAS = """
[[ruleset.base]]
id = "fuel"
product = ["petrol-95"]
per = "volume"
points_minor = 200
quantum = 1000
step = 10
[[ruleset.modifier]]
id = "grade-95"
group = "all"
bp = 12000
[[ruleset.modifier]]
id = "autumn"
group = "all"
bp = 15000
[ruleset.combine]
all = "{how}"
"""


def said(inputs: AwardInputs, language: Language = "en", bundle: Bundle | None = None) -> str:
    return spoken(award(inputs, bundle or demo_bundle()), translator(language), 100)


def told(language: Language, minor: int, *lines: dict[str, object]) -> str:
    explanation = tuple(ExplanationLine(**line) for line in lines)  # type: ignore[arg-type]
    return spoken(Award(minor=minor, ruleset="r", explanation=explanation), translator(language), 100)


@pytest.mark.parametrize(
    ("inputs", "english", "chinese"),
    [
        (
            fill("petrol-95", 50_000, tier="gold"),
            "You get 144 points: 100 for 50 litres, times 1.2 for petrol 95, times 1.2 as a gold member.",
            "本次为您积 144 分：加油 50 升积 100 分，95 号汽油 1.2 倍，金卡会员 1.2 倍。",
        ),
        (
            fill("petrol-92", 50_000),
            "You get 100 points for 50 litres.",
            "加油 50 升，本次为您积 100 分。",
        ),
        (
            fill("petrol-92", 500),
            "You get 1 point for 0.5 litres.",
            "加油 0.5 升，本次为您积 1 分。",
        ),
        (
            fill("diesel-0", 1_000),
            "You get 1 point for 1 litre.",
            "加油 1 升，本次为您积 1 分。",
        ),
        (
            fill("petrol-92", 49_990),
            "You get 99 points: 99.98 for 49.99 litres, rounded down.",
            "本次为您积 99 分：加油 49.99 升积 99.98 分，尾数舍去。",
        ),
        (
            fill("petrol-92", 50_000, day="2026-07-08", birthday=(7, 8), day_minor=40_000),
            (
                "You get 100 points: 100 for 50 litres, times 2 for your birthday; "
                "a day gives at most 500, and you had 400 already."
            ),
            ("本次为您积 100 分：加油 50 升积 100 分，生日 2 倍；每天最多积 500 分，您今天此前已积 400 分。"),
        ),
        (
            fill("petrol-98", 60_000, tier="diamond", day=THURSDAY),
            (
                "You get 500 points: 120 for 60 litres, times 1.5 for petrol 98, times 2 as a diamond "
                "member, times 3 because it is Thursday; one sale gives at most 1000; "
                "a day gives at most 500."
            ),
            (
                "本次为您积 500 分：加油 60 升积 120 分，98 号汽油 1.5 倍，钻石会员 2 倍，周四 3 倍；"
                "每笔最多积 1000 分；每天最多积 500 分。"
            ),
        ),
        (
            fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED),
            (
                "You get 392 points: 392 for 392 yuan of petrol 92; "
                "rules 2024 are the better ones for you, the others give only 100."
            ),
            (
                "本次为您积 392 分：92 号汽油 392 元积 392 分；"
                "按规则 2024 计算对您更优惠，另一套规则只有 100 分。"
            ),
        ),
        (
            fill("petrol-95", 1, lines=FUEL_AND_SHOP),
            (
                "You get 81 points: 60 for 30 litres, times 1.2 for petrol 95; "
                "9 for 9 yuan of shop goods; nothing for magazine."
            ),
            (
                "本次为您积 81 分：加油 30 升积 60 分，95 号汽油 1.2 倍；"
                "店内商品 9 元积 9 分；magazine 不积分。"
            ),
        ),
        (
            fill("petrol-92", 1, lines=(Line(product="petrol-92", volume_ml=30_000), *FUEL_AND_SHOP[1:2])),
            "You get 69 points: 60 for 30 litres of petrol 92; 9 for 9 yuan of shop goods.",
            "本次为您积 69 分：92 号汽油 30 升积 60 分；店内商品 9 元积 9 分。",
        ),
        (
            fill("petrol-98", 50_000, time_quality="estimated"),
            (
                "You get 100 points: 100 for 50 litres; "
                "base points only, because the time of the fill is not certain."
            ),
            "本次为您积 100 分：加油 50 升积 100 分；因加油时间无法确定，只计基础积分。",
        ),
    ],
)
def test_an_award_in_one_sentence(inputs: AwardInputs, english: str, chinese: str) -> None:
    assert said(inputs) == english
    assert said(inputs, "zh") == chinese


@pytest.mark.parametrize(
    ("inputs", "english", "chinese"),
    [
        (
            fill("petrol-95", 50_000, tender="points"),
            "this way of paying does not earn any",
            "这种支付方式不参加积分",
        ),
        (
            fill("petrol-95", 50_000, evidence="none"),
            "the pump's meter did not confirm this fill, please ask customer service to check",
            "加油机的计量数据未能证实本次加油，请联系客服核查",
        ),
        (
            fill("petrol-95", 2**53 - 1, tier="diamond"),
            "the figures of this sale look wrong, please ask customer service to check",
            "本单数据异常，请联系客服核查",
        ),
        (fill("magazine", 1), "what you bought does not earn any", "所购商品不参加积分"),
        (fill("petrol-92", 400), "the purchase was just too small", "本次消费还不够积分"),
        (
            fill("petrol-92", 50_000, day_minor=50_000),
            "you have already earned the 500 that one day gives, tomorrow you can earn again",
            "您今天已积满每日上限 500 分，明天可以继续积分",
        ),
    ],
)
def test_no_points_kindly(inputs: AwardInputs, english: str, chinese: str) -> None:
    assert said(inputs) == f"I am sorry, no points this time: {english}."
    assert said(inputs, "zh") == f"不好意思，本次没有积分：{chinese}。"


def test_a_full_month() -> None:
    cap = {"kind": "cap", "rule": "m", "scope": "member_month", "limit_minor": 700_000, "used_minor": 700_000}
    assert told("en", 0, cap).endswith("the 7000 that one month gives, next month you can earn again.")
    assert told("zh", 0, cap) == "不好意思，本次没有积分：您本月已积满每月上限 7000 分，下个月可以继续积分。"
    part = "a month gives at most 7000, and you had 6900 already."
    fuel = {"kind": "base", "rule": "f", "volume_ml": 1_000, "per_ml": 1_000, "minor": 20_000}
    assert told("en", 10_000, fuel, cap | {"used_minor": 690_000, "minor": -10_000}).endswith(part)


def test_what_adds_up_is_not_said_to_multiply() -> None:
    inputs = fill("petrol-95", 50_000)
    summed = small_bundle(EXTRAS.format(how="sum_of_extras"))
    multiplied = small_bundle(EXTRAS.format(how="product"))
    assert said(inputs, bundle=multiplied) == (
        'You get 180 points: 100 for 50 litres, times 1.2 for petrol 95, times 1.5 by rule "autumn".'
    )
    assert said(inputs, bundle=summed) == (
        'You get 170 points: 100 for 50 litres, times 1.2 for petrol 95, 50 more by rule "autumn".'
    )
    assert said(inputs, "zh", summed) == (
        "本次为您积 170 分：加油 50 升积 100 分，95 号汽油 1.2 倍，按规则“autumn”另加 50 分。"
    )


@pytest.mark.parametrize("volume_ml", range(10, 3_000, 130))
def test_flooring_does_not_make_a_factor_an_extra(volume_ml: int) -> None:
    assert "more" not in said(fill("petrol-95", volume_ml), bundle=small_bundle(EXTRAS.format(how="product")))


BASE = {"kind": "base", "rule": "f", "product": "petrol-92", "per_ml": 1_000}


def test_the_parts_of_a_banded_rule_are_one_portion() -> None:
    first = BASE | {"volume_ml": 20_000, "minor": 2_000}
    second = BASE | {"volume_ml": 10_000, "minor": 2_000, "from_ml": 20_000}
    assert told("en", 4_000, first, second) == "You get 40 points for 30 litres."
    factor = {"kind": "factor", "rule": "tier-gold", "bp": 20_000, "minor": 4_000}
    assert told("en", 8_000, first, second, factor) == (
        "You get 80 points: 40 for 30 litres, times 2 as a gold member."
    )


def test_a_fill_that_is_too_small_beside_goods_is_still_litres() -> None:
    shop = {"kind": "base", "rule": "s", "product": "shop", "amount_fen": 100, "per_fen": 100, "minor": 100}
    assert told("en", 100, BASE, shop) == (
        "You get 1 point: 0 for 0 litres of petrol 92; 1 for 1 yuan of shop goods."
    )


@pytest.mark.parametrize(
    ("bonus", "english", "chinese"),
    [
        ({"fill_no": 1, "scope": "member_month"}, "for your first fill this month", "本月首次加油"),
        ({"fill_no": 1, "scope": "member_day"}, "for your first fill today", "今日首次加油"),
        ({"fill_no": 5, "scope": "member_month"}, "for fill number 5 this month", "本月第 5 次加油"),
        ({"fill_no": 2, "scope": "member_day"}, "for fill number 2 today", "今日第 2 次加油"),
        ({"at_least_ml": 20_000}, "for 20 litres or more", "加油满 20 升"),
        ({"at_least_fen": 20_050}, "for 200.5 yuan or more", "消费满 200.5 元"),
        ({"rule": "birthday"}, "for your birthday", "生日"),
        ({"rule": "gift"}, 'by rule "gift"', "按规则“gift”"),
    ],
)
def test_a_bonus(bonus: dict[str, object], english: str, chinese: str) -> None:
    lines = (
        BASE | {"volume_ml": 10_000, "minor": 1_000},
        {"kind": "bonus", "rule": "b", "minor": 5_000} | bonus,
    )
    assert told("en", 6_000, *lines) == f"You get 60 points: 10 for 10 litres, 50 more {english}."
    assert told("zh", 6_000, *lines) == f"本次为您积 60 分：加油 10 升积 10 分，{chinese}另加 50 分。"


@pytest.mark.parametrize("language", get_args(Language))
def test_a_better_ruleset_is_mentioned_only_where_it_is_better(language: Language) -> None:
    same = {"kind": "grandfather", "rule": "2026", "other_minor": 1_000}
    sentence = told(language, 1_000, BASE | {"volume_ml": 10_000, "minor": 1_000}, same)
    assert "2026" not in sentence
    assert sentence.count("10") == 3


@pytest.mark.parametrize("mode", ["half_up", "half_even"])
def test_other_roundings(mode: str) -> None:
    rounding = {"kind": "rounding", "mode": mode, "to_minor": 100, "minor": 2}
    lines = BASE | {"volume_ml": 9_980, "minor": 998}, rounding
    assert told("en", 1_000, *lines) == "You get 10 points: 9.98 for 9.98 litres, rounded."
