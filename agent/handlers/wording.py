"""What cashiers and customers read: one sentence per outcome, in the station's language."""

from agent.handlers.site import Language, Site
from agent.store.members import Balance

_SENTENCES: dict[str, dict[Language, str]] = {
    "PRESENTED": {"zh": "会员已识别，{point} 号位", "en": "Member recognised at point {point}"},
    "POINTS": {"zh": "本次积分 {points} 分", "en": "{points} points for this sale"},
    "BALANCE": {"zh": "，余额 {balance} 分", "en": ", balance {balance}"},
    "PROVISIONAL": {"zh": "（待总部确认）", "en": " (to be confirmed by headquarters)"},
    "REFUNDED": {"zh": "已退款，扣回积分 {points} 分", "en": "Refunded, {points} points taken back"},
    "CHOOSE": {"zh": "有多笔加油与此单相符，请选择", "en": "Several fuellings fit this sale: please choose"},
    "WAITING": {"zh": "等待加油机上传，积分随后到账", "en": "Waiting for the dispenser, points follow"},
    "NO_MEMBER": {"zh": "未识别会员，30 分钟内可补登", "en": "No member: identify within 30 minutes"},
    "MEMBER_UNKNOWN": {
        "zh": "会员信息待总部核对，积分随后到账",
        "en": "Member not known here yet, points follow",
    },
    "MEMBER_CLOSED": {"zh": "会员已注销，不再积分", "en": "This membership is closed and earns no points"},
    "TWO_MEMBERS": {
        "zh": "此号位有两位会员，请确认付款会员",
        "en": "Two members at this point: identify the one who pays",
    },
    "NO_RULES": {"zh": "积分规则未到站，积分随后到账", "en": "No rules at this station yet, points follow"},
    "WRONG_SCALE": {
        "zh": "油枪参数待校正，积分随后到账",
        "en": "This nozzle is being checked, points follow",
    },
    "SALE_REFUNDED": {"zh": "此单已退款，不再积分", "en": "This sale was refunded and earns no points"},
    "TENDER_EXCLUDED": {"zh": "此支付方式不积分", "en": "This way of paying earns no points"},
    "NO_RULE": {"zh": "此商品不参加积分", "en": "Nothing in this sale earns points"},
    "BEYOND_RANGE": {"zh": "数额超出范围，不积分", "en": "Too large to be a sale, no points"},
    "NO_METERING_EVIDENCE": {"zh": "无计量凭据，不积分", "en": "No metering evidence, no points"},
    "UNKNOWN_POINT": {"zh": "没有 {point} 号加油位", "en": "There is no fuelling point {point}"},
    "PAYMENT_CARD_REFUSED": {
        "zh": "这是银行卡号，请出示会员卡",
        "en": "That is a payment card, please use the member card",
    },
    "CREDENTIAL_EMPTY": {"zh": "未读到会员号，请重试", "en": "No member number was read, try again"},
    "POS_SALE_CONFLICT": {"zh": "单号重复而内容不同", "en": "This sale id was used for another sale"},
    "EMPTY_SALE": {"zh": "空单不积分", "en": "An empty sale earns nothing"},
    "SALE_UNKNOWN": {"zh": "没有此单", "en": "This sale is not known"},
    "NOT_A_CANDIDATE": {"zh": "所选加油与此单不符", "en": "That fuelling does not fit this sale"},
    "SALE_NOT_WAITING": {"zh": "此单已处理", "en": "This sale needs no choice any more"},
    "ALREADY_AWARDED": {"zh": "此单积分已归其他会员", "en": "This sale's points went to another member"},
    "CLAIM_WITH_HQ": {"zh": "此单由总部核对，请联系客服", "en": "Headquarters is checking this sale"},
    "TOO_LATE": {"zh": "已过补登时限", "en": "Too late to identify for this sale"},
    "REFUND_CONFLICT": {"zh": "退款号重复而内容不同", "en": "This refund id was used for another refund"},
    "REFUND_TOO_LARGE": {"zh": "退款超过原单金额", "en": "More than was paid cannot be refunded"},
    "DISK_FULL": {"zh": "系统存储已满，请稍后重试", "en": "The controller's disk is full, try again"},
    "TILL_BUSY": {"zh": "系统繁忙，请重试", "en": "Busy, please try again"},
}


def sentence(code: str, language: Language, **values: str) -> str:
    return _SENTENCES[code][language].format(**values)


def points_text(minor: int, scale: int) -> str:
    """Points with as many decimals as the scale has, whole points without: 14400 → "144", 9998 → "99.98"."""
    whole, rest = divmod(abs(minor), scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}" if rest else ""
    return f"{'-' if minor < 0 else ''}{whole}{decimals}"


def receipt(site: Site, code: str, minor: int, balance: Balance | None) -> str:
    """The slip's sentence: points, balance, and whether HQ has confirmed them."""
    text = sentence(code, site.language, points=points_text(minor, site.points_scale))
    if balance is None:
        return text
    text += sentence("BALANCE", site.language, balance=points_text(balance.minor, site.points_scale))
    return text + (sentence("PROVISIONAL", site.language) if balance.provisional else "")
