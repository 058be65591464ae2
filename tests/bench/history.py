"""A station with a long past, written through the store: what verify walks and what a sale is added to.

Every sale has its fact, payment, binding, award, lot and ledger entry, made by the same functions as
the handlers' (award, postings, ids, chain), and every row goes through its table family; points are
spent again, the oldest lot first. Only the handlers are left out, and what headquarters has
acknowledged is no longer in the outbox. `store verify` accepts it, which the bench asserts.
"""

import hashlib
import sqlite3
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from agent.clock import Instant
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_members import adopt_members
from agent.handlers.award_inputs import local_time
from agent.handlers.site import Site
from agent.messages import bodies, ids
from agent.points import ledger
from agent.points.award import award
from agent.points.inputs import AwardInputs, Line, Usage
from agent.points.ratios import ratio_at
from agent.points.rules import Bundle, parse_bundle
from agent.store.awards import StoredAward, Used
from agent.store.database import Store, Transaction
from agent.store.facts import Fact
from agent.store.lots import StoredLot
from agent.store.outbox import LEDGER, Watermark
from agent.store.sales import Binding, PosSale
from tests.bench.rig import BUNDLE, MORNING_MS, PRICES_MILLI, PRODUCTS, member_id, snapshot, tier

MEMBERS: Final = 1_500
SALE_EVERY_MS: Final = 60_000
"""So that an ordinary member, whose turn comes after all others, buys at most once a day."""
COLLECTOR: Final = 0
"""The member who comes every few minutes for a litre, until there are `COLLECTED` lots. Nobody else keeps
more than `KEPT`."""
COLLECTED: Final = 500
COLLECTS_EVERY: Final = 10
KEPT: Final = 5
DEVICES: Final = 4
PARTS: Final = 3
"""Entries in which the points of one lot are spent."""

_FAST = ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-1000000")
_SAFE = ("PRAGMA synchronous=FULL", "PRAGMA journal_mode=WAL")
_ACKNOWLEDGED = "INSERT INTO outbox (stream, seq, kind, at_ms, body, head) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET_ACKNOWLEDGED = "DELETE FROM outbox WHERE stream = ?"


@dataclass
class _Customer:
    """What the next sale of a member needs to know."""

    member: str
    tier: str
    lots: deque[StoredLot] = field(default_factory=deque)
    used: dict[str, Used] = field(default_factory=dict)


