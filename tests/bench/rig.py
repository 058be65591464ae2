"""What the figures share: a station of 16 points with members and rules, and the sales made there."""

import hashlib
import json
import random
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.clock import ClockQuality, Instant, SystemClock
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_members import adopt_members
from agent.handlers.credentials import CredentialKey
from agent.handlers.site import Place, Site
from agent.store.database import Store
from agent.till import Till
from drivers.events import (
    Credential,
    CredentialKind,
    DeviceTime,
    Fuelling,
    HandOver,
    Monotonic,
    RawDigits,
    SalePaid,
)

BUNDLE = Path(__file__).parents[2] / "config/samples/demo-cn.bundle.toml"
MORNING_MS = 1_783_476_000_000
"""2026-07-08 10:00 in Shanghai: a day without a campaign in the demo bundle."""
LINES, NOZZLES = 4, 4
POINTS = LINES * NOZZLES
PRICES_MILLI = (7_850, 8_350, 7_520, 9_310)
PRODUCTS = ("petrol-92", "petrol-95", "diesel-0", "petrol-98")
MEMBERS = 200
TIERS = ("basic", "gold", "basic", "platinum", "basic", "diamond")
BETWEEN_SALES_MS = 10_000
"""A busy forecourt: 16 points, each with a new customer about every three minutes."""


def card(member: int) -> Credential:
    return Credential(CredentialKind.CARD, f"CARD-{member:06d}")


def tag(member: int) -> str:
    """The tag at the nozzle that a Companytec record carries: sixteen hexadecimal digits."""
    return f"E004{member:012X}"


def member_id(member: int) -> str:
    """Opaque, and as hard to compress as real ones are."""
    return urlsafe_b64encode(hashlib.sha256(b"%d" % member).digest()[:9]).decode()


def tier(member: int) -> str:
    return TIERS[member % len(TIERS)]


def site(*, award_on_fuelling: bool = False) -> Site:
    lines = [f"island-{line}" for line in range(1, LINES + 1)]
    places = {
        (f"cbc-{line}", f"{8 + nozzle:02d}"): Place(f"{NOZZLES * line + nozzle + 1}", PRODUCTS[nozzle])
        for line in range(LINES)
        for nozzle in range(NOZZLES)
    }
    return Site(
        station="cn-0042",
        programme="demo-cn",
        zone=ZoneInfo("Asia/Shanghai"),
        language="zh",
        credential_key=CredentialKey(b"k" * 32),
        devices={(name, "0"): f"cbc-{number}" for number, name in enumerate(lines)},
        places=places,
        award_on_fuelling=frozenset(f"{n}" for n in range(1, POINTS + 1))
        if award_on_fuelling
        else frozenset(),
    )


@dataclass
class Day(SystemClock):
    """A clock that is moved by hand; what it costs to ask for its quality is the real clock's cost."""

    at_ms: int = MORNING_MS

    def __post_init__(self) -> None:
        super().__init__()

    def wall_ms(self) -> int:
        return self.at_ms

    def quality(self, floor_ms: int) -> ClockQuality:
        super().quality(floor_ms)
        return ClockQuality.SYNCED


@contextmanager
def serving(till: Till) -> Iterator[Till]:
    """The till on its thread, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=till.run, args=(stop,), name="till")
    thread.start()
    try:
        yield till
    finally:
        stop.set()
        thread.join()


def till_on(path: Path, here: Site, clock: Day, connect: Callable[[Path], object] | None = None) -> Till:
    """A till over a new database at `path`, stocked before it opens for business."""

    def open_store() -> Store:
        store = Store.open(
            path,
            here.station,
            here.programme,
            Instant(clock.at_ms),
            connect=connect,  # type: ignore[arg-type]
        )
        stock(store, here, clock.at_ms)
        return store

    def broken(error: BaseException) -> None:
        raise error

    return Till(open_store, clock, lambda store: None, broken)


def stock(store: Store, here: Site, at_ms: int) -> None:
    """The demo bundle, and members with a card and a tag each."""
    at = Instant(at_ms)
    with store.transaction() as tx:
        bundle = adopt_bundle(BUNDLE.read_bytes(), tx, here, at)
        balances = [{"balance_minor": 1_000 * number} for number in range(MEMBERS)]
        members = adopt_members(snapshot(here, at_ms, balances), tx, here, at)
    assert bundle.reason == members.reason == "", (bundle, members)


def snapshot(here: Site, at_ms: int, members: Sequence[Mapping[str, object]], version: int = 1) -> bytes:
    """What headquarters says of these members: who they are follows from their places in the list."""
    listed = [
        {
            "member": member_id(number),
            "credentials": [
                here.credential_key.hash(card(number)),
                here.credential_key.hash(Credential(CredentialKind.TAG, tag(number))),
            ],
            "tier": tier(number),
            **member,
        }
        for number, member in enumerate(members)
    ]
    head = {"schema": "members/1", "station": here.station, "programme": here.programme}
    return json.dumps(head | {"version": version, "issued_at_ms": at_ms, "members": listed}).encode()


@dataclass(frozen=True, slots=True)
class Sale:
    """One customer: the record at the concentrator, and the payment at the POS."""

    line: str
    nozzle: str
    volume_ml: int
    amount_fen: int
    price_milli: int
    member: int
    fuelling: Fuelling
    paid: SalePaid


@dataclass
class Customers:
    """An endless row of sales that a seed decides; no two fuellings of a point cost nearly the same."""

    rng: random.Random
    totals_ml: dict[tuple[int, int], int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    made: int = 0

    def take(self, count: int) -> list[Sale]:
        return [self._next() for _ in range(count)]

    def _next(self) -> Sale:
        self.made += 1
        line, nozzle = self.rng.randrange(LINES), self.rng.randrange(NOZZLES)
        price_milli = PRICES_MILLI[nozzle]
        volume_ml = 8_000 + 10 * ((self.made * 797) % 5_200)
        amount_fen = (volume_ml * price_milli + 5_000) // 10_000
        total_ml = self.totals_ml.get((line, nozzle), 123_456_780) + volume_ml
        number = self.numbers.get(line, 3_000 + 500 * line) + 1
        self.totals_ml[(line, nozzle)], self.numbers[line] = total_ml, number
        member = self.rng.randrange(MEMBERS)
        fuelling = Fuelling(
            address="0",
            nozzle=f"{8 + nozzle:02d}",
            hand_over=HandOver.BUFFERED,
            sequence_no=number,
            raw=RawDigits(
                f"{volume_ml:06d}", f"{amount_fen:06d}", f"{price_milli:04d}", f"{total_ml // 10:010d}"
            ),
            volume_ml=volume_ml,
            amount_fen=amount_fen,
            unit_price_milli=price_milli,
            volume_step_ml=1,
            amount_step_fen=1,
            totalizer_after_ml=total_ml,
            totalizer_modulus_ml=10**11,
            device_time=_civil(MORNING_MS + self.made * BETWEEN_SALES_MS),
            ended=Monotonic(0),
        )
        paid = SalePaid(
            "till-1",
            f"{self.made:08d}",
            f"{NOZZLES * line + nozzle + 1}",
            amount_fen,
            "wechat",
            (),
            card(member),
        )
        return Sale(
            f"island-{line + 1}", fuelling.nozzle, volume_ml, amount_fen, price_milli, member, fuelling, paid
        )


def _civil(at_ms: int) -> DeviceTime:
    shown = datetime.fromtimestamp(at_ms // 1000, ZoneInfo("Asia/Shanghai"))
    return DeviceTime(None, shown.month, shown.day, shown.hour, shown.minute)
