"""Records and stations for the tests of the handlers: a display that keeps its last sale, made bundles."""

from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adoption import Adoption
from drivers.events import Fuelling, HandOver, RawDigits
from tests.world import BUNDLE, World

DISPLAY_LINE = "island-2"


def last_sale(volume_ml: int, totalizer_ml: int | None, **changes: object) -> Fuelling:
    """What the class B dispenser "disp" at point 2 shows: unnumbered, readable until the next sale."""
    price_milli = 8_120
    amount_fen = (volume_ml * price_milli + 5_000) // 10_000
    total = "" if totalizer_ml is None else str(totalizer_ml // 10)
    record: dict[str, object] = {
        "address": "1",
        "nozzle": "1",
        "hand_over": HandOver.LAST_SALE,
        "sequence_no": None,
        "raw": RawDigits(str(volume_ml // 10), str(amount_fen), str(price_milli), total),
        "volume_ml": volume_ml,
        "amount_fen": amount_fen,
        "unit_price_milli": price_milli,
        "volume_step_ml": 10,
        "amount_step_fen": 1,
        "totalizer_after_ml": totalizer_ml,
    }
    return Fuelling(**(record | changes))  # type: ignore[arg-type]


def bundle_bytes(*replacements: tuple[str, str]) -> bytes:
    """The demo bundle with parts of its text replaced; each part must be there."""
    text = BUNDLE.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def adopt(world: World, payload: bytes) -> Adoption:
    return world.run(lambda tx, at: adopt_bundle(payload, tx, world.site, at))
