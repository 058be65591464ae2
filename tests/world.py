"""A station in a bottle: the real handlers and the real store on a clock that tests move by hand."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from agent.clock import ClockQuality, Instant
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_members import adopt_members
from agent.handlers.adoption import Adoption
from agent.handlers.credentials import CredentialKey
from agent.handlers.daily_close import close_days
from agent.handlers.dispatch import Report, handle
from agent.handlers.lifecycle import advance
from agent.handlers.passing_days import pass_days, today
from agent.handlers.site import Limits, Place, Site, TankPlace
from agent.handlers.told import Seen, Told
from agent.store.database import Store, Transaction
from agent.store.facts import Fact
from drivers.events import (
    Answer,
    BasketLine,
    CandidateChosen,
    Credential,
    CredentialKind,
    Fuelling,
    FuellingStarted,
    HandOver,
    MemberIdentified,
    MemberPresented,
    Monotonic,
    RawDigits,
    SalePaid,
    SaleRefunded,
    TankDelivery,
    TankRead,
)

T = TypeVar("T")
BUNDLE = Path(__file__).parent.parent / "config/samples/demo-cn.bundle.toml"
WEDNESDAY_MS = 1_783_476_000_000
"""2026-07-08 10:00 in Shanghai: a day without a campaign in the demo bundle."""
DAY_MS = 86_400_000
GOLD = Credential(CredentialKind.CARD, "C-GOLD-1")
BASIC = Credential(CredentialKind.CARD, "C-BASIC-2")
STRANGER = Credential(CredentialKind.CARD, "C-NOBODY-9")


def site(**changes: object) -> Site:
    """Two points: 1 with a class A device "cbc", 2 with a class B device "disp"; see `Place`s. One tank."""
    parts: dict[str, object] = {
        "station": "station-0042",
        "programme": "demo-cn",
        "zone": ZoneInfo("Asia/Shanghai"),
        "language": "en",
        "credential_key": CredentialKey(b"k" * 32),
        "devices": {("island-1", "0"): "cbc", ("island-2", "1"): "disp", ("gauges", "1"): "tls"},
        "places": {
            ("cbc", "08"): Place("1", "petrol-92"),
            ("cbc", "09"): Place("1", "petrol-95"),
            ("disp", "1"): Place("2", "petrol-95"),
        },
        "tanks": {("tls", "1"): TankPlace("tank-1", "petrol-92", 100_000)},
        "limits": Limits(),
    }
    return Site(**(parts | changes))  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Dispenser:
    """The class A device "cbc" at point 1: numbers its records and never forgets its totalizers."""

    totalizer_ml: dict[str, int] = field(default_factory=dict)
    sequence_no: int = 0

    def fuelling(self, volume_ml: int = 50_000, nozzle: str = "08", **changes: object) -> Fuelling:
        """Its next record, price 7.85, totalizer moving along."""
        self.sequence_no += 1
        price_milli = 7850
        amount_fen = (volume_ml * price_milli + 5000) // 10_000
        total_ml = self.totalizer_ml.get(nozzle, 1_000_000) + volume_ml
        self.totalizer_ml[nozzle] = total_ml
        record: dict[str, object] = {
            "address": "0",
            "nozzle": nozzle,
            "hand_over": HandOver.BUFFERED,
            "sequence_no": self.sequence_no,
            "raw": RawDigits(str(volume_ml // 10), str(amount_fen), str(price_milli), str(total_ml // 10)),
            "volume_ml": volume_ml,
            "amount_fen": amount_fen,
            "unit_price_milli": price_milli,
            "volume_step_ml": 10,
            "amount_step_fen": 1,
            "totalizer_after_ml": total_ml,
            "ended": Monotonic(0),
        }
        return Fuelling(**(record | changes))  # type: ignore[arg-type]


@dataclass
class World(Dispenser):
    """`book` runs one event through `handle` in one transaction, as the till does."""

    path: Path
    site: Site = field(default_factory=site)
    at_ms: int = WEDNESDAY_MS
    connect: Callable[..., object] | None = None

    def __post_init__(self) -> None:
        self.store = Store.open(
            self.path,
            self.site.station,
            self.site.programme,
            self.now(),
            connect=self.connect,  # type: ignore[arg-type]
        )

    def now(self) -> Instant:
        return Instant(self.at_ms, ClockQuality.SYNCED)

    def wait(self, seconds: int) -> None:
        self.at_ms += seconds * 1000

    def run(self, verb: Callable[[Transaction, Instant], T]) -> T:
        with self.store.transaction() as tx:
            return verb(tx, self.now())

    def stock(self) -> "World":
        """Adopt the demo bundle and two members: gold with 1000 points, basic with none."""
        bundle = self.run(lambda tx, at: adopt_bundle(BUNDLE.read_bytes(), tx, self.site, at))
        members = self.adopt_members(1)
        assert bundle.reason == members.reason == "", (bundle, members)
        return self

    def adopt_bundle(self, payload: bytes) -> Adoption:
        return self.run(lambda tx, at: adopt_bundle(payload, tx, self.site, at))

    def adopt_members(
        self, version: int, *extra: Mapping[str, object], gold: Mapping[str, object] | None = None
    ) -> Adoption:
        """m-gold (changed by `gold`), m-basic and whoever comes extra."""
        snapshot = {
            "schema": "members/1",
            "station": self.site.station,
            "programme": self.site.programme,
            "version": version,
            "issued_at_ms": self.at_ms,
            "members": [
                {
                    "member": "m-gold",
                    "credentials": [self.hash(GOLD)],
                    "tier": "gold",
                    "balance_minor": 100_000,
                    **(gold or {}),
                },
                {"member": "m-basic", "credentials": [self.hash(BASIC)], "tier": "basic"},
                *extra,
            ],
        }
        payload = json.dumps(snapshot).encode()
        return self.run(lambda tx, at: adopt_members(payload, tx, self.site, at))

    def hash(self, credential: Credential) -> str:
        hashed = self.site.credential_key.hash(credential)
        assert hashed is not None
        return hashed

    def book(self, event: Report, line: str = "island-1", *, ended_ago_ms: int | None = 0) -> Told:
        ended = None if ended_ago_ms is None else self.at_ms - ended_ago_ms
        seen = Seen(self.at_ms, ended)
        return self.run(lambda tx, at: handle(event, line, seen, tx, self.site, at))

    def fuel(self, volume_ml: int = 50_000, nozzle: str = "08", **changes: object) -> Fuelling:
        """Sell and book one fuelling at point 1."""
        fuelling = self.fuelling(volume_ml, nozzle, **changes)
        assert self.book(fuelling).answer.durable
        return fuelling

    def present(self, credential: Credential, point: str = "1") -> Answer:
        return self.book(MemberPresented("till-1", point, credential)).answer

    def pay(self, pos_sale_id: str, fuel_amount_fen: int, **changes: object) -> Answer:
        return self.book(paid(pos_sale_id, fuel_amount_fen, **changes)).answer  # type: ignore[arg-type]

    def lift(self, nozzle: str = "08") -> Answer:
        return self.book(FuellingStarted("0", nozzle)).answer

    def gauge(self, volume_ml: int = 20_000_000) -> None:
        """Tank 1 is filled up to `volume_ml`, and read."""
        self.book(TankDelivery("1", "1", "1", f"0/{self.at_ms}", None, None, 0, volume_ml), "gauges")
        self.book(TankRead("1", "1", "1", "", volume_ml), "gauges")

    def choose(self, pos_sale_id: str, fact_id: str) -> Answer:
        return self.book(CandidateChosen("till-1", pos_sale_id, fact_id)).answer

    def identify(self, pos_sale_id: str, credential: Credential) -> Answer:
        return self.book(MemberIdentified("till-1", pos_sale_id, credential)).answer

    def refund(self, refund_id: str, pos_sale_id: str, amount_fen: int) -> Answer:
        return self.book(SaleRefunded("till-1", refund_id, pos_sale_id, amount_fen)).answer

    def pass_days(self, days: int = 0) -> None:
        """Let so many days go by, and do what is due then, as the chores of the agent do."""
        self.at_ms += days * DAY_MS
        self.run(lambda tx, at: advance(tx, self.site, at))
        self.run(lambda tx, at: pass_days(tx, self.site, at))
        self.run(lambda tx, at: close_days(tx, at))

    def reopen(self) -> None:
        """Stop and start again on the same file."""
        self.store.close()
        self.__post_init__()

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What stands on the disk, read by somebody else than the writer."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as reader:
            return reader.execute(sql, parameters).fetchall()

    def count(self, table: str) -> int:
        [(rows,)] = self.rows(f"SELECT count(*) FROM {table}")
        assert isinstance(rows, int)
        return rows

    def alarms(self) -> dict[tuple[str, str], int]:
        """(code, subject) → how often."""
        return {(str(code), str(subject)): times for code, subject, times in self.rows(_ALARMS)}

    def newest_fact(self) -> Fact:
        [(fact_id,)] = self.rows("SELECT fact_id FROM fact ORDER BY stream_seq DESC LIMIT 1")
        fact = self.run(lambda tx, at: tx.facts.get(fact_id))
        assert fact is not None
        return fact

    def balance_minor(self, member: str) -> int:
        balance = self.run(lambda tx, at: tx.members.balance(member, today(tx, at)))
        assert balance is not None
        return balance.minor


_ALARMS = "SELECT code, subject, times FROM alarm"


def paid(
    pos_sale_id: str,
    fuel_amount_fen: int,
    *,
    point: str | None = "1",
    credential: Credential | None = None,
    lines: tuple[BasketLine, ...] = (),
    register: str = "till-1",
    tender: str = "cash",
) -> SalePaid:
    return SalePaid(register, pos_sale_id, point, fuel_amount_fen, tender, lines, credential)
