"""An award's explanation as sentences, in English and Chinese, from its stored lines alone.

Before rounding, points are shown with all their decimals, so that a customer can follow the sum;
afterwards whole points are shown whole. The texts of both languages have the same keys and the
same placeholders.
"""

from typing import Final, Literal

from agent.points.award import Award, ExplanationLine
from agent.points.ruleset import ONE_BP

Language = Literal["en", "zh"]

TEXTS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "volume": "{quantity} L {product} at {each} points per {per} = {total}",
        "amount": "{quantity} yuan {product} at {each} points per {per} = {total}",
        "litre": "litre",
        "litres": "{number} L",
        "yuan": "yuan",
        "yuans": "{number} yuan",
        "factor": "{rule} x{factor}",
        "floor": "rounded down to a multiple of {unit}: {change}",
        "half_up": "rounded half up to a multiple of {unit}: {change}",
        "half_even": "rounded half to even to a multiple of {unit}: {change}",
        "transaction": "cap {rule}: {change}",
        "member_day": "cap {rule}: {change} ({used} of {limit} earned today)",
        "member_month": "cap {rule}: {change} ({used} of {limit} earned this month)",
        "grandfather": "rules {rule} are the better ones for you, the others give {other}",
        "total": "total: {total} points",
        "NO_METERING_EVIDENCE": "no points: no meter reading confirms this fuelling",
        "TENDER_EXCLUDED": "no points for this way of paying",
        "NO_RULE": "no points for {product}",
        "BEYOND_RANGE": "no points: the quantities are beyond any real sale",
        "TIME_ESTIMATED": "base points only: the time of this fuelling is an estimate",
    },
    "zh": {
        "volume": "{product} {quantity} 升，每{per} {each} 分 = {total} 分",
        "amount": "{product} {quantity} 元，每{per} {each} 分 = {total} 分",
        "litre": "升",
        "litres": " {number} 升",
        "yuan": "元",
        "yuans": " {number} 元",
        "factor": "{rule} ×{factor}",
        "floor": "向下取整到 {unit} 分的整数倍：{change} 分",
        "half_up": "四舍五入到 {unit} 分的整数倍：{change} 分",
        "half_even": "四舍六入五成双到 {unit} 分的整数倍：{change} 分",
        "transaction": "上限 {rule}：{change} 分",
        "member_day": "上限 {rule}：{change} 分（今日已得 {used} 分，上限 {limit} 分）",
        "member_month": "上限 {rule}：{change} 分（本月已得 {used} 分，上限 {limit} 分）",
        "grandfather": "按规则 {rule} 计算对您更优，另一套规则为 {other} 分",
        "total": "合计：{total} 分",
        "NO_METERING_EVIDENCE": "不积分：没有计量读数证实本次加油",
        "TENDER_EXCLUDED": "此支付方式不积分",
        "NO_RULE": "{product} 不积分",
        "BEYOND_RANGE": "不积分：数量超出真实交易的范围",
        "TIME_ESTIMATED": "仅计基础积分：本次加油的时间为估计值",
    },
}


def sentences(award: Award, language: Language, points_scale: int) -> list[str]:
    """One sentence per line of the explanation, then the total. `points_scale`: minor units per point."""
    total = TEXTS[language]["total"].format(total=points_text(award.minor, points_scale))
    return [*(sentence(line, language, points_scale) for line in award.explanation), total]


def sentence(line: ExplanationLine, language: Language, points_scale: int) -> str:
    """Such as "50.00 L petrol-95 at 2.00 points per litre = 100.00"."""
    if line.kind == "base":
        return _base_sentence(line, TEXTS[language], points_scale)
    return TEXTS[language][_key(line)].format(
        rule=line.rule,
        product=line.product,
        factor=_trimmed(line.bp, ONE_BP),
        unit=points_text(line.to_minor, points_scale),
        change=points_text(line.minor, points_scale),
        used=points_text(line.used_minor, points_scale),
        limit=points_text(line.limit_minor, points_scale),
        other=points_text(line.other_minor, points_scale),
    )


def points_text(minor: int, points_scale: int) -> str:
    """Points as people read them: of scale 100, 14400 is "144", 9998 is "99.98" and -33200 is "-332"."""
    return decimal_text(minor, points_scale) if minor % points_scale else str(minor // points_scale)


def decimal_text(number: int, scale: int) -> str:
    """`number` / `scale` (a power of ten) with all its decimals: 9998 of scale 100 is "99.98"."""
    whole, rest = divmod(abs(number), scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}" if scale > 1 else ""
    return f"{'-' if number < 0 else ''}{whole}{decimals}"


def _key(line: ExplanationLine) -> str:
    match line.kind:
        case "rounding":
            assert line.mode is not None
            return line.mode
        case "cap":
            assert line.scope is not None
            return line.scope
        case "refused":
            return line.rule
        case kind:
            return kind


def _base_sentence(line: ExplanationLine, texts: dict[str, str], points_scale: int) -> str:
    if line.per_ml:
        key, quantity = "volume", _litres(line.volume_ml)
        per = texts["litre"] if line.per_ml == 1000 else texts["litres"].format(number=_litres(line.per_ml))
    else:
        key, quantity = "amount", decimal_text(line.amount_fen, 100)
        number = decimal_text(line.per_fen, 100)
        per = texts["yuan"] if line.per_fen == 100 else texts["yuans"].format(number=number)
    return texts[key].format(
        quantity=quantity,
        product=line.product,
        each=decimal_text(line.points_minor, points_scale),
        per=per,
        total=decimal_text(line.minor, points_scale),
    )


def _litres(volume_ml: int) -> str:
    """As a dispenser shows it: two decimals, three only where the millilitre counts."""
    return decimal_text(volume_ml, 1000) if volume_ml % 10 else decimal_text(volume_ml // 10, 100)


def _trimmed(number: int, scale: int) -> str:
    return decimal_text(number, scale).rstrip("0").rstrip(".")
