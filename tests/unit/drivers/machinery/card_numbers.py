"""Card numbers that nobody has: random digits with a right check digit, dressed as people write them."""

import random

BETWEEN = ("", "", "", " ", "-", "  ", "\u00a0", "\u2011", ".", "/", " - ")


def card_number(rng: random.Random, length: int = 0) -> str:
    """13 to 19 digits that pass the Luhn check."""
    wanted = length or rng.randrange(13, 20)
    payload = [rng.randrange(10) for _ in range(wanted - 1)]
    total = 0
    for place, digit in enumerate(reversed(payload)):
        total += sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit
    return "".join(map(str, [*payload, -total % 10]))


def dressed(rng: random.Random, number: str) -> str:
    """The number in groups, inside text, or in full-width digits."""
    group, between = rng.randrange(1, 8), rng.choice(BETWEEN)
    text = between.join(number[start : start + group] for start in range(0, len(number), group))
    if rng.randrange(8) == 0:
        text = text.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
    return rng.choice(("", "VISA ", "A", "油卡")) + text + rng.choice(("", " exp 01/30", "Z", "元"))