class History:
    """`grow` writes sales until the ledger has so many entries; `close` leaves a file as the agent does."""

    def __init__(self, path: Path, here: Site) -> None:
        self._here = here
        self._customers = [_Customer(member_id(n), tier(n)) for n in range(MEMBERS)]
        bundle = parse_bundle(BUNDLE.read_bytes())
        assert isinstance(bundle, Bundle)
        self._bundle = bundle
        self._store = Store.open(path, here.station, here.programme, Instant(MORNING_MS), self._connect)
        with self._store.transaction() as tx:
            adopted = adopt_bundle(BUNDLE.read_bytes(), tx, here, Instant(MORNING_MS))
            assert adopted.reason == "", adopted
        self._meters_ml: Counter[tuple[int, int]] = Counter()
        self._sales = 0
        self._turns = 0
        self._entries = 0
        self._stream_seq = 0
        self._snapshots = 0

    @property
    def now_ms(self) -> int:
        """An hour after the last sale."""
        return MORNING_MS + self._sales * SALE_EVERY_MS + 3_600_000

    def grow(self, entries: int) -> None:
        for pragma in _FAST:
            self._connection.execute(pragma)
        with self._store.transaction() as tx:
            while self._entries < entries:
                self._sell(tx)
            self._acknowledge(tx)
            self._snapshots += 1
            taken = adopt_members(self._snapshot(), tx, self._here, Instant(self.now_ms))
            assert taken.reason == "", taken
        for pragma in _SAFE:
            self._connection.execute(pragma)

    def close(self) -> None:
        self._store.close()

    def _connect(self, path: Path) -> sqlite3.Connection:
        self._connection = sqlite3.connect(path, isolation_level=None)
        return self._connection

    def _next_customer(self) -> _Customer:
        collector = self._customers[COLLECTOR]
        if self._sales % COLLECTS_EVERY == 0 and len(collector.lots) < COLLECTED:
            return collector
        self._turns += 1
        return self._customers[1 + self._turns % (MEMBERS - 1)]

    def _sell(self, tx: Transaction) -> None:
        number, customer = self._sales, self._next_customer()
        self._sales += 1
        at_ms = MORNING_MS + number * SALE_EVERY_MS
        is_collector = customer is self._customers[COLLECTOR]
        volume_ml = 1_000 if is_collector else 10_000 + 10 * (number * 797 % 5_200)
        fact = self._fact(number, at_ms, volume_ml)
        tx.facts.add(fact)
        sale = self._payment(number, fact)
        tx.sales.add(sale)
        tx.sales.bind(
            Binding(fact.fact_id, sale.register, sale.pos_sale_id, customer.member, "", "", at_ms + 1)
        )
        lot = self._award(fact, customer, tx)
        if not lot.minor:
            return
        seq = tx.ledger.post(
            "award", lot.lot_id, ledger.award_postings(customer.member, lot.minor), at_ms + 1
        )
        tx.lots.open(lot, seq)
        self._entries = seq
        customer.lots.append(lot)
        if len(customer.lots) > KEPT and not is_collector:
            self._spend(customer.lots.popleft(), at_ms + 2, tx)

    def _fact(self, number: int, at_ms: int, volume_ml: int) -> Fact:
        device, nozzle = number % DEVICES, number // DEVICES % len(PRODUCTS)
        price_milli = PRICES_MILLI[nozzle]
        amount_fen = (volume_ml * price_milli + 5_000) // 10_000
        self._meters_ml[device, nozzle] += volume_ml
        total_ml = self._meters_ml[device, nozzle]
        digits = (f"{volume_ml:06d}", f"{amount_fen:06d}", f"{price_milli:04d}", f"{total_ml // 10:010d}")
        key, name = f"cbc-{device}", f"{8 + nozzle:02d}"
        self._stream_seq += 1
        return Fact(
            fact_id=ids.fuelling_id(
                *(self._here.station, key, name, 1, number),
                **dict(zip(("volume", "amount", "unit_price", "totalizer_after"), digits, strict=True)),
            ),
            kind="fuelling",
            point=self._here.places[key, name].point,
            device_key=key,
            nozzle=name,
            product=PRODUCTS[nozzle],
            device_epoch=1,
            sequence_no=number,
            volume_ml=volume_ml,
            amount_fen=amount_fen,
            unit_price_milli=price_milli,
            totalizer_after_ml=total_ml,
            missed_ml=0,
            evidence="metered",
            event_time_ms=at_ms,
            time_quality="seen",
            clock_quality="SYNCED",
            device_time="",
            raw="/".join(digits),
            flags="",
            credential="",
            booked_at_ms=at_ms,
            stream_seq=self._stream_seq,
        )

    def _payment(self, number: int, fact: Fact) -> PosSale:
        return PosSale(
            register="till-1",
            pos_sale_id=f"h{number:08d}",
            point=fact.point,
            fuel_amount_fen=fact.amount_fen,
            tender="wechat",
            lines=(),
            credential="",
            state="BOUND",
            fact_id=fact.fact_id,
            paid_at_ms=fact.booked_at_ms + 1,
        )

    def _award(self, fact: Fact, customer: _Customer, tx: Transaction) -> StoredLot:
        local = local_time(fact.event_time_ms, self._bundle)
        day, month = local.business_date, local.business_date[:7]
        used = {period: customer.used.get(period, Used()) for period in (day, month)}
        customer.used = used
        inputs = AwardInputs(
            lines=(Line(product=fact.product, volume_ml=fact.volume_ml, amount_fen=fact.amount_fen),),
            tender="wechat",
            tier=customer.tier,
            usage=Usage(
                day_minor=used[day].minor,
                month_minor=used[month].minor,
                day_fills=used[day].fills,
                month_fills=used[month].fills,
                month_ml=used[month].volume_ml,
                month_fen=used[month].amount_fen,
            ),
            evidence=fact.evidence,
            time_quality=fact.time_quality,
            local=local,
        )
        earned = award(inputs, self._bundle)
        self._stream_seq += 1
        stored = StoredAward(
            fact_id=fact.fact_id,
            award_id=ids.award_id(self._here.programme, fact.fact_id),
            member=customer.member,
            bundle=self._bundle.bundle,
            version=self._bundle.version,
            minor=earned.minor,
            reason=earned.reason,
            inputs=inputs.model_dump_json(exclude_defaults=True),
            result=earned.model_dump_json(exclude_defaults=True),
            settled_at_ms=fact.booked_at_ms + 1,
            stream_seq=self._stream_seq,
        )
        tx.awards.add(stored)
        bought = Used(earned.minor, 1, fact.volume_ml, fact.amount_fen)
        for period in (day, month):
            customer.used[period] += bought
            tx.awards.use(
                *(customer.member, period),
                minor=earned.minor,
                fills=1,
                volume_ml=fact.volume_ml,
                amount_fen=fact.amount_fen,
            )
        return StoredLot(
            lot_id=stored.award_id,
            member=customer.member,
            minor=earned.minor,
            remaining_minor=earned.minor,
            lapsed_minor=0,
            state="active",
            earned_on=day,
            spendable_at_ms=stored.settled_at_ms,
            term_ends_on=earned.lapses_on,
            lapses_on=earned.lapses_on,
            honoured_until="",
            ratio_version=self._ratio_version(local.day),
        )

    def _ratio_version(self, day: date) -> int:
        ratio = ratio_at(self._bundle.redemption, day) if self._bundle.redemption else None
        return ratio.version if ratio else 0

    def _spend(self, lot: StoredLot, at_ms: int, tx: Transaction) -> None:
        """All of a lot, in `PARTS` entries."""
        while remaining := lot.remaining_minor:
            part = min(remaining, lot.minor // PARTS + 1)
            postings = ledger.redemption_postings(lot.member, part)
            self._entries = tx.ledger.post("redemption", lot.lot_id, postings, at_ms)
            tx.lots.moved(lot.lot_id, self._entries, -part)
            state = "active" if part < remaining else "exhausted"
            lot = replace(lot, remaining_minor=remaining - part, state=state)
            tx.lots.change(lot)

    def _acknowledge(self, tx: Transaction) -> None:
        """Everything so far is headquarters'; of the stream only the row at the watermark is left."""
        self._stream_seq += 1
        body = bodies.Claim(kind="claim", of=self._stream_seq - 2, credential="").encoded()
        head = hashlib.sha256(body).digest()
        at_ms = self.now_ms
        self._connection.execute(_FORGET_ACKNOWLEDGED, (LEDGER,))
        self._connection.execute(_ACKNOWLEDGED, (LEDGER, self._stream_seq, "claim", at_ms, body, head))
        tx.outbox.forget()
        tx.outbox.raise_watermark(LEDGER, Watermark(self._stream_seq, head, at_ms))

    def _snapshot(self) -> bytes:
        """Members as headquarters knows them now: with everything of ours."""
        members = []
        for customer in self._customers:
            minor_of: Counter[str] = Counter()
            for lot in customer.lots:
                minor_of[lot.lapses_on] += lot.remaining_minor
            members.append(
                {
                    "balance_minor": minor_of.total(),
                    "buckets": [{"lapses_on": day, "minor": minor} for day, minor in minor_of.items()],
                    "included_seq": self._entries,
                }
            )
        return snapshot(self._here, self.now_ms, members, version=self._snapshots)
