"""Integration: do 600 real card sales come out at HQ with the right counts, money and points per card?

Input: the first rows of the CCS card sales (CTU relational data repository, through BIRD; CC BY-SA
4.0), read in place. Fuel goes through Modbus dispensers, shop lines through the POS link, one
station per currency. The rules are per litre and per unit of money, without caps, so that the
points of a card can be computed independently in a few lines.
"""

import csv
import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

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
order = ["basic"]
[[ruleset]]
id = "1"
  [[ruleset.base]]
  id = "petrol"
  product = ["petrol"]
  per = "volume"
  points_minor = 200
  quantum = 1000
  step = 10
  [[ruleset.base]]
  id = "diesel"
  product = ["diesel"]
  per = "volume"
  points_minor = 100
  quantum = 1000
  step = 10
  [[ruleset.base]]
  id = "shop"
  product = ["shop"]
  per = "amount"
  points_minor = 100
  quantum = 100
  step = 100
  [ruleset.combine]
"""


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


def expected(currency: str) -> tuple[Counter[str], Counter[str], int]:
    """The independent calculation: points and cents per card, and the number of baskets."""
    points, money, count = Counter(), Counter(), 0
    sales = defaultdict(lambda: [0, 0])
    for row in card_sales():
        product, paid = int(row["ProductID"]), round(float(row["Price"]) * 100)
        fuel = product in DIESEL | PETROL
        if (product >= FIRST_EURO_PRODUCT) != (currency == "EUR") or (fuel and float(row["Amount"]) == 0):
            continue
        key = (row["Date"], row["Time"], row["CardID"], row["GasStationID"])
        price = PRICE_MILLI[currency]
        decilitres_10 = (paid * 10_000 + price // 2) // price // 10  # whole 10 ml
        sales[key][0] += decilitres_10 * (1 if product in DIESEL else 2) if fuel else 0
        sales[key][1] += 0 if fuel else paid
        money[row["CardID"]] += paid
    for (_, _, card, _), (fuel_hundredths, shop_cents) in sales.items():
        points[card] += (fuel_hundredths + shop_cents // 100 * 100) // 100 * 100
        count += 1
    return points, money, count


class CardStation:
    """Six Modbus dispensers (diesel and petrol in turn) and a POS, for one currency."""

    def __init__(self, directory: Path, currency: str, cards: set[str]) -> None:
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
        plan = Plan(f"cards-{currency.lower()}", "cards", "Europe/Prague", self._wiring(), BUNDLE.encode())
        self.stage = Stage(directory / "stage", plan, clock.wall_ms)
        members = tuple(
            (Member(member=f"m-{card}", tier="basic"), (self.stage.credential_key.hash(shown(card)),))
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
    points, money, count = expected(currency)
    station = CardStation(tmp_path / currency, currency, {basket.card for basket in baskets})
    try:
        station.stage.open()
        station.play(baskets)
        assert station.stage.drain(30)
        connection = reading.connect(station.stage.database)
        books, findings = books_of_station(connection), integrity.verify(connection)
        connection.close()
        store = HqStore(station.stage.hq_url, create=False)
        name = station.stage.plan.station
        held = store.reconcile(name)
        awards = [json.loads(body) for body in store.bodies(name, "award")]
        store.close()
    finally:
        station.close()
    at_hq, paid_at_hq = Counter(), Counter()
    for award in awards:
        card = award["member"].removeprefix("m-")
        at_hq[card] += award["minor"]
        paid_at_hq[card] += sum(line["amount_fen"] for line in award["inputs"]["lines"])
    assert findings == []
    assert held.alarms == ()
    assert len(baskets) == books.facts == held.items("fuelling", "basket") == held.items("award") == count
    assert paid_at_hq == money
    assert at_hq == points
    assert sum(points.values()) == books.points_minor == held.minor("award")
