"""Integration: do 600 real card sales come out at HQ with the right counts, money and points per card?

Input: the first rows of the CCS card sales (CTU relational data repository, through BIRD; CC BY-SA
4.0), read in place. Fuel goes through Modbus dispensers, shop lines through the POS link, one
station per currency. The programme has ten rules of every kind; what they give is computed a second
time here, from points.md 4 and the file, in fractions, in the order in which the cards were served.
"""

import csv
import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.cli.demo.cashier import Cashier
from agent.cli.demo.reconcile import books_of_station
from agent.cli.demo.stage import Plan, Stage
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from agent.store import integrity, reading
from drivers.events import BasketLine, Credential, CredentialKind, Outcome
from drivers.modbus.options import ModbusOptions
from drivers.modbus.simulator import ModbusSimulator
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from sync.hq.store import HqStore

CARD_SALES = Path(__file__).parents[4] / "shared/data/ccs-transactions/transactions_600.csv"
DIESEL, PETROL = {2, 9, 20, 317, 332}, {5, 8, 19, 22, 31, 322}
FIRST_EURO_PRODUCT = 300
PRICE_MILLI = {"CZK": 36_300, "EUR": 1_479}
PUMPS = 6

pytestmark = pytest.mark.skipif(not CARD_SALES.exists(), reason="the card sales are read in place")

PRAGUE = ZoneInfo("Europe/Prague")
WASH = {15, 341}
OPEN_HOURS = 4

BUNDLE = """
schema = "loyalty-bundle/1"
program = "cards"
bundle = "cards"
version = 1
points_scale = 100
timezone = "Europe/Prague"
business_day_starts = "00:00"
effective_from = 2020-01-01T00:00:00+00:00
[rounding]
mode = "floor"
to_minor = 100
[tiers]
order = ["basic", "gold"]
[[ruleset]]
id = "1"
  [[ruleset.base]]
  id = "petrol"
  product = ["petrol"]
  per = "volume"
  quantum = 1000
  step = 10
  points_minor = 200
  bands = "part"
  counted = "sale"
  band = [{{ from = 30000, points_minor = 250 }}]
  [[ruleset.base]]
  id = "diesel"
  product = ["diesel"]
  per = "volume"
  quantum = 1000
  step = 10
  points_minor = 100
  bands = "whole"
  counted = "member_month"
  band = [{{ from = 60000, points_minor = 130 }}, {{ from = 100000, points_minor = 160 }}]
  [[ruleset.base]]
  id = "wash"
  product = ["15", "341"]
  per = "amount"
  quantum = 100
  step = 50
  points_minor = 200
  [[ruleset.base]]
  id = "shop"
  product = ["shop"]
  per = "amount"
  quantum = 100
  step = 100
  points_minor = 100
  [[ruleset.modifier]]
  id = "gold"
  group = "tier"
  bp = 12500
  tier = ["gold"]
  [[ruleset.modifier]]
  id = "these-hours"
  group = "when"
  bp = 15000
  window = {{ weekdays = {days}, hours = "{opens}-{closes}" }}
  [[ruleset.modifier]]
  id = "other-days"
  group = "when"
  bp = 30000
  window = {{ weekdays = {other_days} }}
  [[ruleset.bonus]]
  id = "second-fill"
  minor = 2500
  period = "member_day"
  nth = [2]
  at_least_ml = 5000
  [[ruleset.cap]]
  id = "sale"
  scope = "transaction"
  minor = 20000
  [[ruleset.cap]]
  id = "day"
  scope = "member_day"
  minor = 22000
  [ruleset.combine]
  tier = "best"
  when = "best"
"""


APPLIED = {
    "CZK": {"petrol", "diesel", "wash", "shop", "gold", "these-hours", "second-fill", "sale", "day"},
    "EUR": {"petrol", "diesel", "wash", "shop", "gold", "these-hours", "sale"},
}
"""Nine of the ten rules meet a sale in crowns, so that the comparison tries them; the tenth must not."""


