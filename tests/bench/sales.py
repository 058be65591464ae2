"""The items of many sales, made without a station: for the road to HQ, which never looks into them.

The same customers as everywhere in the bench, awarded by the demo bundle, as the handlers would write them.
"""

import hashlib
import random
from base64 import urlsafe_b64encode
from collections.abc import Iterator

from agent.messages import bodies
from agent.points.award import award
from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.lean import LeanInputs
from agent.points.rules import Bundle, parse_bundle
from tests.bench.rig import BETWEEN_SALES_MS, BUNDLE, MORNING_MS, PRODUCTS, Customers, Sale, member_id, tier

SHANGHAI_MINUTES = 480


def demo_bundle() -> Bundle:
    bundle = parse_bundle(BUNDLE.read_bytes())
    assert isinstance(bundle, Bundle), bundle
    return bundle


def items(sales: int, station: str = "cn-0042") -> Iterator[bytes]:
    """A fuelling and its award, `sales` times: item 2n-1 and item 2n of the stream `ledger`.

    Another station has other customers: what says who they are must not repeat from station to station.
    """
    bundle = demo_bundle()
    customers = Customers(random.Random(station))
    for number, sale in enumerate(customers.take(sales)):
        event_ms = MORNING_MS + number * BETWEEN_SALES_MS % 28_800_000
        fact = _fuelling(sale, station, event_ms)
        yield fact.encoded()
        yield _award(sale, 2 * number + 1, event_ms, bundle).encoded()


def _fuelling(sale: Sale, station: str, event_ms: int) -> bodies.Fuelling:
    fuelling = sale.fuelling
    fact_id = hashlib.sha256(f"{station} {sale.paid.pos_sale_id}".encode()).digest()[:16]
    return bodies.Fuelling(
        kind="fuelling",
        id=urlsafe_b64encode(fact_id).rstrip(b"=").decode(),
        evidence="metered",
        time_quality="seen",
        event_ms=event_ms,
        amount_fen=sale.amount_fen,
        totalizer_ml=fuelling.totalizer_after_ml,
        volume_ml=sale.volume_ml,
        unit_price_milli=sale.price_milli,
        product=PRODUCTS[int(sale.nozzle) - 8],
        nozzle=sale.nozzle,
        point=sale.paid.point or "",
        device=f"cbc-{sale.line[-1]}",
        sequence_no=fuelling.sequence_no,
    )


def _award(sale: Sale, of: int, event_ms: int, bundle: Bundle) -> bodies.Award:
    fuel = Line(product=PRODUCTS[int(sale.nozzle) - 8], volume_ml=sale.volume_ml, amount_fen=sale.amount_fen)
    inputs = AwardInputs(
        lines=(fuel,),
        tender=sale.paid.tender,
        tier=tier(sale.member),
        usage=Usage(month_ml=sale.volume_ml, month_fen=sale.amount_fen),
        evidence="metered",
        time_quality="seen",
        local=Local.on("2026-07-08", (event_ms // 60_000 + SHANGHAI_MINUTES) % 1440),
    )
    earned = award(inputs, bundle)
    return bodies.Award(
        kind="award",
        bundle=bundle.bundle,
        version=bundle.version,
        member=member_id(sale.member),
        of=of,
        inputs=LeanInputs.of(inputs, fuel, event_ms),
        minor=earned.minor,
        reason=earned.reason,
        explanation=bodies.steps(earned.explanation),
    )
