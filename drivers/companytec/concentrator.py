"""The cabinet behind the simulated ports: a ring of records, totals, and cards that were shown.

It keeps everything whatever happens to its power. Each port has read pointers of its own and a protocol
of its own (`simulator.py`, `horustech_simulator.py`).
"""

from dataclasses import dataclass, field

EMPTY_TAG = "F" * 16
RING = 10_000
TOTALIZER_MODULUS_CL = 10**10
YEAR = "26"


@dataclass(frozen=True, slots=True)
class Record:
    """One sale in the ring: quantities as sold, and the digits that all forms are written from.

    `unit_price` has six digits whose decimals, like the total's and the volume's, `decimals` tells (two
    hex digits). `day`, `hour`, `minute` and `month` are the digits as written, possible or not.
    """

    nozzle: str
    volume_ml: int
    amount_fen: int
    price_milli: int
    tag: str
    number: int
    totalizer_cl: int
    before_cl: int
    unit_price: str
    decimals: str
    day: str
    hour: str
    minute: str
    month: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card that the concentrator does not know, shown without a sale."""

    nozzle: str
    tag: str


@dataclass
class Concentrator:
    """What the cabinet keeps whatever happens to its power. `positions`: records in its ring."""

    positions: int = RING
    ring: dict[int, Record] = field(default_factory=dict)
    write: int = 0
    totals_ml: dict[str, int] = field(default_factory=dict)
    totals_fen: dict[str, int] = field(default_factory=dict)
    flowing: dict[str, int] = field(default_factory=dict)
    sold: list[Record] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)

    def begin(self, nozzle: str) -> None:
        """Fuel starts to flow: the nozzle shows among the fuellings in progress until it is sold."""
        self.flowing[nozzle] = 0

    def present(self, nozzle: str, tag: str) -> None:
        """An unknown card is shown at a nozzle."""
        self.cards.append(Card(nozzle, tag))

    def sell(
        self,
        nozzle: str,
        volume_ml: int,
        amount_fen: int,
        price_milli: int,
        tag: str | None = None,
        clock_ms: int = 0,
        when: str | None = None,
    ) -> Record:
        """One finished sale. `nozzle` is two digits as the port's protocol writes them, `tag` sixteen hex
        digits. Volume below 100,000 l, amount below a million yuan; the price keeps three decimals below
        10 yuan a litre, else two. `when` (day, hour, minute, month) stands for the clock."""
        assert volume_ml < 10**8, "eight digits with three decimals"
        assert amount_fen < 10**8, "eight digits with two decimals"
        self.flowing.pop(nozzle, None)
        before_ml = self.totals_ml.get(nozzle, 0)
        total_ml = self.totals_ml[nozzle] = before_ml + volume_ml
        self.totals_fen[nozzle] = self.totals_fen.get(nozzle, 0) + amount_fen
        decimals, price = ("3E", price_milli) if price_milli < 10_000 else ("2E", price_milli // 10)
        day, hour, minute, month = _pairs(when or _clock(clock_ms))
        record = Record(
            nozzle=nozzle,
            volume_ml=volume_ml,
            amount_fen=amount_fen,
            price_milli=price_milli,
            tag=tag or EMPTY_TAG,
            number=self.write,
            totalizer_cl=total_ml // 10 % TOTALIZER_MODULUS_CL,
            before_cl=before_ml // 10 % TOTALIZER_MODULUS_CL,
            unit_price=f"{price:06d}",
            decimals=decimals,
            day=day,
            hour=hour,
            minute=minute,
            month=month,
        )
        self.ring[self.write] = record
        self.write = (self.write + 1) % self.positions
        self.sold.append(record)
        return record


def _clock(clock_ms: int) -> str:
    minutes = clock_ms // 60_000
    return f"{1 + minutes // 1_440 % 28:02d}{minutes // 60 % 24:02d}{minutes % 60:02d}02"


def _pairs(digits: str) -> tuple[str, ...]:
    return tuple(digits[at : at + 2] for at in range(0, 8, 2))