@dataclass(frozen=True)
class Hours:
    """The hours around the test and the three days that they can touch, so that they are open now."""

    opens_minute: int
    days: frozenset[int]

    @classmethod
    def around(cls, now: datetime) -> "Hours":
        opens = now - timedelta(hours=OPEN_HOURS // 2)
        days = {(now + timedelta(days=n)).isoweekday() for n in (-1, 0, 1)}
        return cls(opens.hour * 60 + opens.minute, frozenset(days))

    @property
    def bundle(self) -> bytes:
        closes_minute = (self.opens_minute + OPEN_HOURS * 60) % 1440
        return BUNDLE.format(
            opens=f"{self.opens_minute // 60:02d}:{self.opens_minute % 60:02d}",
            closes=f"{closes_minute // 60:02d}:{closes_minute % 60:02d}",
            days=sorted(self.days),
            other_days=sorted({*range(1, 8)} - self.days),
        ).encode()

    def factor(self, at: datetime) -> Fraction:
        """The better of x1.5 in these hours of these days and x3 on the others; x1 otherwise."""
        minutes_open = (at.hour * 60 + at.minute - self.opens_minute) % 1440
        began = (at - timedelta(minutes=minutes_open)).date()
        if at.isoweekday() not in self.days:
            return Fraction(3)
        is_open = minutes_open < OPEN_HOURS * 60 and began.isoweekday() in self.days
        return Fraction(3, 2) if is_open else Fraction(1)


@dataclass(frozen=True)
class Basket:
    card: str
    fuel: str  # "petrol", "diesel" or "" for a shop-only basket
    fuel_cents: int
    lines: tuple[tuple[str, int], ...]


def card_sales() -> list[dict[str, str]]:
    with CARD_SALES.open() as file:
        return list(csv.DictReader(file))


def cents(row: dict[str, str]) -> int:
    whole, _, rest = row["Price"].partition(".")
    return int(whole) * 100 + int(rest.ljust(2, "0"))


def baskets_by_currency() -> tuple[dict[str, list[Basket]], list[str]]:
    """Baskets in file order, and the rows that are refused: fuel without a quantity was never dispensed."""
    grouped, refused = defaultdict(list), []
    for row in card_sales():
        if int(row["ProductID"]) in DIESEL | PETROL and row["Amount"] == "0":
            refused.append(f"QUANTITY_ZERO {row['TransactionID']}")
            continue
        grouped[row["Date"], row["Time"], row["CardID"], row["GasStationID"]].append(row)
    result = defaultdict(list)
    for (_, _, card, _), rows in grouped.items():
        fuel = [row for row in rows if int(row["ProductID"]) in DIESEL | PETROL]
        shop = [(row["ProductID"], cents(row)) for row in rows if row not in fuel]
        grade = "" if not fuel else "diesel" if int(fuel[0]["ProductID"]) in DIESEL else "petrol"
        euro = int(rows[0]["ProductID"]) >= FIRST_EURO_PRODUCT
        basket = Basket(card, grade, sum(map(cents, fuel)), tuple(shop))
        result["EUR" if euro else "CZK"].append(basket)
    return result, refused


@dataclass
class Card:
    """One card's points and purchases as points.md 4 has them, sale by sale in the order of their awards."""

    tier: str
    minor: int = 0
    earned_on: Counter[date] = field(default_factory=Counter)
    fills_on: Counter[date] = field(default_factory=Counter)
    month_ml: Counter[tuple[int, int]] = field(default_factory=Counter)

    def buy(self, rows: list[dict[str, str]], price_milli: int, hours: Hours, at: datetime) -> int:
        day, month = at.date(), (at.year, at.month)
        fuel = [row for row in rows if is_fuel(row)]
        volume_ml = round_half_up(Fraction(10_000 * sum(map(cents, fuel)), price_milli))
        exact = Fraction(0)
        if fuel:
            exact += fuel_points(fuel[0], volume_ml // 10 * 10, self.month_ml[month])
        goods = [row for row in rows if not is_fuel(row)]
        for product in {int(row["ProductID"]) for row in goods} & WASH:
            paid = sum(cents(row) for row in goods if int(row["ProductID"]) == product)
            exact += Fraction(paid // 50 * 50 * 200, 100)
        paid = sum(cents(row) for row in goods if int(row["ProductID"]) not in WASH)
        exact += paid // 100 * 100
        exact *= (Fraction(5, 4) if self.tier == "gold" else 1) * hours.factor(at)
        if fuel and self.fills_on[day] == 1 and volume_ml >= 5_000:
            exact += 2_500
        minor = int(exact // 100) * 100
        minor = max(0, min(minor, 20_000, 22_000 - self.earned_on[day]))
        self.minor += minor
        self.earned_on[day] += minor
        self.fills_on[day] += bool(fuel)
        self.month_ml[month] += volume_ml
        return minor


def fuel_points(row: dict[str, str], counted_ml: int, month_ml: int) -> Fraction:
    """Petrol: 2 a litre, from 30 L on 2.5. Diesel: 1, or 1.3 or 1.6 where the month reaches 60 or 100 L."""
    if int(row["ProductID"]) in PETROL:
        return Fraction(200 * min(counted_ml, 30_000) + 250 * max(0, counted_ml - 30_000), 1_000)
    reached_ml = month_ml + counted_ml
    rate = 160 if reached_ml >= 100_000 else 130 if reached_ml >= 60_000 else 100
    return Fraction(rate * counted_ml, 1_000)


def is_fuel(row: dict[str, str]) -> bool:
    return int(row["ProductID"]) in DIESEL | PETROL


def round_half_up(exact: Fraction) -> int:
    return int((exact + Fraction(1, 2)) // 1)


def tier_of(card: str) -> str:
    return "gold" if int(card) % 3 == 0 else "basic"


class Expected:
    """What the file says was bought, and how it is to be rewarded."""

    def __init__(self, currency: str, hours: Hours) -> None:
        self._price_milli, self._hours = PRICE_MILLI[currency], hours
        grouped = defaultdict(list)
        for row in card_sales():
            euro = int(row["ProductID"]) >= FIRST_EURO_PRODUCT
            if euro == (currency == "EUR") and not (is_fuel(row) and float(row["Amount"]) == 0):
                grouped[row["Date"], row["Time"], row["CardID"], row["GasStationID"]].append(row)
        self.count = len(grouped)
        self.money = Counter()
        self._waiting = defaultdict(list)
        for (_, _, card, _), rows in grouped.items():
            self.money[card] += sum(map(cents, rows))
            self._waiting[card, money_of(rows)].append(rows)
        self._cards = {card: Card(tier_of(card)) for card in self.money}

    def minor(self, card: str, money: tuple[int, ...], at: datetime) -> int:
        """The points of the card's next sale, which is recognised by its money."""
        return self._cards[card].buy(self._waiting[card, money].pop(), self._price_milli, self._hours, at)

    @property
    def points(self) -> Counter[str]:
        return Counter({name: card.minor for name, card in self._cards.items()})


def money_of(rows: list[dict[str, str]]) -> tuple[int, ...]:
    """Fuel together, and each kind of goods that the rules tell apart."""
    paid: Counter[str] = Counter()
    for row in rows:
        product = int(row["ProductID"])
        paid["fuel" if is_fuel(row) else str(product) if product in WASH else "shop"] += cents(row)
    return tuple(sorted(paid.values()))


class CardStation:
    """Six Modbus dispensers (diesel and petrol in turn) and a POS, for one currency."""

    def __init__(self, directory: Path, currency: str, cards: set[str], bundle: bytes) -> None:
        clock = SystemClock()
        self._clock = clock
        self._price_milli = PRICE_MILLI[currency]
        options = ModbusOptions(map="ring-buffer", transport="tcp", poll_ms=50)
        self.pumps = [SimulatorOnTcp(ModbusSimulator("1", options), clock.monotonic_ms) for _ in range(PUMPS)]
        directory.mkdir()
        self.pos = SimulatorOnPty(
            PosSimulator(PosLinkOptions(register_id="till")), clock.monotonic_ms, directory / "pos"
        )
        self.cashier = Cashier(self.pos, clock.monotonic_ms)
        plan = Plan(f"cards-{currency.lower()}", "cards", "Europe/Prague", self._wiring(), bundle)
        self.stage = Stage(directory / "stage", plan, clock.wall_ms)
        members = tuple(
            (Member(member=f"m-{card}", tier=tier_of(card)), (self.stage.credential_key.hash(shown(card)),))
            for card in sorted(cards)
        )
        self.stage.plan = Plan(plan.station, plan.programme, plan.timezone, plan.wiring, plan.bundle, members)

    def _wiring(self) -> str:
        lines = [
            f'[[line]]\nname="l{n}"\ndriver="modbus"\nport="{pump.device}"\n[[line.device]]\nkey="d{n}"\n'
            'address="1"\noptions={map="ring-buffer", transport="tcp", poll_ms=50}\n'
            f'[[point]]\nid="{n}"\n[[point.nozzle]]\ndevice="d{n}"\nnozzle="1"\nproduct="{grade(n)}"\n'
            for n, pump in enumerate(self.pumps)
        ]
        pos = (
            f'[[line]]\nname="pos"\ndriver="pos_link"\nport="{self.pos.path}"\npty=true\n'
            '[[line.device]]\nkey="till"\naddress="till"\noptions={register_id="till"}\n'
        )
        return "".join([*lines, pos])

    def play(self, baskets: list[Basket]) -> None:
        """In file order at each dispenser; shop-only baskets at the till meanwhile."""
        queues: dict[int, list[tuple[str, Basket]]] = defaultdict(list)
        for number, basket in enumerate(baskets):
            fitting = [n for n in range(PUMPS) if grade(n) == basket.fuel] or [PUMPS]
            queues[min(fitting, key=lambda n: len(queues[n]))].append((f"s{number:04d}", basket))
        threads = [threading.Thread(target=self._serve, args=item) for item in queues.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self, pump: int, queue: list[tuple[str, Basket]]) -> None:
        for sale_id, basket in queue:
            point = None
            if basket.fuel:
                point = str(pump)
                volume_ml = (basket.fuel_cents * 10_000 + self._price_milli // 2) // self._price_milli
                self.pumps[pump].act(
                    lambda device, ml=volume_ml, fen=basket.fuel_cents: device.sell(
                        ml, fen, self._price_milli, self._clock.monotonic_ms()
                    )
                )
            lines = [BasketLine(product, 1_000, paid) for product, paid in basket.lines]
            answer = self.cashier.pay(sale_id, point, basket.fuel_cents, shown(basket.card), lines)
            assert answer is not None
            assert answer.outcome in (Outcome.DONE, Outcome.REPEATED), answer

    def close(self) -> None:
        self.stage.close()
        for stage in (*self.pumps, self.pos):
            stage.close()


def grade(pump: int) -> str:
    return "petrol" if pump % 3 == 0 else "diesel"


def shown(card: str) -> Credential:
    return Credential(CredentialKind.CARD, card)


def test_the_row_without_a_quantity_is_refused_and_listed():
    baskets, refused = baskets_by_currency()
    assert refused == ["QUANTITY_ZERO 137"]
    assert sum(map(len, baskets.values())) == 550
    assert sum(not basket.fuel for group in baskets.values() for basket in group) == 30


@pytest.mark.parametrize("currency", ["EUR", "CZK"])
def test_real_card_sales_reach_hq_with_counts_money_and_points_per_card(tmp_path, currency):
    baskets = baskets_by_currency()[0][currency]
    hours = Hours.around(datetime.now(PRAGUE))
    station = CardStation(tmp_path / currency, currency, {basket.card for basket in baskets}, hours.bundle)
    try:
        station.stage.open()
        station.play(baskets)
        assert station.stage.drain(30)
        connection = reading.connect(station.stage.database)
        books, findings = books_of_station(connection), integrity.verify(connection)
        facts = reading.outbox_items(connection, last=10_000, stream="ledger")
        connection.close()
        store = HqStore(station.stage.hq_url, create=False)
        name = station.stage.plan.station
        held = store.reconcile(name)
        awards = [json.loads(body) for body in store.bodies(name, "award")]
        store.close()
    finally:
        station.close()
    told = {item.seq: json.loads(item.body) for item in facts}
    expected = Expected(currency, hours)
    at_hq, paid_at_hq, applied = Counter(), Counter(), set()
    for award in awards:
        card, fact = award["member"].removeprefix("m-"), told[award["of"]]
        lines = award["inputs"].get("lines") or [fact]  # a sale of nothing but its fuel leaves them out
        money = tuple(sorted(line["amount_fen"] for line in lines))
        at = datetime.fromtimestamp(fact["event_ms"] // 1000, UTC).astimezone(PRAGUE)
        assert award["minor"] == expected.minor(card, money, at), award
        at_hq[card] += award["minor"]
        paid_at_hq[card] += sum(money)
        applied |= set(award["explanation"])
    assert findings == []
    assert held.alarms == ()
    assert len(baskets) == books.facts == held.items("fuelling", "basket") == held.items("award")
    assert len(baskets) == expected.count
    assert paid_at_hq == expected.money
    assert at_hq == expected.points
    assert at_hq.total() == books.points_minor == held.minor("award")
    assert applied == APPLIED[currency]
